"""Members of rooms who are away, cut off, or have no sessions: what they get, and what they may say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from imsnode.rooms.attendance import Attendance
from imsnode.rooms.door import Door
from imsnode.rooms.feeds import Feeds
from imsnode.rooms.keeper import RoomKeeper
from imsnode.rooms.records import Records
from imsnode.rooms.replays import Replays, wanted_history
from imsnode.rooms.returns import Returns
from pager.identity import MessageIds
from pager.values import LedgerEntry
from session_msrp.rooms import edits
from session_msrp.rooms.audit import RoomEvent
from session_msrp.rooms.dated import plain
from session_msrp.rooms.ports import Changed, Edit
from session_msrp.rooms.values import Access, Member, Role, Room, RoomMessage
from sip.bodies.cpim import parse_cpim
from sip.flow import Flow
from sip.forward import Target
from sip.limits import Limits
from sip.message import Request, build_request
from sip.parser import parse_message
from sip.privacy import ANONYMOUS
from sip.timers import TimerQueue
from tests.support.room_world import ROOM, Device, RoomWorld, aor, cpim

ALICE, BOB, CAROL = (aor(name) for name in ("alice", "bob", "carol"))
WALL = 1_750_000_000.0


class Store:
    """A `RoomStore` whose commits are over at once."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.messages: list[RoomMessage] = []
        self.marks: dict[tuple[str, str], int] = {}
        self.events: list[RoomEvent] = []
        self.full = False

    def load_all(self) -> list[Room]:
        return [self.house.live.room]

    def change(
        self, aor: str, edit: Edit, done: Callable[[Changed], None], actor: str = ""
    ) -> None:
        done(self.house.change(edit))

    def keep(self, message: RoomMessage, done: Callable[[int], None]) -> None:
        number = 0 if self.full else len(self.messages) + 1
        if number:
            self.messages.append(replace(message, number=number))
        done(number)

    def read(
        self,
        room: str,
        after: int,
        limit: int,
        done: Callable[[Sequence[RoomMessage] | None], None],
    ) -> None:
        done([one for one in self.messages if one.number > after][-limit:])

    def seen(self, marks: Mapping[tuple[str, str], int]) -> None:
        self.marks.update(marks)

    def note(self, event: RoomEvent) -> None:
        self.events.append(event)


