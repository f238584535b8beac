# SPDX-License-Identifier: Apache-2.0
"""The node as an intermediary of RFC 5438: what it says, to whom, and how often."""

from __future__ import annotations

import pytest

from pager import PagerSettings, StoreMode, rules
from sip.bodies.cpim import parse_cpim
from sip.bodies.imdn import NAMESPACE, parse_imdn
from tests.support.imdn import CPIM_TYPE, asking, telling, told
from tests.support.pager_world import ALICE, BOB, Phone, Sender, World

ALL = ("positive-delivery", "negative-delivery", "processing", "display")


def world_with_alice(
    settings: PagerSettings | None = None, *, record_route: bool = False
) -> tuple[World, Phone]:
    """Return a world in which the sender has a device that notifications come to."""
    world = World(settings=settings, record_route=record_route)
    phone = world.phone("alice-phone", "198.51.100.20", "<a>", ALICE)
    world.register(phone)
    return world, phone


def bob_of(world: World) -> Phone:
    phone = world.phone("bob", "198.51.100.2", "<b>")
    world.register(phone)
    return phone


def receipts_of(world: World) -> list[tuple[str, str, str]]:
    """Return (sender, device, rule) of every receipt in the ledger."""
    return [
        (entry.sender, step[2], step[4])
        for entry in world.ledger.entries
        for step in entry.steps
        if step[1] == rules.RECEIPT
    ]


# --- processing


def test_relayed_is_processed() -> None:
    world, alice = world_with_alice()
    bob = bob_of(world)
    world.alice.send(asking(b"id1", *ALL), headers=CPIM_TYPE)
    world.network.run(1.0)
    assert bob.shown == [asking(b"id1", *ALL)]
    assert told(alice.shown) == [("id1", "processing", "processed")]


def test_stored_is_stored_and_nothing_more_when_it_is_delivered() -> None:
    world, alice = world_with_alice()
    world.alice.send(asking(b"id1", *ALL), headers=CPIM_TYPE)
    world.network.run(1.0)
    assert told(alice.shown) == [("id1", "processing", "stored")]
    bob_of(world)
    world.network.run(1.0)
    assert told(alice.shown) == [("id1", "processing", "stored")]


def test_one_device_takes_it_and_a_copy_waits_for_another() -> None:
    world, alice = world_with_alice()
    other = world.phone("other", "198.51.100.3", "<o>")
    world.register(other)
    world.unregister(other)
    bob_of(world)
    world.alice.send(asking(b"id1", *ALL), headers=CPIM_TYPE)
    world.network.run(1.0)
    world.register(other)
    world.network.run(1.0)
    assert told(alice.shown) == [("id1", "processing", "processed")]


@pytest.mark.parametrize("wants", [(), ("positive-delivery", "negative-delivery", "display")])
def test_nobody_asked_for_processing(wants: tuple[str, ...]) -> None:
    world, alice = world_with_alice()
    world.alice.send(asking(b"id1", *wants), headers=CPIM_TYPE)
    world.network.run(1.0)
    bob_of(world)
    world.network.run(1.0)
    assert not alice.shown


def test_without_a_message_id_nothing_is_said() -> None:
    world, alice = world_with_alice()
    body = asking(b"id1", *ALL).replace(b"imdn.Message-ID: id1\r\n", b"")
    world.alice.send(body, headers=CPIM_TYPE)
    world.network.run(1.0)
    assert not alice.shown


def test_a_refused_message_causes_nothing() -> None:
    world, alice = world_with_alice(PagerSettings(mode=StoreMode.OFF))
    call = world.alice.send(asking(b"id1", *ALL), headers=CPIM_TYPE)
    world.network.run(1.0)
    assert world.alice.answers[call] == 480
    assert not alice.shown


def test_a_device_that_refuses_online_causes_nothing() -> None:
    world, alice = world_with_alice()
    bob_of(world).answer = 415
    call = world.alice.send(asking(b"id1", *ALL), headers=CPIM_TYPE)
    world.network.run(1.0)
    assert world.alice.answers[call] == 415
    assert not alice.shown


