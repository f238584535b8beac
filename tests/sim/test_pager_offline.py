# SPDX-License-Identifier: Apache-2.0
"""Store and forward: PM-05 to PM-09, per-device delivery, order, restart, failing store."""

from __future__ import annotations

import pytest

from pager import PagerSettings, StoreMode
from sip.testing import SimNetwork
from tests.support.pager_world import BOB, Sender, World


def test_stored_before_202_and_delivered_on_registration() -> None:
    world = World()
    world.store.delay_s = 0.5
    headers = [
        (b"Content-Type", b"text/plain;charset=utf-8"),
        (b"Subject", b"a,  b"),
        (b"X-Unknown", b"kept; as=is"),
        (b"Contact", b"<sip:alice@198.51.100.1>"),
    ]
    call = world.alice.send(b"r\xc3\xa9\x00\r\n", headers=headers)
    world.network.run(0.4)
    assert not world.alice.answers
    world.network.run(0.4)
    assert world.alice.answers == {call: 202}
    response = world.alice.responses[call]
    assert (response.body, response.has("contact")) == (b"", False)
    world.store.delay_s = 0.003

    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.network.run(1.0)
    assert bob.shown == [b"r\xc3\xa9\x00\r\n"]
    request = bob.received[0]
    assert request.call_id != call
    assert request.via_count == 1
    assert request.get("from") == b'"A" <sip:alice@ims.test>;tag=t-alice'
    assert request.get("to") == b"<sip:bob@ims.test>"
    assert request.get("content-type") == b"text/plain;charset=utf-8"
    assert request.get("subject") == b"a,  b"
    assert request.get("x-unknown") == b"kept; as=is"
    assert request.get("date") == b"Sun, 15 Jun 2025 15:06:40 GMT"
    assert not request.has("contact")
    assert not world.store.waiting()
    assert world.pager.waiting(BOB) == 0
    assert not world.pager.offline.boxes
    assert world.ledger.outcomes() == ["stored", "delivered"]
    assert world.ledger.rules() == ["no-binding", "no-binding", "committed", "device-accepted"]
    assert not world.faults


def test_second_device_next_day() -> None:
    world = World()
    phone = world.phone("phone", "198.51.100.2", "<phone>")
    laptop = world.phone("laptop", "198.51.100.3", "<laptop>")
    for device in (phone, laptop):
        world.register(device)
        world.unregister(device)
    call = world.alice.send(b"both")
    world.network.run(1.0)
    assert world.alice.answers == {call: 202}
    world.register(phone)
    world.network.run(1.0)
    assert phone.shown == [b"both"]
    assert world.store.waiting(BOB)
    world.network.run(86400.0)
    world.register(laptop)
    world.network.run(1.0)
    assert (phone.shown, laptop.shown) == ([b"both"], [b"both"])
    assert len(phone.received) == 1
    assert not world.store.waiting(BOB)
    assert [e.final for e in world.ledger.entries] == [False, False, True]


def test_copy_for_an_absent_device_is_committed_before_the_200() -> None:
    world = World()
    phone = world.phone("phone", "198.51.100.2", "<phone>")
    laptop = world.phone("laptop", "198.51.100.3", "<laptop>")
    world.register(laptop)
    world.unregister(laptop)
    world.register(phone)
    world.store.delay_s = 0.5
    call = world.alice.send(b"copy")
    world.network.run(0.4)
    assert phone.shown == [b"copy"]
    assert not world.alice.answers
    world.network.run(0.5)
    assert world.alice.answers == {call: 200}
    row = world.store.waiting(BOB)[0]
    assert (row.message.devices, row.message.accepted) == (("<laptop>",), True)
    # a device nobody listed gets nothing of it: somebody has it already
    tablet = world.phone("tablet", "198.51.100.4", "<tablet>")
    world.register(tablet)
    world.network.run(5.0)
    assert tablet.shown == []
    world.register(laptop)
    world.network.run(5.0)
    assert laptop.shown == [b"copy"]
    assert len(phone.received) == 1
    assert not world.store.waiting(BOB)


