# SPDX-License-Identifier: Apache-2.0
"""History for who comes in: members get what they missed, and anybody what they ask for.

A participant asks with the parameter ``history`` of the room's URI in the INVITE: for so many of
the newest messages, for none with 0. A member who does not ask gets what they missed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from session_msrp.rooms.dated import dated
from session_msrp.rooms.live import Visit
from session_msrp.rooms.ports import RoomStore
from session_msrp.rooms.switch import Switch
from session_msrp.rooms.values import Page, RoomMessage
from sip.message import Request
from sip.timers import TimerQueue

from ..registration import Clock
from .attendance import Attendance

__all__ = ["Replays", "wanted_history"]

#: Octets that are sent at once, and how long to wait before more; a connection takes no more output
#: than it has room for.
_TURN_BYTES: Final = 64 * 1024
_PAUSE_S: Final = 0.1
_WANTED: Final = re.compile(rb";history=(\d{1,6})(?=[;?]|$)", re.IGNORECASE)


class Replays:
    """Sends history to sessions that begin."""

    def __init__(
        self,
        store: RoomStore,
        switch: Switch,
        attendance: Attendance,
        timers: TimerQueue,
        clock: Clock,
    ) -> None:
        self.switch = switch
        self.timers = timers
        self._store = store
        self._attendance = attendance
        self._clock = clock

    def joined(self, visit: Visit, invite: Request | None) -> None:
        """Have a session wait for what it is to get first. invite: None when the room called."""
        room, member = visit.room.room, visit.room.member(visit.aor)
        wanted = None if invite is None else wanted_history(invite)
        limit = room.history if wanted is None else min(wanted, room.history)
        if not limit or (wanted is None and member is None):
            return
        after = 0
        if wanted is None and member is not None:
            after = self._attendance.seen(room.aor, member)
        own = visit.aor if wanted is None else ""  # nobody misses what they said themselves
        visit.wait()
        _Replay(self, visit, own).begin(after, limit)

    def read(
        self,
        room: str,
        after: int,
        newest: int,
        done: Callable[[Page | None, float], None],
    ) -> None:
        """Read a page of a room's history."""
        self._store.read(room, after, newest, lambda messages: done(messages, self._clock.now()))


class _Replay:
    """History on its way to one session, as fast as that is read; what is said meanwhile waits.

    Of all that is to be sent a page of the store is in memory. Args: own: whose messages are left
    out, "" for nobody's.
    """

    def __init__(self, replays: Replays, visit: Visit, own: str) -> None:
        self._replays = replays
        self._visit = visit
        self._own = own
        self._messages: deque[RoomMessage] = deque()
        self._last = 0
        self._more = False
        self._size = 0  # octets that were sent in this turn

    def begin(self, after: int, newest: int) -> None:
        """Have the first page read, or the next one; the session waits."""
        self._replays.read(self._visit.room.room.aor, after, newest, self._take)

    def _take(self, page: Page | None, now: float) -> None:
        if page is None or not page.messages or self._visit.left:
            self._replays.switch.replay(self._visit, ())
            return
        self._last, self._more = page.messages[-1].number, page.more
        self._messages.extend(one for one in page.messages if one.sender != self._own)
        self._go_on(now)

    def _go_on(self, now: float) -> None:
        """Send some, the rest later."""
        visit, messages = self._visit, self._messages
        if visit.free():
            sent = []
            while messages and self._size < _TURN_BYTES:
                message = messages.popleft()
                self._size += len(message.body)
                sent.append(replace(message, body=dated(message)))
            rest = self._more or bool(messages)
            if rest:
                visit.wait()
            self._replays.switch.replay(visit, sent)
            if not rest:
                return
            if self._size < _TURN_BYTES and not visit.left:
                self.begin(self._last, 0)
                return
        if not visit.left:
            self._replays.timers.schedule(now + _PAUSE_S, self, 0)

    def on_timer(self, kind: int, now: float) -> None:
        """Go on, unless nobody is there any more."""
        if not self._visit.left:
            self._size = 0
            self._go_on(now)


def wanted_history(invite: Request) -> int | None:
    """Return how many messages an INVITE asks for, None when it does not say."""
    found = _WANTED.search(invite.uri)
    return None if found is None else int(found[1])