class Endpoint:
    """Remembers what was answered."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes | None]] = []

    def accept(self, request: Request, flow: Flow, now: float) -> Request:
        return request

    def reply(self, request: Request, flow: Flow, status: int, now: float,
              reason: bytes | None = None, lines: Sequence[bytes] = ()) -> None:  # fmt: skip
        self.answers.append((status, reason))

    def respond(self, transaction: Request, status: int, now: float,
                reason: bytes | None = None, lines: Sequence[bytes] = ()) -> None:  # fmt: skip
        self.answers.append((status, reason))


class Call:
    """The dialog of a session."""

    def __init__(self, number: int, invite: Request | None) -> None:
        self.id = f"v{number}"
        self.call_id = b"call-%d" % number
        self.invite = invite


class House:
    """A room with alice as its owner, bob as a member, and everything that goes on around it."""

    def __init__(self, **rules: object) -> None:
        self.time = 0.0
        self.world = RoomWorld()
        members = {ALICE: Member(ALICE, Role.OWNER), BOB: Member(BOB)}
        self.live = self.world.room
        self.live.room = Room(ROOM, history=100, members=members, **rules)  # type: ignore[arg-type]
        self.store = Store(self)
        self.ledger: list[LedgerEntry] = []
        self.timers = TimerQueue()
        self.records = Records(self.store, self, lambda: WALL + self.time)
        ids = MessageIds("abcde")
        self.forbidden = b"no such word"
        keeper = RoomKeeper(self.store, self, ids, self, self.records.call_of, self.judge)
        self.world.switch._keeper = keeper
        self.attendance = Attendance(self.store, self.timers)
        self.sent: list[tuple[str, bytes, Callable[[int, str], None]]] = []
        self.feeds = Feeds(self.store, self.attendance, self.send)
        keeper.onlookers += [self.attendance, self.feeds]
        self.invited: list[tuple[str, Callable[[int], None]]] = []
        self.here: set[str] = set()
        rooms = {ROOM: self.live}
        self.returns = Returns(
            rooms, self.store, self.store.change, self.attendance, self.feeds, self.invite,
            self.targets,
        )  # fmt: skip
        self.replays = Replays(self.store, self.world.switch, self.attendance)
        self.endpoint = Endpoint()
        self.door = Door(
            self.endpoint, self.world.switch, self.returns, self, lambda uri: uri.aor,  # type: ignore[arg-type]
            1000, lambda: (b"Retry-After: 5",),
        )  # fmt: skip
        self.attendance.start([self.live.room], {})
        self.calls: dict[Device, Call] = {}

    # ports

    def note(self, entry: LedgerEntry) -> None:
        self.ledger.append(entry)

    def judge(self, body: bytes, sender: str, room: str) -> str:
        return "content-rule:words" if self.forbidden in body else ""

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return WALL + self.time

    def invite(self, room: str, who: str, done: Callable[[int], None]) -> None:
        self.invited.append((who, done))

    def targets(self, who: str, now: float) -> Sequence[Target]:
        return (Target(who.encode(), None),) if who in self.here else ()  # type: ignore[arg-type]

    def send(self, sender: str, recipient: str, content_type: bytes, body: bytes,
             answered: Callable[[int, str], None], headers: Sequence[tuple[bytes, bytes]] = (),
             identity: str = "") -> str:  # fmt: skip
        assert (sender, content_type) == (ROOM, b"message/cpim") or identity.endswith("plain")
        self.sent.append((recipient, body, answered))
        return ""

    # what happens

    def change(self, edit: Edit) -> Changed:
        before = self.live.room
        after = edit(before)
        assert after is not None
        self.live.room = after
        self.attendance.changed(before, after)
        return Changed(before, after)

    def enter(self, name: str, uri: str = ROOM, invited: bool = False) -> Device:
        device = self.world.enter(name)
        device.visit.began = self.wall()
        device.visit.invited = invited
        call = self.calls[device] = Call(
            len(self.calls), None if invited else message(b"", uri=uri)
        )
        self.records.joined(device.visit, call, self.time)  # type: ignore[arg-type]
        self.replays.joined(device.visit, call.invite)
        self.attendance.joined(device.visit, self.time)
        self.returns.joined(device.visit)
        return device

    def leave(self, device: Device, why: str = "hung up") -> None:
        device.leave()
        self.attendance.left(device.visit, why, self.time)
        self.returns.left(device.visit, why)
        self.records.left(device.visit, self.calls[device], why, self.time)  # type: ignore[arg-type]

    def say(self, device: Device, text: bytes) -> None:
        device.send(cpim(text, aor(device.name)))

    def passes(self, seconds: float) -> None:
        """Let time pass, second by second."""
        for _ in range(int(seconds)):
            self.time += 1.0
            for _at, target, kind in self.timers.pop_due(self.time):
                target.on_timer(kind, self.time)

    def register(self, who: str) -> None:
        self.here.add(who)
        self.returns.registered(who, self.time)

    def knock(
        self, who: str, body: bytes, kind: bytes = b"text/plain", sender: str = "sip:x@ims.test"
    ) -> int:
        """Send a MESSAGE to the room, with this From; returns its status."""
        request = message(body, kind, sender=sender)
        self.door.request(request, None, who, self.live, self.time)  # type: ignore[arg-type]
        return self.endpoint.answers[-1][0]


def message(
    body: bytes, kind: bytes = b"text/plain", uri: str = ROOM, sender: str = "sip:x@ims.test"
) -> Request:
    head = [
        (b"Via", b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
        (b"From", b"<%b>;tag=1" % sender.encode()),
        (b"To", b"<sip:tea@ims.test>"),
        (b"Call-ID", b"c"),
        (b"CSeq", b"1 MESSAGE"),
        (b"Max-Forwards", b"70"),
        (b"Content-Type", kind),
    ]
    made = parse_message(build_request("MESSAGE", uri.encode(), head, body), Limits())
    assert isinstance(made, Request)
    return made


def texts(bodies: Sequence[bytes]) -> list[bytes]:
    return [parse_cpim(body).part.content for body in bodies]


@pytest.fixture
def house() -> House:
    return House()


def test_who_was_away_gets_what_they_missed_when_they_return(house: House) -> None:
    """RM-08: in order, once, with the time it was said, which their own clients did not give."""
    alice = house.enter("alice")
    house.say(alice, b"one")
    house.passes(3600)
    house.say(alice, b"two")
    house.register(BOB)
    [(who, _done)] = house.invited
    assert who == BOB
    bob = house.enter("bob", invited=True)
    house.say(alice, b"three")
    assert bob.texts == [b"one", b"two", b"three"]
    dates = [parse_cpim(body).get(b"DateTime") for body in bob.bodies]
    assert dates == [b"2025-06-15T15:06:40.000+00:00", b"2025-06-15T16:06:40.000+00:00", None]
    house.register(BOB)
    assert len(house.invited) == 1


def test_who_hangs_up_has_it_all_who_is_cut_off_gets_the_last_again(house: House) -> None:
    alice, bob = house.enter("alice"), house.enter("bob")
    house.say(alice, b"one")
    house.leave(bob)
    house.say(alice, b"two")
    bob = house.enter("bob")
    assert bob.texts == [b"two"]
    house.passes(3)
    assert house.store.marks[ROOM, BOB] == 2
    house.say(alice, b"three")
    house.leave(bob, "connection lost")
    assert house.enter("bob").texts == [b"three"]


def test_who_is_cut_off_while_they_catch_up_gets_it_all_again(house: House) -> None:
    alice = house.enter("alice")
    house.say(alice, b"one")
    house.passes(60)
    for _ in range(2):
        bob = house.enter("bob")
        assert bob.texts == [b"one"]
        house.leave(bob, "connection lost")
    bob = house.enter("bob")
    house.passes(3)
    house.leave(bob, "connection lost")
    assert house.enter("bob").texts == []


def test_who_is_there_is_noted_to_have_heard_and_then_nothing_ticks(house: House) -> None:
    house.time = 1000.0
    alice = house.enter("alice")
    house.enter("bob")
    house.say(alice, b"one")
    house.passes(3)
    assert house.store.marks == {(ROOM, ALICE): 1, (ROOM, BOB): 1}
    house.passes(3)
    assert house.timers.next_deadline() is None


def test_who_hung_up_is_called_when_they_come_back_not_when_they_refresh(house: House) -> None:
    alice, bob = house.enter("alice"), house.enter("bob")
    house.leave(bob)
    house.say(alice, b"one")
    house.register(BOB)
    house.returns.look(house.time)
    house.register(BOB)
    assert house.invited == []
    house.here.discard(BOB)
    house.returns.look(house.time)
    house.register(BOB)
    assert [who for who, _ in house.invited] == [BOB]


def test_a_device_without_sessions_gets_messages_one_after_the_other(house: House) -> None:
    alice = house.enter("alice")
    house.say(alice, b"one")
    house.say(alice, b"two")
    house.register(BOB)
    house.invited[0][1](488)
    house.say(alice, b"three")
    assert texts([body for _, body, _ in house.sent]) == [b"one"]
    house.sent[0][2](200, "OK")
    house.sent[1][2](202, "Accepted")
    house.sent[2][2](200, "OK")
    assert texts([body for _, body, _ in house.sent]) == [b"one", b"two", b"three"]
    assert {who for who, _, _ in house.sent} == {BOB}
    assert parse_cpim(house.sent[0][1]).get(b"From") == b"<sip:alice@ims.test>"
    assert house.store.marks[ROOM, BOB] == 3
    house.say(alice, b"four")
    house.sent[3][2](503, "Service Unavailable")
    house.say(alice, b"five")
    house.sent[4][2](480, "Temporarily Unavailable")
    house.register(BOB)
    assert texts([house.sent[5][1]]) == [b"four"]
    house.sent[5][2](415, "Unsupported Media Type")
    assert house.sent[6][1] == b"alice: four"
    house.sent[6][2](200, "OK")
    assert texts([house.sent[7][1]]) == [b"five"]
    house.sent[7][2](606, "Not Acceptable")
    assert house.store.marks[ROOM, BOB] == 5
    house.enter("bob")
    assert not house.live.room.members[BOB].pager


def test_who_does_not_come_is_called_again_later(house: House) -> None:
    alice = house.enter("alice")
    house.say(alice, b"one")
    house.register(BOB)
    house.invited[0][1](486)
    house.register(BOB)
    assert len(house.invited) == 1
    house.time += 601
    house.returns.look(house.time)
    house.register(BOB)
    assert len(house.invited) == 2


def test_nobody_is_called_for_what_is_gone_or_was_their_own(house: House) -> None:
    alice, bob = house.enter("alice"), house.enter("bob")
    house.say(bob, b"my last words")
    house.leave(bob, "connection lost")
    house.register(BOB)
    assert house.store.marks[ROOM, BOB] == 1
    house.say(alice, b"one")
    house.store.messages.clear()
    house.register(BOB)
    assert house.invited == []
    assert house.store.marks[ROOM, BOB] == 2
    house.change(edits.set_pager(ROOM, BOB, True))
    house.store.messages.clear()
    house.register(BOB)
    assert house.sent == []


def test_nobody_is_called_who_is_there_banned_or_no_member(house: House) -> None:
    alice, bob = house.enter("alice"), house.enter("bob")
    house.say(alice, b"one")
    house.register(BOB)
    house.leave(bob, "connection lost")
    house.change(edits.set_banned(ROOM, BOB, True))
    house.register(BOB)
    house.register(CAROL)
    house.change(edits.set_members(ROOM, [CAROL]))
    house.register(CAROL)
    assert house.invited == []
    house.say(alice, b"two")
    house.register(CAROL)
    assert [who for who, _ in house.invited] == [CAROL]
    assert house.enter("carol").texts == [b"two"]


def test_history_is_for_members_and_for_who_asks() -> None:
    house = House(access=Access.OPEN)
    alice = house.enter("alice")
    for text in (b"one", b"two", b"three"):
        house.say(alice, text)
    assert house.enter("carol").texts == []
    assert house.enter("carol", f"{ROOM};history=2").texts == [b"two", b"three"]
    assert house.enter("bob", f"{ROOM};history=0").texts == []
    assert house.enter("bob").texts == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [("", None), (";history=20", 20), (";x=1;History=0;y", 0), (";history=x", None),
     (";history=9999999", None), (";nohistory=3", None)],
)  # fmt: skip
def test_how_history_is_asked_for(parameters: str, wanted: int | None) -> None:
    assert wanted_history(message(b"", uri=ROOM + parameters)) == wanted


def test_a_member_without_a_session_speaks_by_message(house: House) -> None:
    alice = house.enter("alice")
    assert house.knock(BOB, b"by message") == 200
    assert alice.texts == [b"by message"]
    said = parse_cpim(alice.bodies[0])
    assert said.get(b"From") == b"<sip:bob@ims.test>"
    assert said.get(b"DateTime") is not None
    assert house.live.room.members[BOB].pager
    house.say(alice, b"hello bob")
    assert [(who, texts([body])) for who, body, _ in house.sent] == [(BOB, [b"hello bob"])]
    assert house.knock(BOB, cpim(b"wrapped", BOB), b"message/cpim") == 200
    assert alice.texts[1:] == [b"wrapped"]
    assert house.knock(BOB, b"<x/>", b"application/im-iscomposing+xml") == 200
    assert len(alice.texts) == 2


def test_a_text_names_its_author_as_the_room_knows_them() -> None:
    said = RoomMessage(ROOM, 1, "m", ALICE, "", WALL, cpim(b"psst", ANONYMOUS))
    assert plain(said) == b"anonymous: psst"
    assert plain(replace(said, nickname="Al")) == b"Al: psst"
    assert plain(replace(said, body=cpim(b"x", ALICE, kind=b"image/png"))) == b""
    assert plain(replace(said, body=b"nonsense")) == b""


def test_what_a_room_does_not_take_by_message(house: House) -> None:
    banned = edits.set_banned(ROOM, CAROL, True)
    assert house.knock("sip:eve@ims.test", b"x") == 403
    assert house.endpoint.answers[-1][1] == b"Not a member of this room"
    house.change(banned)
    assert house.knock(CAROL, b"x") == 403
    house.change(edits.set_muted(ROOM, BOB, True))
    assert house.knock(BOB, b"x") == 403
    assert house.endpoint.answers[-1][1] == b"Not one who may speak in this room"
    house.change(edits.set_muted(ROOM, BOB, False))
    assert house.knock(BOB, b"x" * 1001) == 413
    assert house.knock(BOB, b"x", sender=ANONYMOUS) == 403
    assert house.knock(BOB, cpim(b"x", ALICE), b"message/cpim") == 403
    assert house.knock(BOB, cpim(b"x", BOB, CAROL), b"message/cpim") == 403
    assert house.knock(BOB, b"nonsense", b"message/cpim") == 400
    house.change(edits.set_rules(ROOM, access=Access.PRIVATE))
    assert house.knock("sip:eve@ims.test", b"x") == 404
    house.store.full = True
    assert house.knock(BOB, b"x") == 503
    assert house.store.messages == []


def test_the_rules_of_a_domain_hold_in_rooms(house: House) -> None:
    house.forbidden = b"spam"
    alice, bob = house.enter("alice"), house.enter("bob")
    house.say(alice, b"buy my spam")
    assert alice.last == 403
    assert house.ledger[-1].steps[-1][3:] == (403, "content-rule:words")
    alice.send(cpim(b"much " * 100 + b"spam", ALICE), 200)
    assert alice.last == 403
    assert len(bob.aborted) == 1
    assert house.knock(BOB, b"spam too") == 403
    house.say(alice, b"ham")
    assert bob.texts == [b"ham"]
    assert alice.last == 200


def test_visits_and_messages_are_told_of(house: House) -> None:
    alice = house.enter("alice")
    house.say(alice, b"one")
    house.say(alice, b"two")
    house.passes(60)
    house.leave(alice)
    first, _second, visit = house.ledger
    assert (first.sender, first.recipient, first.call_id) == (ALICE, ROOM, b"call-0")
    assert [step[1] for step in first.steps] == ["received", "replied"]
    assert (visit.message_id, visit.call_id, visit.sender, visit.recipient) == (
        "v0", b"call-0", ALICE, ROOM,
    )  # fmt: skip
    assert visit.notice is not None
    assert (visit.notice.kind, visit.notice.messages) == ("visit", 2)
    assert visit.size == sum(len(one.body) for one in house.store.messages)
    assert visit.steps[1][0] - visit.steps[0][0] == 60
    assert [(one.act, one.actor, one.detail) for one in house.store.events] == [
        ("joined", ALICE, ""),
        ("left", ALICE, "hung up"),
    ]
    assert house.records.call_of(ROOM, ALICE) == b""
    house.store.full = True
    house.say(house.enter("alice"), b"three")
    assert house.ledger[-1].outcome == "rejected"
