# SPDX-License-Identifier: Apache-2.0
"""The rarer ways through the service, each of them told as a small story."""

from __future__ import annotations

from pager import PagerSettings, StoreMode
from pager.submission import Answering
from sip.message import Request
from sip.parser import parse_message
from sip.proxy import Target
from tests.support.pager_world import ALICE, BOB, World
from tests.support.sip_messages import LIMITS, request_bytes


class Local(Answering):
    """Stands where a server transaction stands, for a message of the node itself."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.status = 0

    @property
    def request(self) -> Request:
        return self._request

    def respond(self, data: bytes, status: int, now: float) -> bool:
        self.status = status
        return True


def originate(world: World, body: bytes = b"local", call_id: bytes = b"local-1") -> Local:
    data = request_bytes(
        sent_by=b"localhost.invalid", body=body, call_id=call_id, extra=(b"Subject: s",)
    )
    request = parse_message(data, LIMITS)
    assert isinstance(request, Request)
    local = Local(request)
    world.pager.originate(local, request, ALICE, BOB, world.network.now, world.network.wall)
    return local


def test_message_of_the_node_itself() -> None:
    world = World(settings=PagerSettings(message_body_bytes=100))
    stored = originate(world)
    world.network.run(1.0)
    assert stored.status == 202
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.network.run(1.0)
    online = originate(world, b"online", b"local-2")
    world.network.run(1.0)
    assert online.status == 200
    assert bob.shown == [b"local", b"online"]
    for request in bob.received:
        assert request.via_count == 1
        assert request.get("subject") == b"s"
    assert b"invalid" not in b"".join(e.data for e in world.network.log)
    bob.answer = 415
    refused = originate(world, b"refused", b"local-3")
    large = originate(world, b"x" * 101, b"local-4")
    world.network.run(1.0)
    assert (refused.status, large.status) == (415, 413)


def test_large_message_from_the_store_goes_by_tcp() -> None:
    world = World()
    world.alice.send(b"x" * 2000)
    world.network.run(1.0)
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.network.run(2.0)
    assert bob.shown == [b"x" * 2000]
    assert bob.received[0].via.transport == "TCP"
    assert not world.store.waiting(BOB)


def test_one_of_two_devices_without_instance_refuses() -> None:
    world = World()
    world.alice.send(b"x")
    world.network.run(1.0)
    one = world.phone("one", "198.51.100.2")
    two = world.phone("two", "198.51.100.3")
    one.answer = 415
    two.answers = [480]
    world.register(one)
    world.register(two)
    world.network.run(20.0)
    assert two.shown == [b"x"]
    assert not world.store.waiting(BOB)


def test_both_devices_without_instance_refuse() -> None:
    world = World()
    world.alice.send(b"x")
    world.network.run(1.0)
    for name, host in (("one", "198.51.100.2"), ("two", "198.51.100.3")):
        phone = world.phone(name, host)
        phone.answer = 415
        world.register(phone)
    world.network.run(20.0)
    assert not world.store.waiting(BOB)
    assert world.ledger.outcomes() == ["stored", "refused"]


def test_a_refusal_by_one_device_does_not_end_what_the_sender_was_promised() -> None:
    world = World()
    one = world.phone("one", "198.51.100.2", "<1>")
    two = world.phone("two", "198.51.100.3")
    one.answer, one.delay_s = 404, 5.0
    two.silent = True
    world.register(one)
    world.register(two)
    call = world.alice.send(b"x")
    world.network.run(6.0)
    assert world.alice.answers == {call: 202}
    two.silent = False
    world.network.run(60.0)
    assert two.shown == [b"x"]
    assert len(one.received) == 1
    assert not world.store.waiting(BOB)


def test_answer_during_the_commit_is_passed_back() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.delay_s = 4.2
    world.register(bob)
    world.store.delay_s = 1.0
    call = world.alice.send(b"x")
    world.network.run(6.0)
    assert world.alice.answers == {call: 200}
    world.network.run(2.0)
    assert not world.store.waiting(BOB)
    assert [(e.outcome, e.final) for e in world.ledger.entries] == [("delivered", True)]
    assert world.pager.waiting(BOB) == 0


def test_late_answer_after_a_failed_commit() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.delay_s = 6.0
    world.register(bob)
    world.store.failing = True
    call = world.alice.send(b"x", call_id=b"same")
    world.network.run(5.0)
    assert world.alice.answers == {call: 503}
    world.network.run(5.0)
    assert bob.shown == [b"x"]
    # a repeat gets the truth, and nothing is sent twice
    world.alice.send(b"x", call_id=b"same")
    world.network.run(1.0)
    assert world.alice.answers == {call: 200}
    assert len(bob.received) == 1
    rules = [step[4] for step in world.ledger.entries[1].steps]
    assert rules == ["device-accepted"]


def test_two_slow_devices_and_a_failing_store_tell_each_step_once() -> None:
    world = World()
    for name, host, delay in (("one", "198.51.100.2", 1.0), ("two", "198.51.100.3", 2.0)):
        phone = world.phone(name, host, f"<{name}>")
        phone.delay_s = delay
        phone.answer = 480 if name == "two" else 200
        world.register(phone)
    world.store.failing = True
    world.alice.send(b"x")
    world.network.run(5.0)
    steps = [step[1:] for entry in world.ledger.entries for step in entry.steps]
    assert steps == [
        ("received", "", 0, "forwarded"),
        ("answered", "<one>", 200, "device-accepted"),
        ("answered", "<two>", 480, "try-again"),
        ("not-stored", "", 0, "commit-failed"),
    ]


def test_device_that_knows_it_from_the_run_before() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.delay_s = 0.3
    world.register(bob)
    call = world.alice.send(b"x")
    world.network.run(0.2)
    assert bob.shown == [b"x"]
    world.restart()
    bob.delay_s = 0.0
    world.network.run(5.0)
    assert bob.shown == [b"x"]
    assert world.alice.answers == {call: 200}
    assert "device-knew-it" in world.ledger.rules()
    assert not world.store.rows


def test_device_gone_after_a_restart_sees_the_identity_it_knows() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.delay_s = 0.3
    world.register(bob)
    call = world.alice.send(b"x")
    world.network.run(0.2)
    world.unregister(bob)
    world.restart()
    world.network.run(5.0)
    assert world.alice.answers == {call: 202}
    world.register(bob)
    world.network.run(5.0)
    assert bob.shown == [b"x"]
    assert not world.store.waiting(BOB)
    # a minute later a message has nothing to do with the run before
    world.network.run(64.0)
    world.unregister(bob)
    later = world.alice.send(b"later")
    world.network.run(1.0)
    world.register(bob)
    world.network.run(1.0)
    assert bob.received[-1].call_id != later


def test_declined_from_the_store_settles_every_device() -> None:
    world = World()
    one = world.phone("one", "198.51.100.2", "<1>")
    two = world.phone("two", "198.51.100.3", "<2>")
    for phone in (one, two):
        world.register(phone)
        world.unregister(phone)
    world.alice.send(b"x")
    world.network.run(1.0)
    one.answer = 603
    world.register(one)
    world.network.run(1.0)
    world.register(two)
    world.network.run(1.0)
    assert two.received == []
    assert not world.store.waiting(BOB)
    assert world.ledger.entries[-1].final


def test_expiry_while_an_attempt_is_under_way() -> None:
    world = World(settings=PagerSettings(expire_every_s=5.0))
    headers = [(b"Content-Type", b"text/plain"), (b"Expires", b"10")]
    world.alice.send(b"x", headers=headers)
    world.network.run(8.0)
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.delay_s = 12.0
    world.register(bob)
    world.network.run(30.0)
    assert bob.shown == [b"x"]
    assert [(e.outcome, e.final) for e in world.ledger.entries] == [
        ("stored", False),
        ("expired", True),
        ("delivered", False),
    ]
    assert world.pager.waiting(BOB) == 0
    assert not world.pager.offline.boxes


def test_expired_in_the_page_is_not_sent() -> None:
    world = World(settings=PagerSettings(expire_every_s=1000.0))
    headers = [(b"Content-Type", b"text/plain"), (b"Expires", b"1001")]
    world.alice.send(b"old", headers=headers)
    world.alice.send(b"new")
    world.network.run(1001.0)
    world.store.failing = True  # the sweep cannot say so
    world.network.run(5.0)
    world.store.failing = False
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.network.run(1.0)
    assert bob.shown == [b"new"]


def test_stop_ends_deliveries_and_configure_changes_limits() -> None:
    world = World()
    for number in range(3):
        world.alice.send(b"%d" % number)
    world.network.run(1.0)
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.delay_s = 1.0
    world.register(bob)
    world.network.run(0.5)
    world.pager.stop()
    world.network.run(10.0)
    assert len(bob.shown) == 1
    assert len(world.store.waiting(BOB)) == 2
    world.pager.configure(PagerSettings(mode=StoreMode.OFF))
    world.unregister(bob)
    call = world.alice.send(b"off")
    world.network.run(1.0)
    assert world.alice.answers[call] == 480


def test_unreadable_store_is_tried_again() -> None:
    world = World()
    world.alice.send(b"x")
    world.network.run(1.0)
    world.store.failing = True
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.network.run(20.0)
    assert bob.shown == []
    world.store.failing = False
    world.network.run(40.0)
    assert bob.shown == [b"x"]


def test_registration_while_a_page_is_under_way() -> None:
    world = World(settings=PagerSettings(page_messages=2))
    for number in range(5):
        world.alice.send(b"%d" % number)
        world.network.run(0.1)
    world.store.delay_s = 0.5
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.network.run(0.2)
    world.register(bob)
    world.network.run(0.2)
    world.unregister(bob)
    world.register(bob)
    world.network.run(30.0)
    assert bob.shown == [b"%d" % number for number in range(5)]
    assert len(bob.received) == 5


def test_lost_binding_ends_the_lane() -> None:
    world = World()
    world.alice.send(b"x")
    world.network.run(1.0)
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.answer = 480
    world.register(bob)
    world.network.run(1.0)
    world.unregister(bob)
    world.network.run(100.0)
    assert len(bob.received) == 1
    assert not world.pager.offline.boxes
    assert world.pager.waiting(BOB) == 1


def test_breadth_that_does_not_suffice_is_an_answer() -> None:
    world = World()
    for name, host in (("one", "198.51.100.2"), ("two", "198.51.100.3")):
        world.register(world.phone(name, host))
    headers = [(b"Content-Type", b"text/plain"), (b"Max-Breadth", b"1")]
    call = world.alice.send(b"x", headers=headers)
    world.network.run(1.0)
    assert world.alice.answers == {call: 440}
    assert world.ledger.rules()[-1] == "not-forwardable"


def test_full_copies_leave_the_200() -> None:
    world = World(settings=PagerSettings(mailbox_messages=1))
    away = world.phone("away", "198.51.100.3", "<away>")
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(away)
    world.unregister(away)
    world.register(bob)
    for number in range(2):
        call = world.alice.send(b"%d" % number)
        world.network.run(1.0)
        assert world.alice.answers[call] == 200
    assert world.ledger.rules()[-1] == "mailbox-full"
    assert isinstance(world.targets(BOB, 0.0)[0], Target)


def test_short_expiry_is_swept_at_once() -> None:
    world = World()
    headers = [(b"Content-Type", b"text/plain"), (b"Expires", b"10")]
    world.alice.send(b"x", headers=headers)
    world.network.run(9.0)
    assert world.pager.waiting(BOB) == 1
    world.network.run(3.0)
    assert world.pager.waiting(BOB) == 0
    assert world.pager.stats.expired == 1


def test_more_than_a_page_comes_in_behind_a_slow_message() -> None:
    world = World(settings=PagerSettings(page_messages=2, mode=StoreMode.FIRST))
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.delay_s = 1.0
    world.register(bob)
    for number in range(7):
        world.alice.send(b"%d" % number)
        world.network.run(0.02)
    world.network.run(20.0)
    assert bob.shown == [b"%d" % number for number in range(7)]
    assert not world.pager.offline.boxes


def test_deferred_attempt_that_fails_is_retried() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<1>")
    bob.delay_s = 5.0
    bob.answers = [480]
    world.register(bob)
    call = world.alice.send(b"x")
    world.network.run(5.5)
    assert world.alice.answers == {call: 202}
    world.network.run(11.0)
    assert bob.shown == [b"x"]
    assert world.ledger.outcomes() == ["stored", "retrying", "delivered"]


def test_copies_are_counted_again_after_a_restart() -> None:
    world = World()
    away = world.phone("away", "198.51.100.3", "<away>")
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(away)
    world.unregister(away)
    world.register(bob)
    world.alice.send(b"x")
    world.network.run(1.0)
    world.restart()
    assert world.pager.waiting(BOB) == 1
    assert world.pager.keeper.recipients() == 1
    world.register(away)
    world.network.run(1.0)
    assert away.shown == [b"x"]
    assert world.pager.waiting(BOB) == 0


def test_several_repeats_wait_for_one_answer() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2")
    bob.delay_s = 1.0
    world.register(bob)
    for _ in range(3):
        world.alice.send(b"x", call_id=b"same")
        world.network.run(0.1)
    world.network.run(2.0)
    assert len(bob.received) == 1
    assert len(world.network.sent("192.0.2.1", b"SIP/2.0 200")) == 3
