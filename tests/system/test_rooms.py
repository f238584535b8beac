"""Chat rooms of a real node: dialogs with the focus, sessions with the switch, the roster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from session_msrp.chunk import Chunk
from session_msrp.printing import print_request
from session_msrp.rooms.values import Access, Member, Role, Room
from session_msrp.session import Delivered, Received
from sip.bodies.xml import parse_xml
from tests.support.msrp import final, within
from tests.support.phone import Phone, Reply
from tests.support.room_phone import RoomPhone, provide
from tests.support.room_world import cpim
from tests.support.running import RunningNode

EXTRA = (
    '[msrp]\nlisten = ["tcp:127.0.0.1:0"]\n[rooms]\nparticipants = 3\nuser_sessions = 2\n'
    '[presence]\nnotify_interval = 0\nforward = ["dialog"]\nstrangers = "allow"\n'
)
ALICE, BOB, CAROL = (f"sip:{name}@ims.test" for name in ("alice", "bob", "carol"))
TEA = Room("sip:tea@ims.test", subject="Tea", access=Access.OPEN,
           members={ALICE: Member(ALICE, Role.OWNER)})  # fmt: skip
STAFF = Room("sip:staff@ims.test", access=Access.PRIVATE, members={ALICE: Member(ALICE)})
CLUB = Room(
    "sip:club@ims.test", members={ALICE: Member(ALICE, Role.OWNER), BOB: Member(BOB, banned=True)}
)
NS = "{urn:ietf:params:xml:ns:conference-info}"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    made = RunningNode(
        tmp_path_factory.mktemp("rooms") / "node",
        extra=EXTRA,
        users=("alice", "bob", "carol", "dave"),
    )
    provide(made, TEA, STAFF, CLUB)
    with made as running:
        yield running


@pytest.fixture(scope="module")
def phones(node: RunningNode) -> Iterator[tuple[Phone, Phone, Phone]]:
    server = ("127.0.0.1", node.ports["udp"])
    with (
        Phone(server, "alice") as alice,
        Phone(server, "bob") as bob,
        Phone(server, "carol") as carol,
    ):
        for phone in (alice, bob, carol):
            assert phone.register().status == 200
        yield alice, bob, carol


def test_who_is_in_a_room_hears_what_is_said(
    node: RunningNode, phones: tuple[Phone, Phone, Phone]
) -> None:
    """RM-01, RM-03, RM-04, RM-05 over the wire."""
    alice, bob, _ = phones
    with (
        RoomPhone(alice, "tea") as one,
        RoomPhone(bob, "tea") as two,
        RoomPhone(bob, "tea", None) as old,
    ):
        one.join()
        assert ";isfocus" in one.contact
        assert one.media.attribute(b"accept-types") == b"message/cpim"
        assert one.media.attribute(b"chatroom") == b"nickname private-messages"
        two.join()
        old.join()
        one.tell(b"hello")
        assert two.texts(1) == old.texts(1) == [b"hello"]
        one.tell(b"psst", BOB)
        assert two.texts(2) == [b"hello", b"psst"]
        two.tell(b"yes", ALICE)
        assert one.texts(1) == [b"yes"]
        one.tell(b"x", CAROL)
        assert one.refused() == 404
        assert one.nickname("Al") == 200
        assert two.nickname("AL") == 425
        for each in (one, two, old):
            each.leave()
            assert each.ended()
        assert not any(b"psst" in body for body in old.texts(1))


@pytest.mark.parametrize(
    ("user", "room", "status"),
    [("bob", "staff", 404), ("bob", "nowhere", 404), ("bob", "club", 403), ("carol", "club", 403)],
)
def test_who_may_not_come_in(
    node: RunningNode, phones: tuple[Phone, Phone, Phone], user: str, room: str, status: int
) -> None:
    [phone] = [each for each in phones if each.user == user]
    with RoomPhone(phone, room) as guest:
        assert guest.call().status == status


def test_an_offer_that_is_none_for_a_room(
    node: RunningNode, phones: tuple[Phone, Phone, Phone]
) -> None:
    """RM-01: rooms carry message/cpim; extensions they do not know are refused."""
    with RoomPhone(phones[0], "tea", types=b"text/plain image/png") as guest:
        assert guest.call().status == 488
    with RoomPhone(phones[0], "tea") as guest:
        assert guest.call("Require: precondition").status == 420
        assert guest.call(body=b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
                          b"m=audio 4000 RTP/AVP 0\r\n").status == 488  # fmt: skip


def test_a_room_and_a_user_in_it_have_bounds(
    node: RunningNode, phones: tuple[Phone, Phone, Phone]
) -> None:
    alice, bob, carol = phones
    server = ("127.0.0.1", node.ports["udp"])
    with ExitStack() as stack:
        dave = stack.enter_context(Phone(server, "dave"))
        there = [stack.enter_context(RoomPhone(each, "tea")) for each in (alice, alice, bob, carol)]
        for each in there:
            each.join()
        for phone in (alice, dave):
            with RoomPhone(phone, "tea") as more:
                assert more.call().status == 486
        for each in there:
            each.leave()


def test_a_session_is_ended_by_its_party_alone(
    node: RunningNode, phones: tuple[Phone, Phone, Phone]
) -> None:
    """The same address and the tags of a dialog prove nothing over UDP."""
    alice, bob, _ = phones
    with RoomPhone(alice, "tea") as one:
        one.join()
        number = alice.cseq + 1
        bye = within(one.invite, "BYE", one.ok.get("to"), one.uri, [], number)
        bob.send(bye)
        assert bob.receive().status == 401
        bob.send(bye)
        assert final(bob).status == 403, "with bob's own credentials"
        one.request("SUBSCRIBE", "Event: conference")
        assert final(alice).status == 403
        one.leave()


def test_who_refers_too_often_is_refused_in_a_dialog_too(node: RunningNode) -> None:
    with Phone(("127.0.0.1", node.ports["udp"]), "dave") as dave, RoomPhone(dave, "tea") as one:
        one.join()
        answers: list[int] = []
        while 503 not in answers:
            answers.append(one.refer("sip:nobody@ims.test", "Refer-Sub: false"))
            assert len(answers) < 100
        assert len(answers) > 20
        one.leave()


def test_who_brings_no_offer_is_made_one(
    node: RunningNode, phones: tuple[Phone, Phone, Phone]
) -> None:
    """RFC 3261 13.2.1: in the 2xx, and the ACK has the answer."""
    alice, bob, _ = phones
    with RoomPhone(alice, "tea") as one, RoomPhone(bob, "tea") as two:
        two.join()
        one.join_by_its_offer()
        two.tell(b"welcome")
        assert one.texts(1) == [b"welcome"]
        one.leave()
        two.leave()


def roster(phone: Phone) -> tuple[str, dict[str, str]]:
    """Answer the next NOTIFY; return its state, and the users in it with theirs."""
    if phone.inbox:  # answered already
        told = phone.inbox.pop(0)
    else:
        told = final(phone)
        phone.respond(told, 200)
    assert told.get("event") == "conference", told.data
    root = parse_xml(told.body, "conference-info")
    users = root.iterfind(f"{NS}users/{NS}user")
    return root.get("state", ""), {user.get("entity", ""): user.get("state", "") for user in users}


def test_the_roster_is_told_at_once_and_as_it_changes(
    node: RunningNode, phones: tuple[Phone, Phone, Phone]
) -> None:
    """RM-02."""
    alice, _, _ = phones
    server = ("127.0.0.1", node.ports["udp"])
    with Phone(server, "carol") as watcher, RoomPhone(alice, "tea") as one:

        def subscribe(room: str, event: str = "conference") -> int:
            lines = (f"Event: {event}", "Expires: 600", f"Contact: <{watcher.contact}>")
            request = watcher.request("SUBSCRIBE", f"sip:{room}@ims.test", None, lines)
            return watcher.answer_to(request).status

        assert subscribe("staff") == 404
        assert subscribe("tea", "dialog") == 489
        assert subscribe("tea") == 200
        assert roster(watcher) == ("full", {})
        one.join()
        assert roster(watcher) == ("partial", {ALICE: "full"})
        one.leave()
        assert roster(watcher) == ("partial", {ALICE: "deleted"})


def test_who_asks_for_privacy_is_in_the_room_under_another_name(
    node: RunningNode, phones: tuple[Phone, Phone, Phone]
) -> None:
    """RFC 7701 5.2; presence of who is in a room says that they are in a meeting."""
    alice, bob, _ = phones
    server = ("127.0.0.1", node.ports["udp"])
    with (
        Phone(server, "carol") as watcher,
        RoomPhone(alice, "tea") as one,
        RoomPhone(bob, "tea") as two,
    ):
        for event, to in (("conference", TEA.aor), ("presence", ALICE), ("presence", BOB)):
            lines = (f"Event: {event}", "Expires: 600", f"Contact: <{watcher.contact}>")
            assert watcher.answer_to(watcher.request("SUBSCRIBE", to, None, lines)).status == 200
        assert two.call("Privacy: id;user").status == 200
        two.start()
        one.join()
        told: list[Reply] = []
        while not any(b"meeting" in each.body for each in told) or not any(
            ALICE.encode() in each.body for each in told if each.get("event") == "conference"
        ):
            told += watcher.inbox
            watcher.inbox.clear()
            request = final(watcher)
            watcher.respond(request, 200)
            told.append(request)
        rosters = [each.body for each in told if each.get("event") == "conference"]
        assert not any(b"meeting" in each.body and BOB.encode() in each.body for each in told)
        assert any(b'entity="sip:anonymous-' in body for body in rosters)
        assert not any(b"bob" in body for body in rosters)
        hidden = "sip:anonymous@anonymous.invalid"
        two.send(cpim(b"who am I", hidden, TEA.aor), b"message/cpim")
        assert one.texts(1) == [b"who am I"]
        two.tell(b"x")
        assert two.refused() == 403
        for each in (one, two):
            each.leave()


LIST = b"""<?xml version="1.0" encoding="UTF-8"?>
<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"
  xmlns:cp="urn:ietf:params:xml:ns:copycontrol"><list>
