# SPDX-License-Identifier: Apache-2.0
"""Room messages to members without sessions: one MESSAGE after the other, from the room.

Each goes through the pager like any message, with its own entry in the ledger; the content names
who said it and when (message/cpim). To a device that does not take that, texts go as they are, with
a name in front.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from session_msrp.rooms.dated import dated, plain
from session_msrp.rooms.live import LiveRoom
from session_msrp.rooms.ports import RoomStore
from session_msrp.rooms.values import Page, Room, RoomMessage

from .attendance import Attendance

__all__ = ["Feeds", "Send"]

_WAITING: Final = 1000  # messages of one feed in memory; the history has what is beyond
#: Answers of a device that knows no message/cpim.
_NO_WRAPPER: Final = frozenset((406, 415, 488))
#: Answers after which the message is tried again when the member returns; other failures end it.
_LATER: Final = frozenset((408, 430, 480))


class Send(Protocol):
    """Hands a message of the node's own to the pager (`imsnode.messaging.Messaging.submit`)."""

    def __call__(
        self,
        sender: str,
        recipient: str,
        content_type: bytes,
        body: bytes,
        answered: Callable[[int, str], None],
        headers: Sequence[tuple[bytes, bytes]] = (),
        identity: str = "",
    ) -> str: ...


class Feeds:
    """Sends room messages as MESSAGE."""

    def __init__(self, store: RoomStore, attendance: Attendance, send: Send) -> None:
        self.sent = 0
        self._store = store
        self._attendance = attendance
        self._send = send
        self._feeds: dict[tuple[str, str], _Feed] = {}
        self._audiences: dict[str, tuple[Room, tuple[str, ...]]] = {}

    def outside(self, room: LiveRoom, message: RoomMessage, now: float) -> None:
        """Send a message to the members who are reached so and are not in the room.

        Who lacks something of what was before it gets that first. The attendance hears of the
        message after this.
        """
        aor = room.room.aor
        for who in self._audience(room.room):
            if who in room.participants:
                continue
            feed = self._feeds.get((aor, who))
            if feed is None and self._attendance.owes(room.room, who):
                self.catch_up(room.room, who)
            elif who != message.sender:
                self._feed(room.room, who).add(message)
            elif feed is None:
                self._attendance.reached(aor, who, message.number)

    def catch_up(self, room: Room, aor: str) -> None:
        """Send a member what they missed."""
        member = room.members.get(aor)
        if member is None or (room.aor, aor) in self._feeds:
            return
        feed = self._feed(room, aor)
        feed.last = self._attendance.seen(room.aor, member)
        self.read(feed)

    def _audience(self, room: Room) -> tuple[str, ...]:
        known, audience = self._audiences.get(room.aor, (None, ()))
        if known is not room:
            everybody = room.members.values()
            audience = tuple(one.aor for one in everybody if one.pager and not one.banned)
            self._audiences[room.aor] = (room, audience)
        return audience

    def _feed(self, room: Room, aor: str) -> _Feed:
        return self._feeds.setdefault((room.aor, aor), _Feed(self, room.aor, aor))

    def forget(self, room: str) -> None:
        """Send nothing more of a room that is no more."""
        self._audiences.pop(room, None)
        for feed in [each for each in self._feeds.values() if each.room == room]:
            feed.waiting.clear()

    # -- for feeds ---------------------------------------------------------------------------------

    def read(self, feed: _Feed) -> None:
        """Have a feed go on with what the history has behind its last message."""
        feed.reading = True
        self._store.read(feed.room, feed.last, 0, feed.read)

    def submit(self, feed: _Feed, message: RoomMessage) -> None:
        """Hand one message to the pager; after a crash the same one is recognised."""
        self.sent += 1
        identity = f"{message.id} {feed.aor}"

        def answered(status: int, _reason: str) -> None:
            text = plain(message) if status in _NO_WRAPPER else b""
            if text:
                kind = b"text/plain;charset=UTF-8"
                self._send(feed.room, feed.aor, kind, text, again, (), f"{identity} plain")
            else:
                feed.answered(message, status)

        def again(status: int, _reason: str) -> None:
            feed.answered(message, status)

        content = b"message/cpim", dated(message)
        self._send(feed.room, feed.aor, *content, answered, (), identity)

    def newest(self, room: str) -> int:
        """Return the number of the newest message of a room."""
        return self._attendance.newest(room)

    def over(self, feed: _Feed, number: int) -> None:
        """Note how far a feed has come."""
        self._attendance.reached(feed.room, feed.aor, number)

    def end(self, feed: _Feed) -> None:
        """Keep a feed no more that has nothing to send."""
        self._feeds.pop((feed.room, feed.aor), None)


class _Feed:
    """What is on its way to one member, in order; the next leaves when the pager has the last.

    last: number of the last message that is done with. reading: what came before is being read, a
    page at a time, and goes first. overflown: behind what waits the history has more.
    """

    def __init__(self, feeds: Feeds, room: str, aor: str) -> None:
        self.room = room
        self.aor = aor
        self.last = 0
        self.reading = False
        self.overflown = False
        self.waiting: deque[RoomMessage] = deque()
        self._feeds = feeds
        self._sending = False

    def add(self, message: RoomMessage) -> None:
        """Send a message behind those that wait."""
        if self.overflown or len(self.waiting) >= _WAITING:
            self.overflown = bool(message.number)
            return
        self.waiting.append(message)
        self._go_on()

    def read(self, page: Page | None) -> None:
        """Take a page of what came before, None when it cannot be read.

        What is there twice is sent once: what has come meanwhile, by the page in which it stands.
        """
        self.reading = False
        if page is None:
            self.waiting.clear()
        elif page.messages:
            last = page.messages[-1].number
            others = [one for one in page.messages if one.sender != self.aor]
            if not others:
                self.last = last
            self.overflown = page.more
            behind = [
                one
                for one in self.waiting
                if not one.number or not (page.more or one.number <= last)
            ]
            self.waiting = deque([*others, *behind])
        if page is not None and not self.waiting and not self.overflown:
            self._feeds.over(self, self._feeds.newest(self.room))
        self._go_on()

    def answered(self, message: RoomMessage, status: int) -> None:
        """Go on when the pager has a message or nobody will take it; else wait for a return."""
        self._sending = False
        if message.number and (status in _LATER or 500 <= status < 600):
            self.waiting.clear()
            self.overflown = False
        elif message.number:
            self.last = message.number
            self._feeds.over(self, message.number)
        self._go_on()

    def _go_on(self) -> None:
        if self._sending or self.reading:
            return
        if not self.waiting and self.overflown:
            self.overflown = False
            self._feeds.read(self)
            return
        if not self.waiting:
            self._feeds.end(self)
            return
        self._sending = True
        self._feeds.submit(self, self.waiting.popleft())
