"""A room with its members and everything that goes on around it: history, returns, MESSAGEs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from imsnode.rooms.attendance import Attendance
from imsnode.rooms.door import Door
from imsnode.rooms.feeds import Feeds
from imsnode.rooms.keeper import RoomKeeper
from imsnode.rooms.records import Records
from imsnode.rooms.replays import Replays
from imsnode.rooms.returns import Returns
from pager.identity import MessageIds
from pager.values import LedgerEntry
from session_msrp.rooms.audit import RoomEvent
from session_msrp.rooms.ports import Changed, Edit
from session_msrp.rooms.values import Member, Page, Role, Room, RoomMessage
from sip.bodies.cpim import parse_cpim
from sip.flow import Flow
from sip.forward import Target
from sip.limits import Limits
from sip.message import Request, build_request
from sip.parser import parse_message
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
        newest: int,
        done: Callable[[Page | None], None],
    ) -> None:
        """Give pages of three."""
        found = [one for one in self.messages if one.number > after][-newest:]
        done(Page(found[:3], len(found) > 3))

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
        keeper = RoomKeeper(self.store, self, ids, self, self.records.call_of, self.judge,
                            lambda method, who, now: 0.0)  # fmt: skip
        self.world.switch._keeper = keeper
        self.stuck: set[str] = set()  # whose TCP confirms nothing
        self.attendance = Attendance(
            self.store, self.timers, lambda visit: visit.aor not in self.stuck
        )
        self.sent: list[tuple[str, bytes, Callable[[int, str], None]]] = []
        self.feeds = Feeds(self.store, self.attendance, self.send)
        keeper.onlookers += [self.feeds, self.attendance]
        self.invited: list[tuple[str, Callable[[int], None]]] = []
        self.here: set[str] = set()
        rooms = {ROOM: self.live}
        self.returns = Returns(
            rooms, self.store, self.store.change, self.attendance, self.feeds, self.invite,
            self.targets,
        )  # fmt: skip
        self.replays = Replays(self.store, self.world.switch, self.attendance, self.timers, self)
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