<entry uri="sip:bob@ims.test" cp:copyControl="to"/><entry uri="sip:nobody@ims.test"/>
</list></resource-lists>"""


def test_a_room_is_made_its_list_called_and_somebody_sent_away(
    node: RunningNode, phones: tuple[Phone, Phone, Phone]
) -> None:
    """RM-07: factory, recipient list, REFER to add and to remove."""
    alice, bob, carol = phones
    with RoomPhone(alice, "conference-factory") as one, RoomPhone(bob, "") as two:
        parts = (
            b"--b1\r\nContent-Type: application/sdp\r\n\r\n%b\r\n"
            b"--b1\r\nContent-Type: application/resource-lists+xml\r\n"
            b"Content-Disposition: recipient-list\r\n\r\n%b\r\n--b1--\r\n"
        ) % (one.offer(), LIST)
        made = one.call(
            "Require: recipient-list-invite",
            "Content-Type: multipart/mixed;boundary=b1",
            body=parts,
        )
        assert made.status == 200, made.data
        assert ";isfocus" in one.contact
        one.start()
        one.target = one.uri.partition(":")[2].partition("@")[0]
        assert one.target != "conference-factory"
        request = two.called()
        assert ";isfocus" in request.get("contact")
        assert request.get("referred-by") == f"<{ALICE}>"
        assert b"recipient-list-history" in request.body
        assert two.room == f"sip:{one.target}@ims.test"
        two.target = one.target
        two.tell(b"here I am")
        assert one.texts(1) == [b"here I am"]
        assert one.refer(CAROL) == 202
        assert one.progress() == ("active", b"100")
        carol.respond(final(carol), 603)
        assert final(carol).method == "ACK"
        assert one.progress() == ("terminated", b"603")
        assert one.refer(f"{BOB};method=BYE", "Refer-Sub: false") == 202
        assert two.hung_up()
        assert two.ended()
        one.leave()


def test_only_moderators_of_a_closed_room_bring_and_send_away(
    node: RunningNode, phones: tuple[Phone, Phone, Phone]
) -> None:
    """Who is brought in by one becomes a member."""
    alice, _, carol = phones
    with RoomPhone(alice, "club") as one, RoomPhone(carol, "club") as two:
        one.join()
        assert one.refer(CAROL) == 202
        assert one.progress() == ("active", b"100")
        two.called()
        assert one.progress() == ("terminated", b"200")
        for order in (ALICE + ";method=BYE", BOB, "tel:+1"):
            line = f"Refer-To: <{order}>"
            request = carol.request("REFER", "sip:club@ims.test", None,
                                    (line, f"Contact: <{carol.contact}>"))  # fmt: skip
            assert carol.answer_to(request).status == (400 if order == "tel:+1" else 403)
        assert one.refer(f"{CAROL};method=BYE", "Refer-Sub: false") == 202
        assert two.hung_up()
        one.leave()


def test_all_devices_ring_and_one_takes_the_call(
    node: RunningNode, phones: tuple[Phone, Phone, Phone]
) -> None:
    _, bob, _ = phones
    server = ("127.0.0.1", node.ports["udp"])
    with Phone(server, "bob") as tablet, RoomPhone(bob, "tea") as one:
        assert tablet.register().status == 200
        node.command("room", "invite", "tea", "bob")
        ringing = final(tablet)
        assert ringing.method == "INVITE"
        tablet.respond(ringing, 180)
        one.called()
        cancel = final(tablet)
        assert cancel.method == "CANCEL"
        tablet.respond(cancel, 200)
        tablet.respond(ringing, 487)
        assert final(tablet).method == "ACK"
        node.command("room", "kick", "tea", "bob")
        assert one.hung_up()
        tablet.register(expires=0)


def test_a_session_on_hold_or_on_its_way_elsewhere_misses_nothing(
    node: RunningNode, phones: tuple[Phone, Phone, Phone]
) -> None:
    """MS-13 in a room: hold and resume with the same path, then another device's path."""
    alice, bob, _ = phones
    with RoomPhone(alice, "tea") as one, RoomPhone(bob, "tea") as two:
        one.join()
        two.join()
        two.offer_again(b"a=sendonly\r\n")
        one.tell(b"1")
        one.until(Delivered, 2)
        two.renew()
        two.offer_again()
        one.tell(b"2")
        one.until(Delivered, 3)
        two.hang_up()
        two.open()
        assert two.texts(2) == [b"1", b"2"]
        two.tell(b"3")
        assert one.texts(1) == [b"3"]
        for each in (one, two):
            each.leave()


