# SPDX-License-Identifier: Apache-2.0
"""History for who comes in: members get what they missed, and anybody what they ask for.

A participant asks with the parameter ``history`` of the room's URI in the INVITE: for so many of
the newest messages, for none with 0. A member who does not ask gets what they missed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from session_msrp.rooms.dated import dated
from session_msrp.rooms.live import Visit
from session_msrp.rooms.ports import RoomStore
from session_msrp.rooms.switch import Switch
from session_msrp.rooms.values import RoomMessage
from sip.message import Request
from sip.timers import TimerQueue

from ..registration import Clock
from .attendance import Attendance

__all__ = ["Replays", "wanted_history"]

#: Octets that are sent at once, and how long to wait before more; a connection takes no more output
#: than it has room for.
_PAGE_BYTES: Final = 64 * 1024
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
        self._store.read(room.aor, after, limit, self._sending(visit, own))

    def _sending(self, visit: Visit, own: str) -> Callable[[Sequence[RoomMessage] | None], None]:
        def send(messages: Sequence[RoomMessage] | None) -> None:
            found = [one for one in messages or () if one.sender != own]
            _Replay(self, visit, found).go_on(self._clock.now())

        return send


class _Replay:
    """History on its way to one session, as fast as that is read; what is said meanwhile waits."""

    def __init__(self, replays: Replays, visit: Visit, messages: Iterable[RoomMessage]) -> None:
        self._replays = replays
        self._visit = visit
        self._messages = deque(messages)

    def go_on(self, now: float) -> None:
        """Send a page, the rest later."""
        visit, messages = self._visit, self._messages
        if visit.free():
            page, size = [], 0
            while messages and size < _PAGE_BYTES:
                message = messages.popleft()
                size += len(message.body)
                page.append(replace(message, body=dated(message)))
            if messages:
                visit.wait()
            self._replays.switch.replay(visit, page)
            if not messages:
                return
        if not visit.left:
            self._replays.timers.schedule(now + _PAUSE_S, self, 0)

    def on_timer(self, kind: int, now: float) -> None:
        """Go on, unless nobody is there any more."""
        if not self._visit.left:
            self.go_on(now)


def wanted_history(invite: Request) -> int | None:
    """Return how many messages an INVITE asks for, None when it does not say."""
    found = _WANTED.search(invite.uri)
    return None if found is None else int(found[1])
