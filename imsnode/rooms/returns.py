# SPDX-License-Identifier: Apache-2.0
"""Members who return: the room calls them, and they get what they missed (RCS, RM-08).

A device that takes sessions gets it in one, with the address of the room; one that does not gets it
as MESSAGEs, and from then on all that is said. Who hung up on the room is called when they have
been away, not whenever they refresh their registration, and who did not come not for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from imsnode.msrp.capability import capability_of
from session_msrp.rooms import edits
from session_msrp.rooms.live import LiveRoom, Visit
from session_msrp.rooms.ports import Changed, Edit, RoomStore
from session_msrp.rooms.values import Page, Room
from sip.forward import Target

from .attendance import HUNG_UP, Attendance
from .feeds import Feeds

__all__ = ["Change", "Invite", "Returns"]

#: Answers of a device that takes no session, now or ever.
_UNABLE: Final = frozenset((405, 406, 415, 420, 488, 501, 606))

_AGAIN_S: Final = 600.0  # after a call that nobody took
_AT_ONCE: Final = 20  # rooms that begin with one user

#: change(room, edit, done, actor): changes a room, in the store and in force.
Change = Callable[[str, Edit, Callable[[Changed], None], str], None]
#: invite(room, aor, done): calls somebody into a room; done gets the final status, once.
Invite = Callable[[str, str, Callable[[int], None]], None]


class Returns:
    """Brings members back.

    rooms: by AoR. targets(aor, now): the devices of somebody.
    """

    def __init__(
        self,
        rooms: Mapping[str, LiveRoom],
        store: RoomStore,
        change: Change,
        attendance: Attendance,
        feeds: Feeds,
        invite: Invite,
        targets: Callable[[str, float], Sequence[Target]],
    ) -> None:
        self.called = 0
        self._rooms = rooms
        self._store = store
        self._change = change
        self._attendance = attendance
        self._feeds = feeds
        self._invite = invite
        self._targets = targets
        self._calling: set[tuple[str, str]] = set()
        self._hung_up: set[tuple[str, str]] = set()
        self._not_before: dict[tuple[str, str], float] = {}

    def registered(self, aor: str, now: float) -> None:
        """See to somebody who has just registered, in every room that has something for them.

        So many rooms at most begin at once; the others do when the registration is refreshed.
        """
        begun = 0
        for name in list(self._attendance.rooms_of(aor)):
            room = self._rooms.get(name)
            if (
                room is None
                or aor in room.participants
                or not self._attendance.owes(room.room, aor)
            ):
                continue
            if begun >= _AT_ONCE:
                return
            if room.room.members[aor].pager:
                self._feeds.catch_up(room.room, aor)
                begun += 1
            elif self._may_be_called(name, aor, now):
                self._bring_back(room.room, aor, now)
                begun += 1

    def _may_be_called(self, room: str, aor: str, now: float) -> bool:
        key = room, aor
        busy = key in self._calling or key in self._hung_up
        return not busy and now >= self._not_before.get(key, 0.0)

    def joined(self, visit: Visit) -> None:
        """Take note that somebody is in a room by a session; it is how they are reached now."""
        aor = visit.room.room.aor
        self._hung_up.discard((aor, visit.aor))
        member = visit.room.member(visit.aor)
        if member is not None and member.pager:
            self._change(aor, edits.set_pager(aor, visit.aor, False), _ignore, visit.aor)

    def left(self, visit: Visit, why: str) -> None:
        """Remember who hung up."""
        if why == HUNG_UP and visit.room.member(visit.aor) is not None:
            self._hung_up.add((visit.room.room.aor, visit.aor))

    def look(self, now: float) -> None:
        """Forget of who has gone away that they hung up: they are called when they return."""
        gone = [each for each in self._hung_up if not self._targets(each[1], now)]
        self._hung_up.difference_update(gone)
        for key in [key for key, until in self._not_before.items() if now >= until]:
            del self._not_before[key]

    def forget(self, room: str) -> None:
        """Keep nothing of a room that is no more."""
        self._hung_up = {each for each in self._hung_up if each[0] != room}
        for key in [key for key in self._not_before if key[0] == room]:
            del self._not_before[key]

    def by_message(self, room: Room, aor: str) -> None:
        """Reach a member by MESSAGE from now on."""
        self._change(room.aor, edits.set_pager(room.aor, aor, True), _ignore, aor)

    def _bring_back(self, room: Room, aor: str, now: float) -> None:
        targets = self._targets(aor, now)
        if targets and all(capability_of(target).sessions is False for target in targets):
            self.by_message(room, aor)
            self._feeds.catch_up(room, aor)
            return
        self._calling.add((room.aor, aor))

        def missed(page: Page | None) -> None:
            if page is not None and any(one.sender != aor for one in page.messages):
                self.called += 1
                self._invite(room.aor, aor, done)
                return
            if page is not None and page.more:
                self._store.read(room.aor, page.messages[-1].number, 0, missed)
                return
            self._calling.discard((room.aor, aor))
            if page is not None:  # of what was missed nothing is kept any more
                self._attendance.reached(room.aor, aor, self._attendance.newest(room.aor))

        def done(status: int) -> None:
            self._calling.discard((room.aor, aor))
            if status >= 300 and room.aor in self._rooms:
                self._not_before[room.aor, aor] = now + _AGAIN_S
            there = self._rooms.get(room.aor)
            if status in _UNABLE and there is not None and aor in there.room.members:
                self.by_message(there.room, aor)
                self._feeds.catch_up(there.room, aor)

        after = self._attendance.seen(room.aor, room.members[aor])
        self._store.read(room.aor, after, 0, missed)


def _ignore(_changed: Changed) -> None:
    """A room that is no more, or a member who is none any more, needs no note."""