def test_it_waits_for_an_offline_sender_like_a_message() -> None:
    world = World()
    bob_of(world)
    world.alice.send(asking(b"id1", "processing"), headers=CPIM_TYPE)
    world.network.run(1.0)
    assert world.pager.waiting(ALICE) == 1
    alice = world.phone("alice-phone", "198.51.100.20", "<a>", ALICE)
    world.register(alice)
    world.network.run(1.0)
    assert told(alice.shown) == [("id1", "processing", "processed")]


def test_every_device_of_the_sender_hears_it() -> None:
    world, alice = world_with_alice()
    second = world.phone("alice-two", "198.51.100.21", "<a2>", ALICE)
    world.register(second)
    world.alice.send(asking(b"id1", "processing"), headers=CPIM_TYPE)
    world.network.run(1.0)
    assert len(told(alice.shown)) == len(told(second.shown)) == 1


# --- negative delivery


def test_a_permanent_refusal_from_the_store_is_failed_once() -> None:
    world, alice = world_with_alice()
    world.alice.send(asking(b"id1", "negative-delivery"), headers=CPIM_TYPE)
    world.network.run(1.0)
    assert not alice.shown
    bob_of(world).answers = [415]
    world.network.run(1.0)
    assert told(alice.shown) == [("id1", "delivery", "failed")]
    world.network.run(60.0)
    assert len(alice.shown) == 1


def test_a_refusal_after_another_device_took_it_is_no_failure() -> None:
    world, alice = world_with_alice()
    first = world.phone("first", "198.51.100.3", "<1>")
    second = world.phone("second", "198.51.100.4", "<2>")
    for phone in (first, second):
        world.register(phone)
        world.unregister(phone)
    world.alice.send(asking(b"id1", "negative-delivery"), headers=CPIM_TYPE)
    world.network.run(1.0)
    world.register(first)
    world.network.run(1.0)
    second.answer = 415
    world.register(second)
    world.network.run(1.0)
    assert first.shown
    assert not world.store.waiting(BOB)
    assert not alice.shown


def test_declined_while_the_commit_is_under_way_is_failed() -> None:
    world, alice = world_with_alice()
    bob = bob_of(world)
    bob.delay_s = 4.2
    bob.answers = [603]
    world.store.delay_s = 0.5
    call = world.alice.send(asking(b"id1", "negative-delivery"), headers=CPIM_TYPE)
    world.network.run(20.0)
    assert world.alice.answers[call] == 202
    assert told(alice.shown) == [("id1", "delivery", "failed")]
    story = [entry.outcome for entry in world.ledger.entries if entry.recipient == BOB]
    assert story[-1] == rules.REFUSED


def test_expiry_is_failed_once() -> None:
    world, alice = world_with_alice()
    headers = [*CPIM_TYPE, (b"Expires", b"5")]
    world.alice.send(asking(b"id1", "negative-delivery"), headers=headers)
    world.network.run(120.0)
    assert told(alice.shown) == [("id1", "delivery", "failed")]
    bob_of(world)
    world.network.run(5.0)
    assert len(alice.shown) == 1


def test_expiry_of_a_copy_is_no_failure() -> None:
    world, alice = world_with_alice()
    other = world.phone("other", "198.51.100.3", "<o>")
    world.register(other)
    world.unregister(other)
    bob_of(world)
    headers = [*CPIM_TYPE, (b"Expires", b"5")]
    world.alice.send(asking(b"id1", "negative-delivery"), headers=headers)
    world.network.run(120.0)
    assert not world.store.waiting(BOB)
    assert not alice.shown


def test_expiry_nobody_asked_about() -> None:
    world, alice = world_with_alice()
    for headers in ([*CPIM_TYPE, (b"Expires", b"5")], [(b"Expires", b"5")]):
        world.alice.send(asking(b"id1", "display"), headers=headers)
    world.network.run(120.0)
    assert not alice.shown


# --- what it looks like


