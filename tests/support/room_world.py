"""A room with people in it, on wires that a test can cut, and a history that commits when told."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

from session_msrp.chunk import ABORTED, CONTINUED, ENDED, Chunk
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.printing import print_request
from session_msrp.reassembly import Message, Reassembly
from session_msrp.rooms.live import LiveRoom, Participant, Visit, Wire
from session_msrp.rooms.repeats import Kept
from session_msrp.rooms.switch import Switch
from session_msrp.rooms.values import Access, Room, RoomMessage

ROOM = "sip:tea@ims.test"
_ids = itertools.count(1)  # of messages: no two worlds on one store have the same
LIMITS = Limits(message_bytes=20_000, partial_s=540.0)


def aor(name: str) -> str:
    return f"sip:{name}@ims.test"


def cpim(
    text: bytes, sender: str, to: str = ROOM, kind: bytes = b"text/plain", more: bytes = b""
) -> bytes:
    """Return a message as a client wraps it."""
    head = b"To: <%b>\r\nFrom: <%b>\r\n%b\r\nContent-Type: %b\r\n\r\n"
    return head % (to.encode(), sender.encode(), more, kind) + text


class Device:
    """A client in the room: it cuts what it sends into chunks, and puts together what it gets."""

    def __init__(self, world: RoomWorld, name: str, number: int, **wire: object) -> None:
        self.world = world
        self.name = name
        self.own = b"msrp://client:1/%b%d;tcp" % (name.encode(), number)
        self.switch = b"msrp://node:2855/%b%d;tcp" % (name.encode(), number)
        self.framer = Framer(Limits())
        self.reassembly = Reassembly(replace(LIMITS, partials=100, message_bytes=1 << 20))
        self.got: list[Message] = []
        self.begun: list[bytes] = []
        self.aborted: list[bytes] = []
        self.answers: list[tuple[bytes, int]] = []
        self.reports: list[tuple[bytes, int]] = []
        self.cut = False
        self.visit: Visit = world.room.enter(
            Participant(aor(name), aor(name), frozenset((aor(name),))),
            Wire(self.switch, self.own, self.hear, **wire),  # type: ignore[arg-type]
            LIMITS,
        )

    @property
    def bodies(self) -> list[bytes]:
        return [message.body for message in self.got]

    @property
    def texts(self) -> list[bytes]:
        return [body.rpartition(b"\r\n\r\n")[2] for body in self.bodies]

    @property
    def last(self) -> int:
        """The status of the last answer."""
        return self.answers[-1][1]

    def hear(self, octets: bytes) -> None:
        """Take octets from the switch."""
        if self.cut:
            return
        self.framer.feed(octets)
        while (chunk := self.framer.next()) is not None:
            assert chunk.to_path == self.own
            assert chunk.from_path == self.switch
            if chunk.status:
                self.answers.append((chunk.tid, chunk.status))
            elif chunk.method == b"REPORT":
                self.reports.append((chunk.message_id, chunk.report_status))
            else:
                self._take(chunk)

    def _take(self, chunk: Chunk) -> None:
        chunk.check()
        assert chunk.failure_report == b"no"
        if chunk.message_id not in self.begun:
            self.begun.append(chunk.message_id)
        if chunk.flag == ABORTED:
            self.aborted.append(chunk.message_id)
        message = self.reassembly.add(chunk, self.world.now)
        if message is not None:
            self.got.append(message)

    # -- out

    def send(self, body: bytes | None, size: int = 0, **wanted: bytes) -> list[bytes]:
        """Send a message, in chunks of so many octets; returns its chunks."""
        chunks = self.chunks(body, size, **wanted)
        for chunk in chunks:
            self.say(chunk)
        return chunks

    def chunks(self, body: bytes | None, size: int = 0, **wanted: bytes) -> list[bytes]:
        message_id = b"m%d" % next(self.world.numbers)
        kind = wanted.pop("kind", b"message/cpim")
        more = [b"%b: %b" % (k.replace("_", "-").encode(), v) for k, v in wanted.items()]
        if body is None:
            return [self.request(b"SEND", (b"Message-ID: " + message_id,), None)]
        size = size or len(body)
        return [
            self.request(
                b"SEND",
                (
                    b"Message-ID: " + message_id,
                    b"Byte-Range: %d-*/%d" % (at + 1, len(body)),
                    *more,
                    b"Content-Type: " + kind,
                ),
                body[at : at + size],
                ENDED if at + size >= len(body) else CONTINUED,
            )
            for at in range(0, len(body), size)
        ]

    def request(
        self, method: bytes, lines: tuple[bytes, ...], body: bytes | None, flag: bytes = ENDED
    ) -> bytes:
        tid = b"t%07d" % next(self.world.numbers)
        return print_request(tid, method, self.switch, self.own, lines, body, flag)

    def say(self, octets: bytes, piece: int = 0) -> None:
        """Put octets on the wire; the node's framer hands on pieces where a chunk is large."""
        framer = Framer(replace(Limits(), chunk_bytes=piece) if piece else Limits())
        step = piece or len(octets)
        for at in range(0, len(octets), step):
            framer.feed(octets[at : at + step])
            while (chunk := framer.next()) is not None:
                self.world.switch.receive(self.visit, chunk, self.world.now)

    def nickname(self, value: bytes) -> int:
        self.say(self.request(b"NICKNAME", (b"Use-Nickname: " + value,), None))
        return self.last

    def leave(self) -> None:
        """Go, whatever is under way."""
        self.world.room.leave(self.visit)
        self.world.switch.gone(self.visit)


