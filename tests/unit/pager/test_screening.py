"""What a user lets in: the decision about one message, fact by fact."""

from __future__ import annotations

import pytest

from pager import rules
from pager.policy import Act
from pager.screening import (
    Acquaintance,
    BlockAnswer,
    DomainPolicy,
    Incoming,
    Kind,
    Strangers,
    UserPolicy,
    Verdict,
    incoming,
    judge,
    specificity,
)

BOB = "sip:bob@ims.test"
ALICE = "sip:alice@ims.test"
WALL = 1_750_000_000.0
NONE, HEARD, SENT = Acquaintance.NONE, Acquaintance.HEARD, Acquaintance.SENT


def text(sender: str = ALICE, kind: Kind = Kind.TEXT, mime: str = "text/plain") -> Incoming:
    return Incoming(sender, kind, (mime,), 100)


def rule_of(verdict: Verdict | None) -> str:
    return "" if verdict is None else verdict.decision.rule


@pytest.mark.parametrize(
    ("block", "allow", "rule"),
    [
        ({ALICE}, set(), rules.SENDER_BLOCKED),
        ({"*@ims.test"}, set(), rules.SENDER_BLOCKED),
        ({"*@*.test"}, set(), rules.SENDER_BLOCKED),
        ({"*"}, set(), rules.SENDER_BLOCKED),
        ({"*@test", "*@*.ims.test", "sip:alice@other.test"}, set(), ""),
        ({"*"}, {ALICE}, ""),
        ({"*"}, {"*@*.test"}, ""),
        ({ALICE}, {"*@ims.test"}, rules.SENDER_BLOCKED),
        ({ALICE}, {ALICE}, rules.SENDER_BLOCKED),
    ],
)
def test_the_more_specific_entry_counts(block: set[str], allow: set[str], rule: str) -> None:
    user = UserPolicy(BOB, frozenset(block), frozenset(allow))
    assert rule_of(judge(user, DomainPolicy(), text(), NONE, WALL)) == rule


def test_longer_domains_are_more_specific() -> None:
    aor = "sip:x@a.b.test"
    marks = [specificity(frozenset({one}), aor) for one in ("*", "*@*.test", "*@*.b.test")]
    marks += [specificity(frozenset({one}), aor) for one in ("*@a.b.test", aor)]
    assert marks == sorted(marks)
    assert len(set(marks)) == 5
    assert specificity(frozenset({"*@*.a.b.test"}), aor) == 0


@pytest.mark.parametrize(
    ("answer", "act", "status"),
    [
        (BlockAnswer.UNAVAILABLE, Act.IGNORE, 0),
        (BlockAnswer.FORBIDDEN, Act.REFUSE, 403),
        (BlockAnswer.DECLINE, Act.REFUSE, 603),
    ],
)
def test_what_a_blocked_sender_hears(answer: BlockAnswer, act: Act, status: int) -> None:
    user = UserPolicy(BOB, frozenset({ALICE}))
    verdict = judge(user, DomainPolicy(block_answer=answer), text(), SENT, WALL)
    assert verdict is not None
    assert (verdict.decision.act, verdict.decision.status) == (act, status)


@pytest.mark.parametrize(
    ("strangers", "kind", "met", "rule"),
    [
        (Strangers.NOTHING, Kind.TEXT, NONE, rules.STRANGER),
        (Strangers.NOTHING, Kind.TEXT, HEARD, rules.STRANGER),
        (Strangers.NOTHING, Kind.TEXT, SENT, ""),
        (Strangers.NOTHING, Kind.RECEIPT, NONE, ""),
        (Strangers.NOTHING, Kind.RECALL, NONE, ""),
        (Strangers.NOTHING, Kind.COMPOSING, NONE, rules.STRANGER),
        (Strangers.TEXT, Kind.TEXT, HEARD, ""),
        (Strangers.TEXT, Kind.OTHER, NONE, rules.STRANGER),
        (Strangers.ONE, Kind.OTHER, NONE, rules.STRANGER),
        (Strangers.ONE, Kind.COMPOSING, NONE, rules.STRANGER),
        (Strangers.ONE, Kind.TEXT, NONE, rules.FORWARDED),
        (Strangers.ONE, Kind.TEXT, HEARD, rules.STRANGER_AGAIN),
        (Strangers.ONE, Kind.OTHER, SENT, ""),
        (Strangers.ANYTHING, Kind.OTHER, NONE, ""),
    ],
)
def test_strangers(strangers: Strangers, kind: Kind, met: Acquaintance, rule: str) -> None:
    user = UserPolicy(BOB, strangers=strangers)
    verdict = judge(user, DomainPolicy(), text(kind=kind), met, WALL)
    assert rule_of(verdict) == rule
    assert rule != rules.FORWARDED or (verdict is not None and verdict.claimed)
    domain = DomainPolicy(strangers=strangers)
    assert rule_of(judge(UserPolicy(BOB), domain, text(kind=kind), met, WALL)) == rule
    allowed = UserPolicy(BOB, allow=frozenset({ALICE}), strangers=strangers)
    assert judge(allowed, DomainPolicy(), text(kind=kind), met, WALL) is None


