# SPDX-License-Identifier: Apache-2.0
"""History for who comes in: members get what they missed, and anybody what they ask for.

A participant asks with the parameter ``history`` of the room's URI in the INVITE: for so many of
the newest messages, for none with 0. A member who does not ask gets what they missed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from session_msrp.rooms.dated import dated
from session_msrp.rooms.live import Visit
from session_msrp.rooms.ports import RoomStore
from session_msrp.rooms.switch import Switch
from session_msrp.rooms.values import RoomMessage
from sip.message import Request

from .attendance import Attendance

__all__ = ["Replays", "wanted_history"]

_WANTED: Final = re.compile(rb";history=(\d{1,6})(?=[;?]|$)", re.IGNORECASE)


class Replays:
    """Sends history to sessions that begin."""

    def __init__(self, store: RoomStore, switch: Switch, attendance: Attendance) -> None:
        self._store = store
        self._switch = switch
        self._attendance = attendance

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
            self._switch.replay(visit, [replace(one, body=dated(one)) for one in found])

        return send


def wanted_history(invite: Request) -> int | None:
    """Return how many messages an INVITE asks for, None when it does not say."""
    found = _WANTED.search(invite.uri)
    return None if found is None else int(found[1])