class RoomWorld:
    """Args: history: of the room; held: commits wait for ``commit``."""

    def __init__(self, history: int = 0, *, held: bool = False, **rules: object) -> None:
        self.numbers = itertools.count(1)
        self._tids = itertools.count(1)
        self.now = 0.0
        self.room = LiveRoom(Room(ROOM, access=Access.OPEN, history=history, **rules))  # type: ignore[arg-type]
        self.dropped: list[Visit] = []
        self.unread: set[Visit] = set()
        self.pace: dict[str, int] = {}  # so many more of a method
        self.switch = Switch(LIMITS, self, self._tid, lambda uri: uri.aor, self._drop, self._hold)
        self.kept: list[RoomMessage] = []
        self.passed: list[RoomMessage] = []
        self.nicknames: list[tuple[str, str]] = []
        self.held = held
        self.broken = False
        self.waiting: list[tuple[RoomMessage, Kept]] = []
        self.news: list[Callable[[], None]] = []

    def _tid(self) -> bytes:
        return b"x%07d" % next(self._tids)

    def _drop(self, visit: Visit, reason: str) -> None:
        self.dropped.append(visit)
        self.room.leave(visit)
        self.switch.gone(visit)

    def _hold(self, visit: Visit, held: bool) -> None:
        self.unread.add(visit) if held else self.unread.discard(visit)

    def enter(self, name: str, **wire: object) -> Device:
        return Device(self, name, next(self.numbers), **wire)

    # -- Keeper

    def admits(self, sender: str, method: str) -> bool:
        left = self.pace.get(method, 1)
        if method in self.pace:
            self.pace[method] = max(0, left - 1)
        return left > 0

    def keep(self, room: LiveRoom, sender: str, nickname: str, body: bytes, done: Kept) -> str:
        message = RoomMessage(room.room.aor, 0, f"id{next(_ids)}", sender, nickname, 0.0, body)
        if not room.room.history:
            done(message, self.now)
        elif self.held:
            self.waiting.append((message, done))
        else:
            self._commit(message, done)
            self.hear()
        return message.id

    def commit(self, count: int = 1, *, heard: bool = True) -> None:
        """Let the store commit; it is heard of now, or by ``hear``."""
        for _ in range(count):
            self._commit(*self.waiting.pop(0))
        if heard:
            self.hear()

    def _commit(self, message: RoomMessage, done: Kept) -> None:
        if self.broken:
            self.news.append(lambda: done(None, self.now))
            return
        kept = replace(message, number=len(self.kept) + 1)
        self.kept.append(kept)
        self.news.append(lambda: done(kept, self.now))

    def hear(self) -> None:
        """Hear of what was committed."""
        while self.news:
            self.news.pop(0)()

    def passed_on(self, room: LiveRoom, message: RoomMessage, now: float) -> None:
        self.passed.append(message)

    def named(self, room: LiveRoom, visit: Visit, now: float) -> None:
        self.nicknames.append((visit.aor, visit.nickname))