def test_the_notification_as_written() -> None:
    world, alice = world_with_alice()
    more = b"imdn.Original-To: <sip:team@ims.test>\r\n"
    world.alice.send(asking(b"id<1", "processing", more=more), headers=CPIM_TYPE)
    world.network.run(1.0)
    request = alice.received[0]
    assert request.get("content-type") == b"message/cpim"
    assert request.from_uri.aor == BOB
    assert request.to_uri.aor == ALICE
    message = parse_cpim(request.body)
    mine = message.get(b"Message-ID", b"urn:ietf:params:imdn")
    assert mine is not None
    assert len(mine) == 32
    assert [(h.name, h.value) for h in message.headers] == [
        (b"From", b"<sip:bob@ims.test>"),
        (b"To", b"<sip:alice@ims.test>"),
        (b"NS", b"imdn <urn:ietf:params:imdn>"),
        (b"Message-ID", mine),
    ]
    assert message.part.get(b"content-type") == b"message/imdn+xml"
    assert message.part.get(b"content-disposition") == b"notification"
    assert NAMESPACE.encode() in message.part.content
    notification = parse_imdn(message.part.content)
    assert notification.message_id == "id<1"
    assert notification.datetime == "2026-11-23T12:00:00Z"
    assert notification.recipient_uri == BOB
    assert notification.original_recipient_uri == "sip:team@ims.test"


# --- after a crash


def test_a_repeat_after_a_crash_is_told_of_once() -> None:
    world, alice = world_with_alice()
    body = asking(b"id1", "processing")
    call = world.alice.send(body, headers=CPIM_TYPE)
    world.network.run(0.5)
    world.restart()
    world.alice.send(body, headers=CPIM_TYPE, call_id=call)
    world.network.run(60.0)
    assert world.alice.answers[call] == 202
    assert told(alice.shown) == [("id1", "processing", "stored")]


def test_stored_after_processed_is_not_said() -> None:
    world, alice = world_with_alice()
    bob = bob_of(world)
    body = asking(b"id1", "processing")
    call = world.alice.send(body, headers=CPIM_TYPE)
    world.network.run(0.5)
    world.restart()
    world.unregister(bob)
    world.alice.send(body, headers=CPIM_TYPE, call_id=call)
    world.network.run(60.0)
    assert told(alice.shown) == [("id1", "processing", "processed")]


def test_refused_again_after_a_lost_mark_is_told_of_once() -> None:
    world, alice = world_with_alice()
    world.alice.send(asking(b"id1", "negative-delivery"), headers=CPIM_TYPE)
    world.network.run(1.0)
    bob = bob_of(world)
    bob.answer = 415
    world.network.run(0.012)  # the refusal is in, its mark is not committed
    world.restart()
    world.network.run(60.0)
    assert told(alice.shown) == [("id1", "delivery", "failed")]


# --- notifications of devices


def test_what_devices_say_is_passed_on_and_remembered() -> None:
    world, alice = world_with_alice()
    bob = bob_of(world)
    world.alice.send(asking(b"id1", "positive-delivery", "display"), headers=CPIM_TYPE)
    sender = Sender(world, "bob-out", "198.51.100.30", BOB)
    bodies = [
        telling("id1", "delivery", "delivered", message_id=b"n1"),
        telling("id1", "display", "displayed", message_id=b"n2"),
    ]
    for body in bodies:
        sender.send(body, ALICE, headers=CPIM_TYPE)
        world.network.run(1.0)
    assert bob.shown
    assert alice.shown == bodies
    assert receipts_of(world) == [(BOB, "", "delivery-delivered"), (BOB, "", "display-displayed")]
    kinds = {
        (entry.notice.kind, entry.notice.id)
        for entry in world.ledger.entries
        if entry.notice is not None
    }
    assert kinds == {("", b"id1"), ("imdn", b"n1"), ("imdn", b"n2")}


def test_the_device_is_known_by_its_address() -> None:
    world, _ = world_with_alice()
    bob = bob_of(world)
    sender = Sender.__new__(Sender)
    sender.__dict__.update(world=world, aor=BOB, node=bob.node, answers={}, responses={}, _calls=0)
    sender.send(telling("id1", "display", "displayed"), ALICE, headers=CPIM_TYPE)
    world.network.run(1.0)
    assert receipts_of(world) == [(BOB, "<b>", "display-displayed")]


