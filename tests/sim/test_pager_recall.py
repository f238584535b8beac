# SPDX-License-Identifier: Apache-2.0
"""Messages taken back while they wait, while they are being sent, and afterwards."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pager import PagerSettings, rules
from pager.recall import RecallState
from tests.support.pager_world import ALICE, BOB, Phone, World

CPIM = ((b"Content-Type", b"message/cpim"),)
BODY = (
    b"NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: %b\r\n\r\n"
    b"Content-Type: text/plain\r\n\r\n%b"
)


def told(world: World, name: bytes, sender: str = ALICE) -> list[RecallState]:
    """Ask for a recall; the list gets the result when it is there."""
    answers: list[RecallState] = []
    world.recall.by_imdn(name, sender, BOB, answers.append)
    return answers


def recall(world: World, name: bytes, sender: str = ALICE) -> RecallState:
    answers = told(world, name, sender)
    world.network.run(1.0)
    assert len(answers) == 1
    assert not world.faults
    return answers[0]


def send(world: World, name: bytes) -> None:
    world.alice.send(BODY % (name, name), headers=CPIM)


def shown(phone: Phone) -> list[bytes]:
    return [body.rpartition(b"\r\n")[2] for body in phone.shown]


def test_a_waiting_message_is_never_delivered() -> None:
    world = World()
    for name in (b"one", b"two", b"three"):
        send(world, name)
    world.network.run(1.0)
    assert recall(world, b"two") is RecallState.REMOVED
    assert world.pager.waiting(BOB) == 2
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.network.run(5.0)
    assert shown(bob) == [b"one", b"three"]
    assert world.pager.waiting(BOB) == 0
    (entry,) = [e for e in world.ledger.entries if e.outcome == rules.RECALLED]
    assert entry.final
    assert [step[1:] for step in entry.steps] == [(rules.RECALLED, "", 0, rules.BY_SENDER)]


def test_a_recall_repeated_says_the_same_and_changes_nothing() -> None:
    world = World()
    send(world, b"one")
    world.network.run(1.0)
    assert recall(world, b"one") is RecallState.REMOVED
    assert recall(world, b"one") is RecallState.REMOVED
    assert world.pager.waiting(BOB) == 0
    assert world.ledger.outcomes().count(rules.RECALLED) == 1


def test_nobody_takes_back_what_another_sent() -> None:
    world = World()
    send(world, b"one")
    world.network.run(1.0)
    assert recall(world, b"one", "sip:mallory@ims.test") is RecallState.UNKNOWN
    answers: list[RecallState] = []
    (row,) = world.store.waiting()
    world.recall.by_id(row.message.id, "sip:mallory@ims.test", BOB, answers.append)
    world.recall.by_id(row.message.id, "", BOB, answers.append)
    world.network.run(1.0)
    assert answers == [RecallState.UNKNOWN, RecallState.REMOVED]
    assert world.ledger.entries[-1].steps[0][4] == rules.BY_OPERATOR


def test_what_was_delivered_stays_delivered() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<1>")
    send(world, b"one")
    world.network.run(1.0)
    world.register(bob)
    world.network.run(5.0)
    assert shown(bob) == [b"one"]
    assert recall(world, b"one") is RecallState.TOO_LATE
    send(world, b"online")
    world.network.run(1.0)
    assert recall(world, b"online") is RecallState.UNKNOWN
    assert rules.RECALLED not in world.ledger.outcomes()


def test_a_message_in_the_queue_of_a_device_is_passed_over() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.delay_s = 2.0
    unseen: list[str] = []
    world.recall.unseen = lambda gone: unseen.append(gone.id)
    for name in (b"one", b"two"):
        send(world, name)
    world.network.run(1.0)
    two = world.store.waiting()[1].message.id
    world.register(bob)
    world.network.run(1.0)
    assert recall(world, b"two") is RecallState.REMOVED
    assert recall(world, b"one") is RecallState.ON_ITS_WAY
    assert unseen == [two]
    world.network.run(10.0)
    assert shown(bob) == [b"one"]
    assert world.pager.waiting(BOB) == 0


def test_what_one_device_has_is_kept_from_the_others() -> None:
    world = World()
    first = world.phone("bob", "198.51.100.2", "<1>")
    second = world.phone("bob2", "198.51.100.3", "<2>")
    world.register(second)
    world.unregister(second)
    world.register(first)
    send(world, b"one")
    world.network.run(2.0)
    assert shown(first) == [b"one"]
    assert recall(world, b"one") is RecallState.PARTLY
    world.register(second)
    world.network.run(5.0)
    assert second.shown == []
    assert world.pager.waiting(BOB) == 0


def test_a_store_that_fails_changes_nothing() -> None:
    world = World()
    send(world, b"one")
    world.network.run(1.0)
    world.store.failing = True
    assert recall(world, b"one") is RecallState.FAILED
    world.store.failing = False
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.network.run(5.0)
    assert shown(bob) == [b"one"]


STEPS = st.lists(
    st.sampled_from(["send", "recall", "register", "unregister", "restart", "fail", "mend"])
    | st.floats(0.001, 6.0),
    max_size=25,
)


@given(STEPS, st.integers(0, 1000), st.sampled_from([0.0, 0.2, 3.0]))
@settings(max_examples=120, deadline=None)
def test_whatever_happens_what_was_removed_is_never_shown_and_the_rest_is(
    steps: list[str | float], seed: int, slow: float
) -> None:
    """REMOVED is a promise; every other message that was answered 2xx is shown once."""
    world = World(seed, PagerSettings(retry_max_s=30.0))
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.delay_s = slow
    names: dict[bytes, bytes] = {}
    results: dict[bytes, list[RecallState]] = {}
    for step in steps:
        match step:
            case "send":
                name = b"m%d" % len(names)
                names[name] = world.alice.send(BODY % (name, name), headers=CPIM)
            case "recall" if names:
                name = b"m%d" % (len(names) - 1)
                results.setdefault(name, []).append(RecallState.UNKNOWN)
                world.recall.by_imdn(name, ALICE, BOB, results[name].append)
            case "register":
                world.register(bob)
            case "unregister":
                world.bound.get(BOB, {}).pop(bob, None)
            case "restart":
                world.restart()
            case "fail" | "mend":
                world.store.failing = step == "fail"
            case float():
                world.network.run(step)
    world.store.failing = False
    world.network.run(40.0)
    world.register(bob)
    world.network.run(200.0)
    assert not world.faults
    seen = shown(bob)
    for name, call_id in names.items():
        said = results.get(name, [])
        if RecallState.REMOVED in said:
            assert name not in seen
        elif world.alice.answers.get(call_id) in (200, 202) and not said:
            assert seen.count(name) == 1
        assert seen.count(name) <= 1
    assert world.pager.waiting(BOB) == 0
