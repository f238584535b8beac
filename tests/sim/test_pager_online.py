# SPDX-License-Identifier: Apache-2.0
"""A recipient who can be reached: PM-01, PM-02, PM-06, PM-11, PM-12, PM-18."""

from __future__ import annotations

from pager import PagerSettings, StoreMode
from tests.support.pager_world import BOB, World


def test_relays_and_keeps_nothing() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<urn:uuid:1>")
    world.register(bob)
    call = world.alice.send(b"hello")
    world.network.run(1.0)
    assert world.alice.answers == {call: 200}
    response = world.alice.responses[call]
    assert response.body == b""
    assert not response.has("contact")
    assert bob.shown == [b"hello"]
    request = bob.received[0]
    assert (request.call_id, request.max_forwards) == (call, 69)
    assert not request.has("record-route")
    assert not request.has("contact")
    assert not world.store.rows
    assert not world.pager.running
    assert [(e.outcome, e.final) for e in world.ledger.entries] == [("relayed", True)]
    assert [step[1:] for step in world.ledger.entries[0].steps] == [
        ("received", "", 0, "forwarded"),
        ("answered", "<urn:uuid:1>", 200, "device-accepted"),
    ]
    assert not world.faults


def test_two_devices_one_answer() -> None:
    world = World()
    one = world.phone("one", "198.51.100.2", "<1>")
    two = world.phone("two", "198.51.100.3", "<2>")
    two.delay_s = 0.5
    world.register(one)
    world.register(two)
    call = world.alice.send(b"hello")
    world.network.run(0.2)
    assert world.alice.answers == {call: 200}
    world.network.run(2.0)
    assert (one.shown, two.shown) == ([b"hello"], [b"hello"])
    assert len(world.network.sent("192.0.2.1", b"SIP/2.0 200")) == 1
    assert not world.store.rows
    assert [e.final for e in world.ledger.entries] == [False, True]


def test_content_refusal_goes_back() -> None:
    for status in (415, 413, 488, 603, 606, 404, 405):
        world = World()
        bob = world.phone("bob", "198.51.100.2")
        bob.answer = status
        world.register(bob)
        call = world.alice.send(b"x")
        world.network.run(6.0)
        assert world.alice.answers == {call: status}
        assert not world.store.rows
        assert world.ledger.outcomes() == ["rejected"]


def test_silent_device_defers_and_late_acceptance_settles() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.delay_s = 6.0
    world.register(bob)
    call = world.alice.send(b"slow")
    world.network.run(3.9)
    assert call not in world.alice.answers
    world.network.run(0.3)
    assert world.alice.answers == {call: 202}
    assert world.store.waiting(BOB)
    world.network.run(4.0)
    assert bob.shown == [b"slow"]
    assert not world.store.waiting(BOB)
    world.network.run(60.0)
    assert len(bob.received) == 1
    assert world.ledger.outcomes() == ["stored", "delivered"]
    assert [e.final for e in world.ledger.entries] == [False, True]
    assert not world.pager.offline.boxes


def test_failed_for_the_moment_is_stored_and_retried() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.answers = [480, 500, 503]
    world.register(bob)
    call = world.alice.send(b"later")
    world.network.run(1.0)
    assert world.alice.answers == {call: 202}
    world.network.run(4.5)
    assert len(bob.received) == 2
    world.network.run(9.0)
    assert len(bob.received) == 2
    world.network.run(30.0)
    assert bob.shown == [b"later"]
    assert not world.store.waiting(BOB)
    # the device was offered it under the sender's identity, so every attempt has that one
    assert {r.call_id for r in bob.received} == {call}


def test_storage_off() -> None:
    world = World(settings=PagerSettings(domain_modes={"ims.test": StoreMode.OFF}))
    call = world.alice.send(b"nobody")
    world.network.run(1.0)
    assert world.alice.answers == {call: 480}
    bob = world.phone("bob", "198.51.100.2")
    world.register(bob)
    bob.answer = 486
    busy = world.alice.send(b"busy")
    world.network.run(1.0)
    assert world.alice.answers[busy] == 486
    bob.answer = 200
    ok = world.alice.send(b"ok")
    world.network.run(1.0)
    assert world.alice.answers[ok] == 200
    bob.silent = True
    silent = world.alice.send(b"silent")
    world.network.run(40.0)
    assert world.alice.answers[silent] == 0
    assert not any(e.data.startswith(b"SIP/2.0 408") for e in world.network.log)
    assert not world.store.rows


def test_composing_is_never_stored() -> None:
    world = World()
    headers = [(b"Content-Type", b"application/im-iscomposing+xml;charset=utf-8")]
    call = world.alice.send(b"<isComposing/>", headers=headers)
    world.network.run(1.0)
    assert world.alice.answers == {call: 480}
    bob = world.phone("bob", "198.51.100.2", "<1>")
    away = world.phone("away", "198.51.100.3", "<2>")
    world.register(away)
    world.unregister(away)
    world.register(bob)
    ok = world.alice.send(b"<isComposing/>", headers=headers)
    world.network.run(1.0)
    assert world.alice.answers[ok] == 200
    bob.silent = True
    late = world.alice.send(b"<isComposing/>", headers=headers)
    world.network.run(5.0)
    assert world.alice.answers[late] == 480
    assert not world.store.rows


def test_body_limit() -> None:
    world = World(settings=PagerSettings(message_body_bytes=100))
    fits = world.alice.send(b"x" * 100)
    large = world.alice.send(b"x" * 101)
    world.network.run(1.0)
    assert world.alice.answers == {fits: 202, large: 413}


def test_repeat_under_another_branch_is_not_sent_twice() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2")
    bob.delay_s = 0.5
    world.register(bob)
    world.alice.send(b"once", call_id=b"same")
    world.network.run(0.1)
    world.alice.send(b"once", call_id=b"same")
    world.network.run(2.0)
    world.alice.send(b"once", call_id=b"same")
    world.network.run(1.0)
    assert len(bob.received) == 1
    assert len(world.network.sent("192.0.2.1", b"SIP/2.0 200")) == 3
    # the Call-ID alone means nothing
    world.alice.send(b"more", call_id=b"same", cseq=2)
    world.network.run(1.0)
    assert bob.shown == [b"once", b"more"]
    assert world.pager.stats.duplicates == 2


def test_failure_may_be_tried_anew() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2")
    bob.answers = [404]
    world.register(bob)
    world.alice.send(b"again", call_id=b"same")
    world.network.run(1.0)
    world.alice.send(b"again", call_id=b"same")
    world.network.run(1.0)
    assert world.alice.answers == {b"same": 200}
    assert bob.shown == [b"again"]