def test_a_notification_never_causes_one() -> None:
    world = World()
    sender = Sender(world, "bob-out", "198.51.100.30", BOB)
    world.register(world.phone("bob", "198.51.100.2", "<b>"))
    body = telling("id1", "delivery", "delivered").replace(
        b"imdn.Message-ID: imdn-1\r\n",
        b"imdn.Message-ID: imdn-1\r\n"
        b"imdn.Disposition-Notification: processing, negative-delivery\r\n",
    )
    sender.send(body, ALICE, headers=[*CPIM_TYPE, (b"Expires", b"5")])
    world.network.run(120.0)
    assert not world.store.waiting()
    assert len(world.store.rows) == 1


def test_a_notification_for_an_offline_sender_waits() -> None:
    world = World()
    sender = Sender(world, "bob-out", "198.51.100.30", BOB)
    call = sender.send(telling("id1", "display", "displayed"), ALICE, headers=CPIM_TYPE)
    world.network.run(1.0)
    assert sender.answers[call] == 202
    alice = world.phone("alice-phone", "198.51.100.20", "<a>", ALICE)
    world.register(alice)
    world.network.run(1.0)
    assert told(alice.shown) == [("id1", "display", "displayed")]


def test_kinds_in_the_ledger_at_the_end_of_a_stored_notification() -> None:
    world = World()
    sender = Sender(world, "bob-out", "198.51.100.30", BOB)
    sender.send(telling("id1", "display", "displayed"), ALICE, headers=CPIM_TYPE)
    world.network.run(1.0)
    world.register(world.phone("alice-phone", "198.51.100.20", "<a>", ALICE))
    world.network.run(1.0)
    final = [entry for entry in world.ledger.entries if entry.final]
    assert [entry.notice and entry.notice.kind for entry in final] == ["imdn"]


# --- in whose name


def test_content_in_the_name_of_another_is_refused() -> None:
    world, _ = world_with_alice()
    bob = bob_of(world)
    mallory = Sender(world, "mallory", "198.51.100.66", "sip:mallory@ims.test")
    for body in (asking(b"id1"), telling("id1", "display", "displayed")):
        call = mallory.send(body, headers=CPIM_TYPE)
        world.network.run(1.0)
        assert mallory.answers[call] == 403
    assert not bob.shown


def test_im_uris_and_nobody_are_fine_as_authors() -> None:
    world, _ = world_with_alice()
    bob = bob_of(world)
    for author in (b"im:alice@ims.test", b"sips:alice@ims.test", b"im:x@anonymous.invalid"):
        world.alice.send(asking(b"id-" + author, sender=author), headers=CPIM_TYPE)
    world.network.run(1.0)
    assert len(bob.shown) == 3


@pytest.mark.parametrize(
    "odd",
    [
        b"From: <sip:bob@ims.test>",
        b"x.From: <sip:bob@ims.test>",
        b"NS: f <urn:x>\r\nf.From: <sip:bob@ims.test>",
        b"no colon",
        b"X: tab\there",
        b"Y:no space",
        b"Bad name: x",
    ],
)
def test_a_second_author_or_a_broken_line_is_found(odd: bytes) -> None:
    world, _ = world_with_alice()
    bob = bob_of(world)
    call = world.alice.send(asking(b"id1", "display", more=odd + b"\r\n"), headers=CPIM_TYPE)
    world.network.run(1.0)
    assert world.alice.answers[call] in (400, 403)
    assert not bob.shown


@pytest.mark.parametrize("body", [b"From: x", b"From <a>\r\n\r\n\r\n", b"X: \r\r\n\r\n\r\n"])
def test_what_is_no_cpim_is_refused(body: bytes) -> None:
    world, _ = world_with_alice()
    bob = bob_of(world)
    call = world.alice.send(body, headers=CPIM_TYPE)
    world.network.run(1.0)
    assert world.alice.answers[call] == 400
    assert not bob.shown