def test_copy_that_cannot_be_committed_leaves_the_200() -> None:
    world = World()
    phone = world.phone("phone", "198.51.100.2", "<phone>")
    laptop = world.phone("laptop", "198.51.100.3", "<laptop>")
    world.register(laptop)
    world.unregister(laptop)
    world.register(phone)
    world.store.failing = True
    call = world.alice.send(b"copy")
    world.network.run(1.0)
    assert world.alice.answers == {call: 200}
    assert world.ledger.rules()[-1] == "commit-failed"
    assert world.pager.stats.unsettled == 1


def test_device_that_fails_while_another_takes_it() -> None:
    world = World()
    phone = world.phone("phone", "198.51.100.2", "<phone>")
    laptop = world.phone("laptop", "198.51.100.3", "<laptop>")
    world.register(phone)
    world.register(laptop)
    laptop.answers = [480]
    laptop.delay_s = 1.0
    call = world.alice.send(b"both")
    world.network.run(0.5)
    assert world.alice.answers == {call: 200}
    world.network.run(1.0)
    assert world.store.waiting(BOB)
    world.network.run(10.0)
    assert laptop.shown == [b"both"]
    assert len(phone.received) == 1
    assert not world.store.waiting(BOB)


def test_a_new_device_gets_what_nobody_has_taken() -> None:
    world = World()
    phone = world.phone("phone", "198.51.100.2", "<phone>")
    world.register(phone)
    world.unregister(phone)
    world.alice.send(b"one")
    world.network.run(1.0)
    plain = world.phone("plain", "198.51.100.3")
    world.register(plain)
    world.network.run(1.0)
    assert plain.shown == [b"one"]
    assert world.store.waiting(BOB)
    world.register(phone)
    world.network.run(1.0)
    assert phone.shown == [b"one"]
    assert not world.store.waiting(BOB)


def test_order_and_one_on_its_way() -> None:
    world = World()
    other = Sender(world, "carol", "198.51.100.9", "sip:carol@ims.test")
    sent = [b"%d" % number for number in range(230)]
    for index, body in enumerate(sent):
        (world.alice if index % 2 else other).send(body)
        world.network.run(0.1)
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.delay_s = 0.01
    world.register(bob)
    # what comes in while the mailbox drains queues behind
    world.network.run(0.5)
    late = world.alice.send(b"late")
    world.network.run(20.0)
    assert world.alice.answers[late] == 202
    assert bob.shown == [*sent, b"late"]
    online = world.alice.send(b"online")
    world.network.run(1.0)
    assert world.alice.answers[online] == 200
    on_wire = sorted(
        [(e.at, 1) for e in world.network.sent("192.0.2.1", b"MESSAGE")]
        + [(e.at, -1) for e in world.network.log if e.source[0] == "198.51.100.2"]
    )
    outstanding = 0
    for _, change in on_wire:
        outstanding += change
        assert 0 <= outstanding <= 1
    assert not world.pager.offline.boxes


def test_messages_queue_behind_a_device_that_rests() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    bob.answers = [480]
    world.alice.send(b"first")
    world.network.run(1.0)
    second = world.alice.send(b"second")
    world.network.run(1.0)
    assert world.alice.answers[second] == 202
    assert bob.shown == []
    world.network.run(10.0)
    assert bob.shown == [b"first", b"second"]


def test_busy_device_does_not_hold_up_the_other() -> None:
    world = World()
    phone = world.phone("phone", "198.51.100.2", "<phone>")
    laptop = world.phone("laptop", "198.51.100.3", "<laptop>")
    world.register(phone)
    world.register(laptop)
    laptop.silent = True
    first = world.alice.send(b"first")
    world.network.run(1.0)
    assert world.alice.answers[first] == 200
    world.network.run(40.0)
    second = world.alice.send(b"second")
    world.network.run(1.0)
    assert world.alice.answers[second] == 200
    laptop.silent = False
    world.network.run(600.0)
    assert phone.shown == [b"first", b"second"]
    assert laptop.shown == [b"first", b"second"]
    assert not world.store.waiting(BOB)


def test_registration_from_a_new_address_does_not_wait_for_the_old_one() -> None:
    world = World()
    old = world.phone("old", "198.51.100.2", "<1>")
    world.register(old)
    old.silent = True
    call = world.alice.send(b"moved")
    world.network.run(5.0)
    assert world.alice.answers == {call: 202}
    new = world.phone("new", "198.51.100.3", "<1>")
    world.unregister(old)
    world.register(new)
    world.network.run(1.0)
    assert new.shown == [b"moved"]
    world.network.run(60.0)
    assert not world.store.waiting(BOB)
    assert not world.pager.offline.boxes