def test_a_room_that_is_removed_hangs_up_and_who_is_cut_off_leaves(node: RunningNode) -> None:
    """RM-07: deletion; and in the middle of a chunk the others learn that no more comes."""
    node.command("room", "add", "brief", "--open")
    server = ("127.0.0.1", node.ports["udp"])
    with (
        Phone(server, "alice") as alice,
        Phone(server, "bob") as bob,
        RoomPhone(alice, "brief") as one,
        RoomPhone(bob, "brief") as two,
    ):
        one.join()
        two.join()
        whole = cpim(bytes(3000), ALICE, "sip:brief@ims.test")
        head = (b"Message-ID: cut", b"Byte-Range: 1-*/9000", b"Content-Type: message/cpim")
        first = print_request(
            b"cut12345", b"SEND", one.session.path, one.own.raw, head, whole, b"+"
        )
        assert one.socket is not None
        one.socket.sendall(first + first[:40])
        one.hang_up()
        assert one.hung_up()
        chunks: list[Chunk] = []
        take = two.session.receive
        two.session.receive = lambda chunk, now: (chunks.append(chunk), take(chunk, now))[1]  # type: ignore[method-assign]
        while not chunks or chunks[-1].flag != b"#":
            assert two.read()
        assert chunks[0].body == whole
        node.command("room", "remove", "brief")
        assert two.hung_up()
        assert two.ended()
        with RoomPhone(bob, "brief") as late:
            assert late.call().status == 404
    with Phone(server, "dave") as dave, RoomPhone(dave, "tea") as three:
        three.join()
        node.command("user", "disable", "dave")
        assert three.hung_up()


def test_who_does_not_read_is_hung_up_on_and_nobody_waits(
    node: RunningNode, phones: tuple[Phone, Phone, Phone]
) -> None:
    """threats.md M5."""
    with ExitStack() as stack:
        one, two, three = (stack.enter_context(RoomPhone(each, "loud")) for each in phones)
        node.command("room", "add", "loud", "--open", "--history", "0")
        for each in (one, two, three):
            each.join()
        body = bytes(400_000)
        sent = 0
        while (bye := three.phone.receive(0.001)) is None:
            one.tell(body)
            sent += 1
            two.until(Received, sent)
            assert sent < 100
        assert bye.method == "BYE"
        three.phone.respond(bye, 200)
        assert all(len(text) == len(body) for text in two.texts(sent))
        for each in (one, two):
            each.leave()
