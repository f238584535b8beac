# SPDX-License-Identifier: Apache-2.0
"""Who has got which messages of rooms, so that members who were away get what they missed.

Who hangs up has all that was sent before. Who is cut off may have lost what their TCP had not
confirmed: those get it again (with the same content, so that a client which looks at ids shows it
once).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from session_msrp.rooms.live import LiveRoom, Participant, Visit
from session_msrp.rooms.ports import RoomStore
from session_msrp.rooms.values import Member, Room, RoomMessage
from sip.timers import TimerQueue

__all__ = ["Attendance"]

_TICK: Final = 1
_TICK_S: Final = 1.0  # between two looks at what has arrived
HUNG_UP: Final = "hung up"


class Attendance:
    """Keeps, by room and member, the number of the newest message that has reached them.

    Args: is_through: says whether all that was sent to a session has arrived at its device.
    """

    def __init__(
        self, store: RoomStore, timers: TimerQueue, is_through: Callable[[Visit], bool]
    ) -> None:
        self._store = store
        self._timers = timers
        self._is_through = is_through
        self._newest: dict[str, int] = {}
        self._settled: dict[str, int] = {}
        self._active: dict[str, LiveRoom] = {}
        self._seen: dict[tuple[str, str], int] = {}
        self._rooms: set[str] = set()
        self._rooms_of: dict[str, set[str]] = {}
        self._since: dict[Visit, float] = {}
        self._ticking = False

    # -- rooms -------------------------------------------------------------------------------------

    def start(self, rooms: Iterable[Room], newest: Mapping[str, int]) -> None:
        """Begin with the rooms there are, and the numbers of their newest messages."""
        self._newest.update(newest)
        self._settled.update(newest)
        for room in rooms:
            self.changed(None, room)

    def changed(self, before: Room | None, after: Room | None) -> None:
        """Take note of another room, or of other members."""
        had = {} if before is None else before.members
        have = {} if after is None else after.members
        for who in had.keys() - have.keys():
            assert before is not None
            self._seen.pop((before.aor, who), None)
            rooms = self._rooms_of.get(who, set())
            rooms.discard(before.aor)
            if not rooms:
                self._rooms_of.pop(who, None)
        if after is None:
            if before is not None:
                for kept in (self._newest, self._settled, self._active):
                    kept.pop(before.aor, None)
                self._rooms.discard(before.aor)
            return
        self._rooms.add(after.aor)
        newest = self.newest(after.aor)
        for who in have.keys() - had.keys():
            self._rooms_of.setdefault(who, set()).add(after.aor)
            if before is not None and newest:  # new members owe nothing of what was before them
                self._seen[after.aor, who] = newest

    def rooms_of(self, aor: str) -> Iterable[str]:
        """Return the rooms in which somebody is a member."""
        return self._rooms_of.get(aor, ())

    # -- messages ----------------------------------------------------------------------------------

    def newest(self, room: str) -> int:
        """Return the number of the newest message of a room, 0 for none."""
        return self._newest.get(room, 0)

    def seen(self, room: str, member: Member) -> int:
        """Return the number of the newest message that has reached a member."""
        return max(member.seen, self._seen.get((room, member.aor), 0))

    def owes(self, room: Room, aor: str) -> bool:
        """Say whether a member has missed something that is still known."""
        member = room.members.get(aor)
        if member is None or member.banned or not room.history:
            return False
        return self.seen(room.aor, member) < self.newest(room.aor)

    def outside(self, room: LiveRoom, message: RoomMessage, now: float) -> None:
        """Take note that everybody in a room has been sent a message."""
        if message.number and message.room in self._rooms:
            self._newest[message.room] = message.number
            self._watch(room, now)

    def joined(self, visit: Visit, now: float) -> None:
        """Take note that a session of somebody began."""
        if visit.room.member(visit.aor) is not None and self.newest(visit.room.room.aor):
            self._since[visit] = now
            self._watch(visit.room, now)

    def left(self, visit: Visit, why: str, now: float) -> None:
        """Take note that a session of somebody ended."""
        room = visit.room.room.aor
        self._since.pop(visit, None)
        if visit.aor in visit.room.participants or visit.room.member(visit.aor) is None:
            return
        if visit.behind:
            return  # what waited for it, on hold or behind the history, was never sent
        if why == HUNG_UP:
            self.reached(room, visit.aor, self.newest(room))

    def reached(self, room: str, aor: str, number: int) -> None:
        """Note that a member has got all messages up to a number."""
        if room in self._rooms and number > self._seen.get((room, aor), 0):
            self._seen[room, aor] = number
            self._store.seen({(room, aor): number})

    def on_timer(self, kind: int, now: float) -> None:
        """Note what has reached those who are still there, a while after it was sent."""
        marks: dict[tuple[str, str], int] = {}
        for aor, room in list(self._active.items()):
            settled, newest = self._settled.get(aor, 0), self._newest[aor]
            everybody = True
            for who in room.participants.keys() & room.room.members.keys():
                if settled <= self._seen.get((aor, who), 0):
                    continue
                if self._has_heard(room.participants[who], now):
                    marks[aor, who] = settled
                else:
                    everybody = False
            if settled == newest and everybody:
                del self._active[aor]
            self._settled[aor] = newest
        self._seen.update(marks)
        if marks:
            self._store.seen(marks)
        self._ticking = bool(self._active)
        if self._ticking:
            self._timers.schedule(now + _TICK_S, self, _TICK)

    def _watch(self, room: LiveRoom, now: float) -> None:
        self._active[room.room.aor] = room
        if not self._ticking:
            self._ticking = True
            self._timers.schedule(now + _TICK_S, self, _TICK)

    def _has_heard(self, participant: Participant, now: float) -> bool:
        """Say whether what was sent to a participant a while ago has arrived."""
        return any(
            visit.waiting is None
            and now - self._since.get(visit, 0.0) >= _TICK_S
            and self._is_through(visit)
            for visit in participant.visits
        )