@pytest.mark.parametrize("status", [415, 603, 413, 400])
def test_permanent_refusal_from_the_store(status: int) -> None:
    world = World()
    world.alice.send(b"no")
    world.network.run(1.0)
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.answer = status
    world.register(bob)
    world.network.run(1.0)
    world.register(bob)
    world.network.run(400.0)
    assert len(bob.received) == 1
    assert not world.store.waiting(BOB)
    assert world.ledger.outcomes() == ["stored", "refused"]


def test_back_off_doubles_and_registration_ends_it() -> None:
    world = World()
    world.alice.send(b"x")
    world.network.run(1.0)
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.answer = 486
    begin = world.network.now
    world.register(bob)
    world.network.run(400.0)
    times = [round(e.at - begin) for e in world.network.sent("192.0.2.1", b"MESSAGE")]
    assert times == [0, 5, 15, 35, 75, 155, 315]
    bob.answer = 200
    world.register(bob)
    world.network.run(1.0)
    assert bob.shown == [b"x"]


def test_expiry() -> None:
    world = World()
    plain = [(b"Content-Type", b"text/plain"), (b"Expires", b"60")]
    world.alice.send(b"short", headers=plain)
    old = [*plain, (b"Date", b"Sun, 15 Jun 2025 15:00:00 GMT")]
    late = world.alice.send(b"late", headers=old)
    keep = world.alice.send(b"keep")
    world.network.run(1.0)
    assert world.alice.answers[late] == 480
    assert world.alice.answers[keep] == 202
    assert "already-expired" in world.ledger.rules()
    world.network.run(62.0)
    assert world.pager.waiting(BOB) == 1
    assert world.ledger.outcomes()[-1] == "expired"
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.network.run(1.0)
    assert bob.shown == [b"keep"]


def test_expires_travels_with_the_date_it_counts_from() -> None:
    world = World()
    headers = [(b"Content-Type", b"text/plain"), (b"Expires", b"600")]
    world.alice.send(b"x", headers=headers)
    world.network.run(300.0)
    bob = world.phone("bob", "198.51.100.2")
    world.register(bob)
    world.network.run(1.0)
    assert bob.received[0].get("expires") == b"600"
    assert bob.received[0].get("date") == b"Sun, 15 Jun 2025 15:06:40 GMT"


def test_full_mailbox() -> None:
    world = World(settings=PagerSettings(mailbox_messages=3))
    for number in range(3):
        world.alice.send(b"%d" % number)
    call = world.alice.send(b"4")
    world.network.run(1.0)
    assert world.alice.answers[call] == 480
    response = world.alice.responses[call]
    assert (response.reason, response.get("retry-after")) == (b"Mailbox Full", b"300")
    assert len(world.store.rows) == 3
    bob = world.phone("bob", "198.51.100.2")
    world.register(bob)
    world.network.run(1.0)
    world.unregister(bob)
    again = world.alice.send(b"5")
    world.network.run(1.0)
    assert world.alice.answers[again] == 202


def test_store_first() -> None:
    world = World(settings=PagerSettings(mode=StoreMode.FIRST))
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    call = world.alice.send(b"x")
    world.network.run(1.0)
    assert world.alice.answers == {call: 202}
    assert bob.shown == [b"x"]
    assert not world.store.waiting()
    assert world.store.reads == 0


def test_failing_store() -> None:
    world = World()
    world.store.failing = True
    call = world.alice.send(b"x")
    world.network.run(1.0)
    assert world.alice.answers == {call: 503}
    assert world.alice.responses[call].has("retry-after")
    bob = world.phone("bob", "198.51.100.2")
    bob.answers = [486]
    world.register(bob)
    real = world.alice.send(b"y")
    world.network.run(1.0)
    assert world.alice.answers[real] == 486
    world.store.failing = False
    world.unregister(bob)
    again = world.alice.send(b"x", call_id=call)
    world.network.run(1.0)
    assert world.alice.answers[again] == 202
    assert world.pager.waiting(BOB) == 1


