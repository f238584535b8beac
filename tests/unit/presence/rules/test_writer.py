"""Rules changed by an operator for one watcher."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presence.event.package import Standing
from presence.rules import EVERYTHING, parse_rules
from presence.rules.writer import RuleStands, with_standing
from sip.errors import ParseError

from .test_rules import BOB, BOB_ALONE, identity, rule, ruleset

CAROL = "sip:carol@ims.test"


def standing(document: bytes, watcher: str, sphere: str = "") -> Standing:
    return parse_rules(document).decide(watcher, 0, sphere).standing


def test_who_has_no_rules_gets_some() -> None:
    document = with_standing(None, BOB, Standing.ALLOW)
    verdict = parse_rules(document).decide(BOB, 0)
    assert (verdict.standing, verdict.transformations, verdict.rule_id) == (
        Standing.ALLOW,
        EVERYTHING,
        "operator-allow",
    )
    assert parse_rules(document).decide(CAROL, 0).rule_id == ""


def test_the_last_word_counts_and_is_said_once() -> None:
    document = None
    for one in (
        Standing.ALLOW,
        Standing.BLOCK,
        Standing.POLITE,
        Standing.CONFIRM,
        Standing.CONFIRM,
        Standing.ALLOW,
    ):
        document = with_standing(document, BOB, one)
        assert standing(document, BOB) == one
        assert document.count(BOB.encode()) == 1
    assert document is not None
    assert standing(with_standing(document, CAROL, Standing.ALLOW), BOB) == Standing.ALLOW


MANY = identity('<cr:many domain="ims.test"/>', '<cr:many domain="other.test"/>')
WIDE = [
    rule("a", "", "allow"),
    rule("a", '<cr:sphere value="work"/>', "allow"),
    rule("a", MANY, "allow"),
    rule("a", identity(f'<cr:one id="{BOB}"/>', f'<cr:one id="{CAROL}"/>'), "allow"),
    rule("a", BOB_ALONE, "allow"),
    rule("a", identity("<cr:many/>"), "confirm")
    + rule("b", MANY + '<cr:sphere value="work"/>', "polite-block"),
    rule("a", "<ocp:other-identity/>", "allow"),
]


@pytest.mark.parametrize("rules", WIDE)
def test_who_is_blocked_is_taken_out_of_rules_for_many(rules: str) -> None:
    document = ruleset(rules)
    changed = with_standing(document, BOB, Standing.BLOCK)
    for sphere in ("", "work", "home"):
        assert standing(changed, BOB, sphere) == Standing.BLOCK
        assert standing(changed, CAROL, sphere) == standing(document, CAROL, sphere)
    assert with_standing(changed, BOB, Standing.BLOCK).count(BOB.encode()) == changed.count(
        BOB.encode()
    )


@pytest.mark.parametrize(
    "condition", ['<ocp:external-list><ocp:entry anc="http://x/l"/></ocp:external-list>']
)
def test_a_rule_that_cannot_be_narrowed_is_named(condition: str) -> None:
    with pytest.raises(RuleStands) as caught:
        with_standing(ruleset(rule("friends", condition, "allow")), BOB, Standing.BLOCK)
    assert caught.value.rule == "friends"


def test_rules_that_cannot_be_read_are_not_changed() -> None:
    with pytest.raises(ParseError):
        with_standing(b"<rules/>", BOB, Standing.ALLOW)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([BOB, CAROL]), st.sampled_from(Standing)), min_size=1, max_size=5
    ),
    st.sampled_from(WIDE),
)
def test_everybody_stands_as_was_said_last(said: list[tuple[str, Standing]], rules: str) -> None:
    document = ruleset(rules)
    for watcher, one in said:
        document = with_standing(document, watcher, one)
    for watcher, one in dict(said).items():
        assert standing(document, watcher) == one