# --- routes


def record_of(body: bytes) -> bytes:
    value = parse_cpim(body).get(b"IMDN-Record-Route", b"urn:ietf:params:imdn")
    assert value is not None
    return value[1:-1]


def test_routes_are_recorded_only_when_they_are_wanted() -> None:
    world, _ = world_with_alice()
    bob = bob_of(world)
    world.alice.send(asking(b"id1", "display"), headers=CPIM_TYPE)
    world.network.run(1.0)
    assert bob.shown == [asking(b"id1", "display")]


def test_a_recorded_route_is_followed_and_taken_off() -> None:
    world, alice = world_with_alice(record_route=True)
    bob = bob_of(world)
    body = asking(b"id1", "display", more=b"imdn.IMDN-Record-Route: <sip:far@elsewhere.test>\r\n")
    world.alice.send(body, headers=CPIM_TYPE)
    world.network.run(1.0)
    routes = parse_cpim(bob.shown[0]).get_all(b"IMDN-Record-Route", b"urn:ietf:params:imdn")
    assert [h.value for h in routes][1:] == [b"<sip:far@elsewhere.test>"]
    ours = routes[0].value[1:-1]
    assert bob.shown[0].replace(routes[0].line + b"\r\n", b"") == body
    sender = Sender(world, "bob-out", "198.51.100.30", BOB)
    call = sender.send(
        telling("id1", "display", "displayed", routes=(ours,)),
        "sip:imdn@ims.test",
        headers=CPIM_TYPE,
    )
    world.network.run(1.0)
    assert sender.answers[call] == 200
    assert alice.shown == [telling("id1", "display", "displayed")]
    assert alice.received[0].to_uri.aor == ALICE
    assert receipts_of(world) == [(BOB, "", "display-displayed")]


def test_our_route_is_taken_off_when_the_notification_came_straight() -> None:
    world, alice = world_with_alice(record_route=True)
    bob = bob_of(world)
    world.alice.send(asking(b"id1", "display"), headers=CPIM_TYPE)
    world.network.run(1.0)
    sender = Sender(world, "bob-out", "198.51.100.30", BOB)
    body = telling("id1", "display", "displayed", routes=(record_of(bob.shown[0]),))
    sender.send(body, ALICE, headers=CPIM_TYPE)
    world.network.run(1.0)
    assert alice.shown == [telling("id1", "display", "displayed")]


def test_the_next_route_comes_before_the_sender() -> None:
    world, alice = world_with_alice(record_route=True)
    bob = bob_of(world)
    far = world.phone("far", "203.0.113.9", "", "sip:far@elsewhere.test")
    world.foreign["elsewhere.test"] = "203.0.113.9"
    world.alice.send(asking(b"id1", "display"), headers=CPIM_TYPE)
    world.network.run(1.0)
    routes = (record_of(bob.shown[0]), b"sip:far@elsewhere.test")
    sender = Sender(world, "bob-out", "198.51.100.30", BOB)
    call = sender.send(
        telling("id1", "display", "displayed", routes=routes),
        "sip:imdn@ims.test",
        headers=CPIM_TYPE,
    )
    world.network.run(1.0)
    assert sender.answers[call] == 200
    assert far.shown == [telling("id1", "display", "displayed", routes=routes[1:])]
    assert far.received[0].uri == b"sip:far@elsewhere.test"
    assert not alice.shown


def test_what_tells_of_no_message_is_dropped_without_a_word() -> None:
    world, alice = world_with_alice(record_route=True)
    bob = bob_of(world)
    world.alice.send(asking(b"id1", "display"), headers=CPIM_TYPE)
    world.network.run(1.0)
    ours = record_of(bob.shown[0])
    sender = Sender(world, "bob-out", "198.51.100.30", BOB)
    mallory = Sender(world, "mallory", "198.51.100.66", "sip:mallory@ims.test")
    unknown = telling("id2", "display", "displayed", routes=(ours,))
    forged = telling("id1", "display", "displayed", routes=(ours,), sender=b"sip:mallory@ims.test")
    for who, body in ((sender, unknown), (mallory, forged)):
        for to in ("sip:imdn@ims.test", ALICE):
            call = who.send(body, to, headers=CPIM_TYPE)
            world.network.run(1.0)
            assert who.answers[call] == 200
    assert not alice.shown
    assert world.ledger.outcomes().count(rules.DROPPED) == 4