def test_marks_that_fail_are_repeated() -> None:
    world = World()
    world.alice.send(b"x")
    world.network.run(1.0)
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.network.run(0.0035)
    world.store.failing = True
    world.network.run(10.0)
    assert bob.shown == [b"x"]
    world.register(bob)
    world.network.run(10.0)
    assert world.store.waiting(BOB)
    world.store.failing = False
    world.register(bob)
    world.network.run(10.0)
    assert not world.store.waiting(BOB)
    assert len(bob.received) == 1


def test_registration_while_the_commit_is_under_way() -> None:
    world = World()
    world.store.delay_s = 1.0
    call = world.alice.send(b"x")
    world.network.run(0.5)
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.network.run(5.0)
    assert world.alice.answers == {call: 202}
    assert bob.shown == [b"x"]


def test_restart_delivers_what_was_acknowledged() -> None:
    world = World()
    for number in range(120):
        world.alice.send(b"%d" % number)
        world.network.run(0.05)
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.delay_s = 0.02
    world.register(bob)
    world.network.run(1.0)
    assert 0 < len(bob.shown) < 120
    world.restart()
    world.network.run(60.0)
    assert bob.shown == [b"%d" % number for number in range(120)]
    assert not world.store.waiting(BOB)
    assert not world.faults


def test_restart_between_commit_and_answer() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.store.lose_answer = True
    call = world.alice.send(b"x")
    world.network.run(0.1)
    assert world.store.waiting(BOB)
    assert not world.alice.answers
    world.store.lose_answer = False
    world.restart()
    world.register(bob)
    world.network.run(2.0)
    # delivered from the store, and the sender's retransmission gets the first answer
    assert bob.shown == [b"x"]
    assert world.alice.answers == {call: 202}
    world.network.run(60.0)
    assert len(bob.received) == 1


def test_copies_of_an_absent_device_do_not_fill_the_mailbox() -> None:
    world = World(settings=PagerSettings(mailbox_messages=5))
    phone = world.phone("phone", "198.51.100.2", "<phone>")
    laptop = world.phone("laptop", "198.51.100.3", "<laptop>")
    world.register(laptop)
    world.unregister(laptop)
    world.register(phone)
    for number in range(8):
        world.alice.send(b"%d" % number)
        world.network.run(1.0)
    assert len(phone.shown) == 8
    assert world.pager.waiting(BOB) == 5
    world.unregister(phone)
    call = world.alice.send(b"night")
    world.network.run(1.0)
    assert world.alice.answers[call] == 202


def test_only_so_many_devices_drain_at_once() -> None:
    world = World(settings=PagerSettings(draining_devices=2, page_messages=3))
    phones = []
    for number in range(8):
        aor = f"sip:user{number}@ims.test"
        phone = world.phone(f"user{number}", f"198.51.100.{number + 10}", f"<{number}>", aor)
        phone.delay_s = 0.2
        phones.append(phone)
        for message in range(7):
            world.alice.send(b"%d/%d" % (number, message), aor)
        world.network.run(0.1)
    for phone in phones:
        world.register(phone)
    world.network.run(1.0)
    assert sum(bool(phone.received) for phone in phones) == 2
    world.network.run(60.0)
    for number, phone in enumerate(phones):
        assert phone.shown == [b"%d/%d" % (number, message) for message in range(7)]
    assert not world.pager.offline.boxes


def test_lost_answer_of_a_device() -> None:
    network = SimNetwork(3)
    world = World(network=network)
    world.alice.send(b"x")
    network.run(1.0)
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.delay_s = 1.0
    world.register(bob)
    network.run(0.5)
    network.partition("192.0.2.1", "198.51.100.2")
    network.run(40.0)
    assert bob.shown == [b"x"]
    assert world.store.waiting(BOB)
    network.heal()
    world.register(bob)
    network.run(5.0)
    assert bob.shown == [b"x"]
    assert not world.store.waiting(BOB)
    assert "device-knew-it" in world.ledger.rules()


def test_what_was_stored_unheard_and_sent_again_is_delivered() -> None:
    world = World()
    call = world.alice.send(b"once")
    world.network.run(1.0)
    assert world.alice.answers == {call: 202}
    # As if the store's answer had been lost: the sender was told 503, and sent it again.
    world.pager.keeper.uncount(BOB, False)
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.network.run(1.0)
    assert bob.shown == []
    world.pager.found([(BOB, False)])
    world.network.run(1.0)
    assert bob.shown == [b"once"]
    assert world.pager.waiting(BOB) == 0
    assert not world.pager.offline.boxes
