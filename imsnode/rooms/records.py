# SPDX-License-Identifier: Apache-2.0
"""What is written down of visits to rooms: each has an entry in the ledger, so a CDR."""

from __future__ import annotations

from collections.abc import Callable

from imsnode.msrp.talk import Talk
from pager import rules
from pager.ports import Ledger
from pager.values import LedgerEntry, Notice
from session_msrp.rooms.audit import RoomEvent
from session_msrp.rooms.live import Visit
from session_msrp.rooms.ports import RoomStore

__all__ = ["Records"]


class Records:
    """Follows who comes and goes. wall: epoch seconds."""

    def __init__(self, store: RoomStore, ledger: Ledger, wall: Callable[[], float]) -> None:
        self._store = store
        self._ledger = ledger
        self._wall = wall
        self._calls: dict[tuple[str, str], list[bytes]] = {}

    def call_of(self, room: str, aor: str) -> bytes:
        """Return the Call-ID of the newest session of somebody in a room, b"" for none."""
        calls = self._calls.get((room, aor))
        return calls[-1] if calls else b""

    def joined(self, visit: Visit, talk: Talk, now: float) -> None:
        """Note that a session began."""
        room = visit.room.room.aor
        self._calls.setdefault((room, visit.aor), []).append(talk.call_id)
        how = "invited" if visit.invited else ""
        self._store.note(RoomEvent(room, self._wall(), "joined", visit.aor, visit.aor, how))

    def left(self, visit: Visit, talk: Talk, why: str, now: float) -> None:
        """Note what a session was."""
        room, wall = visit.room.room.aor, self._wall()
        calls = self._calls.get((room, visit.aor), [])
        if talk.call_id in calls:
            calls.remove(talk.call_id)
        if not calls:
            self._calls.pop((room, visit.aor), None)
        self._store.note(RoomEvent(room, wall, "left", visit.aor, visit.aor, why))
        steps = [
            (visit.began, rules.ENTERED, "", 200,
             rules.INVITED if visit.invited else rules.BY_CALL),
            (wall, rules.LEFT, why, 0, ""),
        ]  # fmt: skip
        self._ledger.note(
            LedgerEntry(
                talk.id, talk.call_id, visit.began, visit.aor, room, visit.octets, steps,
                rules.ENDED, notice=Notice(rules.VISIT, b"", messages=visit.messages),
            )
        )  # fmt: skip