def test_a_route_of_another_node_is_left_alone() -> None:
    world, alice = world_with_alice()
    sender = Sender(world, "bob-out", "198.51.100.30", BOB)
    body = telling("x", "display", "displayed", routes=(b"sip:imdn@elsewhere.test;proof=1",))
    sender.send(body, ALICE, headers=CPIM_TYPE)
    world.network.run(1.0)
    assert alice.shown == [body]


RECORDED = b"imdn.IMDN-Record-Route: <sip:far@elsewhere.test>\r\n"


def test_a_node_in_front_hears_of_a_message_by_its_route() -> None:
    world = World()
    far = world.phone("far", "203.0.113.9", "", "sip:far@elsewhere.test")
    world.foreign["elsewhere.test"] = "203.0.113.9"
    zoe = Sender(world, "zoe", "203.0.113.10", "sip:zoe@elsewhere.test")
    author = b"sip:zoe@elsewhere.test"
    zoe.send(asking(b"id1", "processing", sender=author, more=RECORDED), headers=CPIM_TYPE)
    world.network.run(1.0)
    assert told(far.shown) == [("id1", "processing", "stored")]
    routes = parse_cpim(far.shown[0]).get_all(b"IMDN-Route", b"urn:ietf:params:imdn")
    assert [route.value for route in routes] == [b"<sip:far@elsewhere.test>"]


def test_a_user_cannot_have_notifications_sent_to_others() -> None:
    world, alice = world_with_alice()
    far = world.phone("far", "203.0.113.9", "", "sip:far@elsewhere.test")
    world.foreign["elsewhere.test"] = "203.0.113.9"
    world.alice.send(asking(b"id1", "processing", more=RECORDED), headers=CPIM_TYPE)
    world.network.run(1.0)
    assert told(alice.shown) == [("id1", "processing", "stored")]
    assert b"IMDN-Route" not in alice.shown[0]
    assert not far.received


def test_the_address_for_notifications_takes_nothing_else() -> None:
    world, _ = world_with_alice()
    answers = {}
    for body, headers in (
        (b"hello", [(b"Content-Type", b"text/plain")]),
        (asking(b"id1"), CPIM_TYPE),
        (b"broken", CPIM_TYPE),
    ):
        call = world.alice.send(body, "sip:imdn@ims.test", headers=headers)
        world.network.run(1.0)
        answers[body] = world.alice.answers[call]
    assert list(answers.values()) == [415, 400, 400]


# --- is-composing


def test_composing_inside_cpim_is_never_stored() -> None:
    world, _ = world_with_alice()
    body = (
        b"From: <sip:alice@ims.test>\r\nTo: <sip:bob@ims.test>\r\n\r\n"
        b"Content-Type: application/im-iscomposing+xml\r\n\r\n<isComposing/>"
    )
    call = world.alice.send(body, headers=CPIM_TYPE)
    world.network.run(1.0)
    assert world.alice.answers[call] == 480
    assert not world.store.rows


def test_composing_is_marked_as_no_message() -> None:
    world, _ = world_with_alice()
    bob_of(world)
    world.alice.send(b"<x/>", headers=[(b"Content-Type", b"application/im-iscomposing+xml")])
    world.network.run(1.0)
    (entry,) = [entry for entry in world.ledger.entries if entry.final]
    assert entry.notice is not None
    assert entry.notice.kind == "composing"


def test_no_faults_anywhere() -> None:
    world, alice = world_with_alice()
    bob_of(world).answers = [480, 480]
    world.alice.send(asking(b"id1", *ALL), headers=CPIM_TYPE)
    world.network.run(30.0)
    assert not world.faults
    assert told(alice.shown) == [("id1", "processing", "stored")]
