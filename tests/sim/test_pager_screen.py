"""Policies of users and domains, on messages that travel a virtual network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from imsnode.screening import ContentRules, Policies
from imsnode.screening.policies import PolicySettings
from imsnode.storage import Contact
from pager import PagerSettings, StoreMode, rules
from pager.fanout import Fanout
from pager.original import Original
from pager.ports import ContentRule, CopiesResult
from pager.screening import (
    BlockAnswer,
    Content,
    DomainPolicy,
    Strangers,
    UserPolicy,
    Verdict,
)
from tests.support.pager_world import ALICE, BOB, MemoryStore, Phone, Sender, World

CAROL = "sip:carol@ims.test"
PNG = ((b"Content-Type", b"image/png"),)
RECEIPT = b"From: <sip:a@ims.test>\r\n\r\nContent-Type: message/imdn+xml\r\n\r\n<imdn/>"
HOUR, DAY = 3600.0, 86400.0


class Screened:
    """A world with a screen. domain: the policy of ims.test. told: reports of unwanted messages."""

    def __init__(
        self,
        domain: DomainPolicy | None = None,
        settings: PagerSettings | None = None,
        content: Mapping[str, ContentRule] | None = None,
        strict: bool = False,
    ) -> None:
        self.world = World(settings=settings)
        self.contacts: dict[tuple[str, str], Contact] = {}
        self.told: list[tuple[str, str, str, bytes]] = []
        self.settings = PolicySettings({"ims.test": domain or DomainPolicy()}, contacts=3)
        self.content = ContentRules(content or {}, 0.0, strict)
        self.policies = self._policies()

    def _policies(self) -> Policies:
        world = self.world
        return Policies(
            world.pager,
            world.node.endpoint.timers,
            self._note,
            self.content,
            self.settings,
            lambda _id, sender, to, head, body: self.told.append((sender, to, head.decode(), body)),
        )

    def _note(self, one: Contact) -> None:
        if one.gone:
            del self.contacts[one.owner, one.other]
        else:
            self.contacts[one.owner, one.other] = one

    def restart(self) -> None:
        """Restart the node: users and contacts are read back."""
        users = list(self.policies.users.values())
        self.world.restart()
        self.policies = self._policies()
        network = self.world.network
        self.policies.load(users, self.contacts.values(), network.now, network.wall)

    def put(self, **wishes: object) -> None:
        """Give Bob a policy."""
        network = self.world.network
        policy = replace(UserPolicy(BOB), **wishes)  # type: ignore[arg-type]
        self.policies.put(policy, network.now, network.wall)

    def run(self, seconds: float = 1.0) -> None:
        self.world.network.run(seconds)

    def send(self, body: bytes, to: str = BOB, sender: Sender | None = None, **more: object) -> int:
        """Send a message and return the answer."""
        sender = sender or self.world.alice
        call_id = sender.send(body, to, **more)  # type: ignore[arg-type]
        self.run()
        return sender.answers[call_id]

    def judge(self, body: bytes, sender: str, recipient: str) -> Verdict | None:
        """Judge a CPIM body without sending it."""
        network = self.world.network
        return self.policies.judge(
            b"message/cpim", body, sender, recipient, network.now, network.wall
        )

    def phone(self, aor: str = BOB, host: str = "203.0.113.9", instance: str = "<b>") -> Phone:
        phone = self.world.phone(f"p{host}".replace(".", "-"), host, instance, aor)
        self.world.register(phone)
        return phone


def test_a_blocked_sender_hears_what_it_hears_of_absent_people() -> None:
    here = Screened()
    absent = here.send(b"nobody there")
    here.put(block=frozenset({ALICE}))
    bob = here.phone()
    here.run()
    shown = list(bob.shown)
    assert here.send(b"blocked") == absent == 202
    assert bob.shown == shown
    assert here.world.store.waiting() == []
    assert here.world.ledger.entries[-1].outcome == rules.DROPPED
    assert here.world.ledger.rules()[-2:] == [rules.SENDER_BLOCKED, rules.SENDER_BLOCKED]
    assert here.policies.refused == {rules.SENDER_BLOCKED: 1}
    assert here.world.pager.stats.dropped == 1


def test_without_a_store_absent_and_blocked_are_480() -> None:
    here = Screened(settings=PagerSettings(mode=StoreMode.OFF))
    absent = here.send(b"nobody there")
    here.put(block=frozenset({ALICE}))
    here.phone()
    assert here.send(b"blocked") == absent == 480
    one, other = here.world.alice.responses.values()
    assert one.reason == other.reason


@pytest.mark.parametrize(("answer", "status"), [("forbidden", 403), ("decline", 603)])
def test_a_domain_may_answer_plainly(answer: str, status: int) -> None:
    here = Screened(DomainPolicy(block_answer=BlockAnswer(answer)))
    here.put(block=frozenset({"*@ims.test"}), allow=frozenset({CAROL}))
    bob = here.phone()
    carol = Sender(here.world, "carol", "198.51.100.7", CAROL)
    assert here.send(b"blocked") == status
    assert here.send(b"allowed", sender=carol) == 200
    assert bob.shown == [b"allowed"]
    assert here.world.pager.stats.refused_policy == 1


def test_a_repeat_of_a_dropped_message_gets_the_same_answer() -> None:
    here = Screened()
    here.put(block=frozenset({ALICE}))
    assert here.send(b"blocked", call_id=b"same") == 202
    assert here.send(b"blocked", call_id=b"same") == 202
    assert here.policies.refused == {rules.SENDER_BLOCKED: 1}


def test_a_blocked_users_receipt_goes_nowhere() -> None:
    here = Screened()
    here.put(block=frozenset({ALICE}))
    verdict = here.judge(RECEIPT, ALICE, BOB)
    assert verdict is not None
    assert verdict.decision.rule == rules.SENDER_BLOCKED


def test_muted_messages_wait_and_come_in_order_to_every_device() -> None:
    here = Screened()
    first, second = here.phone(), here.phone(host="203.0.113.10", instance="<c>")
    here.put(muted_until=here.world.network.wall + HOUR)
    assert [here.send(b"1"), here.send(b"2")] == [202, 202]
    assert here.world.ledger.rules().count(rules.MUTED) == 4
    here.world.register(first)  # registering again does not end it
    here.run(HOUR - 10)
    assert first.shown == second.shown == []
    here.run(20)
    assert first.shown == second.shown == [b"1", b"2"]
    assert BOB not in here.policies.users
    assert here.send(b"3") == 200


def test_a_mute_outlives_a_restart_and_can_be_ended() -> None:
    here = Screened()
    bob = here.phone()
    here.put(muted_until=here.world.network.wall + DAY)
    assert here.send(b"1") == 202
    here.restart()
    here.run(60)
    assert bob.shown == []
    here.put(muted_until=0.0)
    here.run()
    assert bob.shown == [b"1"]


def test_muting_stops_what_is_being_delivered_from_the_store() -> None:
    here = Screened()
    for number in range(3):
        assert here.send(b"%d" % number) == 202
    bob = here.world.phone("bob", "203.0.113.9", "<b>")
    bob.delay_s = 0.5
    here.world.register(bob)
    here.run(0.1)
    here.put(muted_until=here.world.network.wall + HOUR)
    here.run(60)
    assert bob.shown == [b"0"]  # was on its way
    here.put()
    here.run(5)
    assert bob.shown == [b"0", b"1", b"2"]


def test_types_and_sizes() -> None:
    here = Screened(DomainPolicy(size=1000))
    here.put(types=("text/plain",), size=10)
    bob = here.phone()
    assert here.send(b"short") == 200
    assert here.send(b"much too long") == 413
    assert here.send(b"png", headers=PNG) == 415
    assert list(here.world.alice.responses.values())[-1].get("accept") == b"text/plain"
    assert here.send(b"x" * 1001, CAROL) == 413
    assert bob.shown == [b"short"]


def test_one_message_until_answered() -> None:
    here = Screened()
    here.put(strangers=Strangers.ONE)
    bob = here.phone()
    bobs = Sender(here.world, "bobs", "203.0.113.77", BOB)
    assert here.send(b"png", headers=PNG) == 202  # dropped
    assert here.send(b"hello") == 200
    assert here.send(b"hello?") == 202  # dropped
    # The receipt that Bob's device sends by itself is no answer.
    assert here.judge(RECEIPT, BOB, ALICE) is None
    assert here.send(b"are you there?") == 202
    here.send(b"yes", ALICE, bobs)
    assert here.send(b"fine") == 200
    here.restart()
    assert here.send(b"png", headers=PNG) == 200
    assert bob.shown == [b"hello", b"fine", b"png"]
    assert here.world.ledger.rules().count(rules.STRANGER_AGAIN) == 4


def test_the_one_message_counts_when_it_got_there() -> None:
    here = Screened(settings=PagerSettings(mode=StoreMode.OFF))
    here.put(strangers=Strangers.ONE)
    assert here.send(b"nobody there") == 480
    bob = here.phone()
    assert here.send(b"hello") == 200
    assert here.send(b"hello?") == 480
    assert bob.shown == [b"hello"]


def test_what_is_remembered_of_people_is_bounded() -> None:
    here = Screened(DomainPolicy(strangers=Strangers.ONE))
    here.phone()
    for number in range(5):
        sender = Sender(
            here.world, f"s{number}", f"198.51.100.{20 + number}", f"sip:s{number}@x.test"
        )
        assert here.send(b"hi", sender=sender) == 200
    assert len([owner for owner, _ in here.contacts if owner == BOB]) == 3


def test_rate_fan_out_and_new_recipients() -> None:
    here = Screened(DomainPolicy(rate=1.0, burst=2))
    here.phone()
    alice = here.world.alice
    calls = [alice.send(b"fast %d" % number) for number in range(3)]
    here.run(0.5)
    assert sorted(alice.answers[call] for call in calls) == [200, 200, 503]
    refused = next(r for r in alice.responses.values() if r.status == 503)
    assert refused.get("retry-after") == b"1"

    here = Screened(DomainPolicy(fan_out=2))
    assert [here.send(b"x", f"sip:u{n}@ims.test") for n in (1, 2, 3, 1)] == [202, 202, 503, 202]
    here.run(HOUR)
    assert here.send(b"x", "sip:u3@ims.test") == 202

    here = Screened(DomainPolicy(new_recipients=2))
    assert [here.send(b"x", f"sip:u{n}@ims.test") for n in (1, 2, 3, 1)] == [202, 202, 503, 202]
    bobs = Sender(here.world, "bobs", "203.0.113.77", BOB)
    here.send(b"hello", ALICE, bobs)
    assert here.send(b"an answer is no first contact") == 202
    here.restart()
    assert here.send(b"x", "sip:u3@ims.test") == 503
    here.run(DAY)
    assert here.send(b"x", "sip:u3@ims.test") == 202
    assert rules.TOO_MANY_NEW in here.world.ledger.rules()


class NoNumbers:
    """A content rule: no telephone numbers."""

    def judge(self, content: Content) -> str:
        if "broken" in content.text:
            raise RuntimeError("broken")
        return "a number" if any(c.isdigit() for c in content.text) else ""


@pytest.mark.parametrize(("strict", "unjudged"), [(False, 200), (True, 503)])
def test_content_rules(strict: bool, unjudged: int) -> None:
    domain = DomainPolicy(rules=("numbers",))
    here = Screened(domain, content={"numbers": NoNumbers()}, strict=strict)
    bob = here.phone()
    assert here.send(b"call me") == 200
    assert here.send(b"call 112") == 403
    verdict = here.judge(RECEIPT.replace(b"message/imdn+xml", b"text/plain") + b"112", ALICE, BOB)
    assert verdict is not None
    assert verdict.decision.status == 403
    assert b"number" not in (list(here.world.alice.responses.values())[-1].reason or b"")
    assert f"{rules.CONTENT}:numbers: a number" in here.world.ledger.rules()
    assert here.send(b"broken") == unjudged
    assert bob.shown == [b"call me"] + [b"broken"] * (not strict)
    assert here.policies.content.failed == 1
    # After three failures in a row the rule rests, and everything is unjudged for a minute.
    here.send(b"broken")
    here.send(b"broken")
    assert here.send(b"call 112") == unjudged
    here.run(60)
    assert here.send(b"call 112") == 403


def test_607_is_a_report() -> None:
    here = Screened()
    bob = here.phone()
    bob.answers = [607]
    assert here.send(b"buy!") == 607
    here.world.unregister(bob)
    assert here.send(b"buy more!") == 202
    bob.answers = [607]
    here.world.register(bob)
    here.run()
    assert [(sender, to, body) for sender, to, _, body in here.told] == [
        (ALICE, BOB, b"buy!"),
        (ALICE, BOB, b"buy more!"),
    ]
    assert all("From:" in head for _, _, head, _ in here.told)


def test_nobody_is_judged_without_a_policy() -> None:
    here = Screened()
    here.phone()
    assert not here.world.pager.screens_all
    assert here.send(b"hello") == 200
    assert here.contacts == {}
    assert isinstance(here.world.store, MemoryStore)


def test_copies_of_a_message_to_many_are_judged_one_by_one() -> None:
    screened = Screened()
    screened.put(block=(ALICE,))
    world = screened.world
    wall = world.network.wall
    head = b"From: <sip:alice@ims.test>;tag=1\r\nContent-Type: text/plain"
    original = Original(
        "p1", ALICE, "sip:all@ims.test", b"call", 1, b"i", wall, wall + 1000, head, b"hello", True
    )
    results: list[CopiesResult] = []
    fanout = Fanout(world.pager, world.store, lambda aor: True, world.node.endpoint.ids)
    fanout.send(original, [BOB, CAROL], world.network.now, results.append)
    screened.run()
    assert [row.message.recipient for row in world.store.rows.values()] == [CAROL]
    assert rules.SENDER_BLOCKED in world.ledger.rules()


# --- invitations


def test_whom_a_user_does_not_hear_from_cannot_invite_them() -> None:
    scene = Screened()
    assert scene.policies.turns_away(ALICE, BOB) == 0
    scene.put(block=frozenset({"*@ims.test"}), allow=frozenset({CAROL}))
    assert [scene.policies.turns_away(who, BOB) for who in (ALICE, CAROL, BOB)] == [480, 0, 0]
    scene.put(strangers=Strangers.NOTHING)
    assert scene.policies.turns_away(ALICE, BOB) == 480
    scene.put(strangers=Strangers.ONE)
    assert scene.policies.turns_away(ALICE, BOB) == 0
    stern = Screened(DomainPolicy(block_answer=BlockAnswer.DECLINE))
    stern.put(block=frozenset({ALICE}))
    assert stern.policies.turns_away(ALICE, BOB) == 603
