"""Groups in a database: names, members, loops, imports that happen whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imsnode.identity.accounts import make_account
from imsnode.storage import (
    AccountExists,
    Accounts,
    Database,
    GroupRefused,
    GroupStore,
    ImportRefused,
)
from pager.groups import Group, Senders

ALICE, BOB, CAROL = (f"sip:{name}@ims.test" for name in ("alice", "bob", "carol"))
SALES, NORTH, ALL = (f"sip:{name}@ims.test" for name in ("sales", "north", "all"))
ECHO = "sip:echo@ims.test"
ELSEWHERE = "sip:eve@other.test"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with Database(url) as opened:
        opened.upgrade()
        accounts = Accounts(opened)
        for aor in (ALICE, BOB, CAROL):
            accounts.add(make_account(aor, "secret"))
        yield opened


@pytest.fixture
def groups(database: Database) -> GroupStore:
    return GroupStore(database, ["ims.test"], [ECHO])


def test_a_group_is_kept_as_it_was_added(groups: GroupStore) -> None:
    made = Group(SALES, ALICE, Senders.DOMAIN, "Sales & more", (ALICE, BOB, ELSEWHERE))
    groups.add(made)
    groups.add(Group(ALL, members=(SALES,)))
    assert groups.get(SALES) == made
    assert groups.load_all() == [Group(ALL, members=(SALES,)), made]
    assert groups.get(NORTH) is None


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        (Group(ALICE), "is a user"),
        (Group(ECHO), "service of the node"),
        (Group(SALES), "exists already"),
        (Group(NORTH, members=("sip:nobody@ims.test",)), "neither a user nor a group"),
        (Group(NORTH, members=(NORTH,)), f"{NORTH} > {NORTH}"),
    ],
)
def test_what_cannot_be_a_group_is_refused(groups: GroupStore, group: Group, reason: str) -> None:
    groups.add(Group(SALES))
    with pytest.raises(GroupRefused, match=reason):
        groups.add(group)
    assert groups.load_all() == [Group(SALES)]


def test_a_loop_is_refused_with_its_path(groups: GroupStore) -> None:
    groups.add(Group(NORTH, members=(BOB,)))
    groups.add(Group(SALES, members=(NORTH,)))
    groups.add(Group(ALL, members=(SALES,)))
    with pytest.raises(GroupRefused, match=f"{NORTH} > {ALL} > {SALES} > {NORTH}"):
        groups.add_members(NORTH, [CAROL, ALL])
    assert groups.get(NORTH) == Group(NORTH, members=(BOB,))


def test_members_come_and_go(groups: GroupStore) -> None:
    groups.add(Group(SALES, members=(ALICE,)))
    assert groups.add_members(SALES, [ALICE, BOB, BOB]) == 1
    assert groups.remove_members(SALES, [ALICE, CAROL]) == 1
    assert groups.get(SALES) == Group(SALES, members=(BOB,))
    for change in (groups.add_members, groups.remove_members):
        with pytest.raises(GroupRefused, match="no group"):
            change(NORTH, [ALICE])


def test_a_removed_group_leaves_no_trace(groups: GroupStore) -> None:
    groups.add(Group(NORTH, members=(BOB,)))
    groups.add(Group(ALL, members=(NORTH, ALICE)))
    groups.remove(NORTH)
    assert groups.load_all() == [Group(ALL, members=(ALICE,))]
    groups.add(Group(NORTH))
    assert groups.get(NORTH) == Group(NORTH)
    with pytest.raises(GroupRefused, match="no group"):
        groups.remove(SALES)


def test_what_a_group_is_can_be_changed(groups: GroupStore) -> None:
    groups.add(Group(SALES, ALICE, Senders.OWNER, "Old", (BOB,)))
    groups.change(SALES, owner="", display_name="New")
    groups.change(SALES, senders=Senders.ANYONE)
    assert groups.get(SALES) == Group(SALES, "", Senders.ANYONE, "New", (BOB,))
    with pytest.raises(GroupRefused, match="no group"):
        groups.change(NORTH, owner=ALICE)


def test_a_name_is_a_user_or_a_group(database: Database, groups: GroupStore) -> None:
    accounts = Accounts(database)
    groups.add(Group(SALES))
    with pytest.raises(AccountExists, match="as a group"):
        accounts.add(make_account(SALES, "secret"))
    dave = make_account("sip:dave@ims.test", "secret")
    with pytest.raises(ImportRefused) as refused:
        accounts.import_many([dave, make_account(SALES, "secret")])
    assert refused.value.problems == ((1, f"{SALES} exists already as a group"),)
    assert accounts.get(dave.aor) is None


def test_a_removed_user_is_in_no_group(database: Database, groups: GroupStore) -> None:
    groups.add(Group(SALES, members=(ALICE, BOB)))
    Accounts(database).remove(ALICE)
    assert groups.get(SALES) == Group(SALES, members=(BOB,))


def test_an_import_adds_to_what_is_there(groups: GroupStore) -> None:
    groups.add(Group(SALES, ALICE, members=(ALICE,)))
    told: list[int] = []
    made = {
        ALL: Group(ALL, display_name="All"),
        SALES: Group(SALES, BOB, Senders.OWNER),
    }
    lines = [(ALL, SALES), (ALL, ELSEWHERE), (SALES, BOB), (SALES, ALICE)]
    assert groups.import_all(made, lines, told.append) == (1, 3)
    assert told == [4]
    assert groups.load_all() == [
        Group(ALL, display_name="All", members=(ELSEWHERE, SALES)),
        Group(SALES, BOB, Senders.OWNER, members=(ALICE, BOB)),
    ]
    assert groups.import_all(made, lines) == (0, 0)


def test_an_import_with_bad_lines_changes_nothing(groups: GroupStore) -> None:
    groups.add(Group(NORTH, members=(ALICE,)))
    made = {name: Group(name) for name in (ALL, BOB, ECHO)}
    lines = [(ALL, ALICE), (BOB, ALICE), (ECHO, ""), (ALL, "sip:typo@ims.test")]
    with pytest.raises(ImportRefused) as refused:
        groups.import_all(made, lines)
    assert [index for index, _ in refused.value.problems] == [1, 2, 3]
    assert groups.load_all() == [Group(NORTH, members=(ALICE,))]


def test_an_import_with_a_loop_names_a_line_of_it(groups: GroupStore) -> None:
    groups.add(Group(NORTH, members=(BOB,)))
    lines = [(SALES, ALICE), (ALL, SALES), (SALES, NORTH), (NORTH, ALL)]
    made = {name: Group(name) for name in (ALL, SALES, NORTH)}
    with pytest.raises(ImportRefused) as refused:
        groups.import_all(made, lines)
    ((index, reason),) = refused.value.problems
    assert index in (1, 2, 3)
    assert reason.count(" > ") == 3
    assert groups.load_all() == [Group(NORTH, members=(BOB,))]