def test_types_of_user_and_domain() -> None:
    user, domain = UserPolicy(BOB, types=("image/*",)), DomainPolicy(types=("image/png",))
    assert judge(user, domain, text(kind=Kind.OTHER, mime="image/png"), SENT, WALL) is None
    verdict = judge(user, domain, text(kind=Kind.OTHER, mime="image/gif"), SENT, WALL)
    assert verdict is not None
    assert (verdict.decision.status, verdict.lines) == (415, (b"Accept: image/png",))
    verdict = judge(user, domain, text(), SENT, WALL)
    assert verdict is not None
    assert verdict.lines == (b"Accept: image/*",)
    # The receipt for what one sent is no content that one takes or does not take.
    receipt = text(kind=Kind.RECEIPT, mime="message/imdn+xml")
    assert judge(user, domain, receipt, SENT, WALL) is None


@pytest.mark.parametrize(("mine", "theirs", "passes"), [(99, 0, False), (0, 99, False), (0, 0, True),
                                                        (100, 0, True), (99, 1000, False)])  # fmt: skip
def test_size_of_user_and_domain(mine: int, theirs: int, passes: bool) -> None:
    verdict = judge(UserPolicy(BOB, size=mine), DomainPolicy(size=theirs), text(), SENT, WALL)
    assert rule_of(verdict) == ("" if passes else rules.TOO_LARGE_HERE)


def test_muted() -> None:
    user = UserPolicy(BOB, muted_until=WALL + 1)
    verdict = judge(user, DomainPolicy(), text(), SENT, WALL)
    assert verdict is not None
    assert verdict.decision.act is Act.HOLD
    assert judge(user, DomainPolicy(), text(), SENT, WALL + 1) is None


def test_a_policy_is_empty_when_its_time_is_over() -> None:
    assert UserPolicy(BOB).empty(WALL)
    assert UserPolicy(BOB, muted_until=WALL).empty(WALL)
    for wish in (
        UserPolicy(BOB, muted_until=WALL + 1),
        UserPolicy(BOB, size=1),
        UserPolicy(BOB, types=("text/plain",)),
        UserPolicy(BOB, strangers=Strangers.ANYTHING),
        UserPolicy(BOB, block=frozenset({"*"})),
        UserPolicy(BOB, allow=frozenset({"*"})),
    ):
        assert not wish.empty(WALL)


CPIM = b"From: <sip:a@ims.test>\r\n\r\nContent-type: %b; charset=utf-8\r\n\r\nbody"


@pytest.mark.parametrize(
    ("content_type", "body", "kind", "types"),
    [
        (b"text/plain", b"x", Kind.TEXT, ("text/plain",)),
        (b"Text/HTML;charset=utf-8", b"x", Kind.TEXT, ("text/html",)),
        (b"image/png", b"x", Kind.OTHER, ("image/png",)),
        (b"application/im-iscomposing+xml", b"x", Kind.COMPOSING, None),
        (b"application/vnd.gsma.rcsrevoke+xml", b"x", Kind.RECALL, None),
        (b"message/cpim", CPIM % b"text/plain", Kind.TEXT, ("text/plain",)),
        (b"message/cpim", CPIM % b"Message/IMDN+xml", Kind.RECEIPT, ("message/imdn+xml",)),
        (b"message/cpim", CPIM % b"image/png", Kind.OTHER, ("image/png",)),
        (b"message/cpim", b"no headers", Kind.TEXT, ("text/plain",)),
    ],
)
def test_kinds(content_type: bytes, body: bytes, kind: Kind, types: tuple[str, ...] | None) -> None:
    facts = incoming(content_type, body, ALICE)
    assert facts.kind is kind
    assert types is None or facts.types == types
