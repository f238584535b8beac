"""Who belongs to a group through others, who may send to it, and where a loop closes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pager.groups import Group, Groups, Senders, find_loop

ALICE, BOB, CAROL = (f"sip:{name}@ims.test" for name in ("alice", "bob", "carol"))
SALES, NORTH, ALL = (f"sip:{name}@ims.test" for name in ("sales", "north", "all"))


def company() -> Groups:
    return Groups(
        [
            Group(ALL, members=(SALES, NORTH, ALICE)),
            Group(SALES, members=(NORTH, BOB)),
            Group(NORTH, members=(CAROL, BOB, "sip:x@other.test")),
        ]
    )


def test_everybody_is_reached_once_through_any_number_of_groups() -> None:
    groups = company()
    assert groups.people(ALL) == (ALICE, BOB, CAROL, "sip:x@other.test")
    assert groups.people(NORTH) == (BOB, CAROL, "sip:x@other.test")


def test_groups_that_changed_are_worked_out_anew() -> None:
    groups = company()
    groups.people(ALL)
    groups.replace_all([Group(ALL, members=(CAROL,))])
    assert groups.people(ALL) == (CAROL,)
    assert groups.get(SALES) is None


def test_a_group_that_contains_itself_is_still_walked_once() -> None:
    groups = Groups([Group(ALL, members=(ALL, SALES, ALICE)), Group(SALES, members=(ALL,))])
    assert groups.people(ALL) == (ALICE,)


def test_who_may_send() -> None:
    stranger = "sip:x@other.test"
    expected = {
        Senders.OWNER: {ALICE},
        Senders.MEMBERS: {ALICE, BOB},
        Senders.DOMAIN: {ALICE, BOB, CAROL},
        Senders.ANYONE: {ALICE, BOB, CAROL, stranger, ""},
    }
    for senders, allowed in expected.items():
        group = Group(SALES, ALICE, senders, members=(NORTH,))
        groups = Groups([group, Group(NORTH, members=(BOB,))])
        everybody = {ALICE, BOB, CAROL, stranger, ""}
        assert {who for who in everybody if groups.may_send(group, who)} == allowed
    nobody = Group(SALES, "", Senders.OWNER)
    assert not Groups([nobody]).may_send(nobody, "")


def test_the_path_of_a_loop_is_told() -> None:
    inside = {"a": ["b"], "b": ["x", "c"], "c": ["d", "b"]}
    assert find_loop(["a"], lambda name: inside.get(name, ())) == ["b", "c", "b"]
    assert find_loop(["d", "x"], lambda name: inside.get(name, ())) == []
    assert find_loop(["a"], lambda name: ["a"]) == ["a", "a"]


def test_a_chain_of_any_length_is_walked() -> None:
    length = 20_000
    following = {str(n): [str(n + 1)] for n in range(length)}
    assert find_loop(["0"], lambda name: following.get(name, ())) == []


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=4)))
def test_a_loop_is_found_exactly_when_there_is_one(inside: dict[str, list[str]]) -> None:
    loop = find_loop(sorted(inside), lambda name: inside.get(name, ()))
    reach = {name: set(inside.get(name, ())) for name in "abcdef"}
    for middle in "abcdef":
        for one in "abcdef":
            if middle in reach[one]:
                reach[one] |= reach[middle]
    assert bool(loop) == any(name in reach[name] for name in inside)
    for one, two in pairwise(loop):
        assert two in inside[one]
    assert not loop or loop[0] == loop[-1]
