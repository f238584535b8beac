# SPDX-License-Identifier: Apache-2.0
"""Which rooms there are: what was provisioned or made comes into force, what had its time ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from session_msrp.rooms import edits
from session_msrp.rooms.live import LiveRoom
from session_msrp.rooms.ports import Changed, Edit, RoomStore
from session_msrp.rooms.values import Room

from ..registration import Clock
from ..services import Service, Services
from .focus import Focus

__all__ = ["Keeping"]


class Keeping:
    """The rooms of a node, by AoR. Changes are committed first, then ``apply`` puts them in force.

    service: who answers for rooms. observers: called with the room before and after each change.
    rules_changed, removed (aor, now): told what followers of a roster need to know.
    """

    def __init__(self, focus: Focus, store: RoomStore, services: Services, clock: Clock) -> None:
        self.rooms: dict[str, LiveRoom] = {}
        self.service: Service | None = None
        self.observers: list[Callable[[Room | None, Room | None], None]] = []
        self.rules_changed: Callable[[str, float], None] = _nobody
        self.removed: Callable[[str, float], None] = _nobody
        self._focus = focus
        self._store = store
        self._services = services
        self._clock = clock
        self._empty_since: dict[str, float] = {}

    def owned(self, aor: str) -> int:
        """Return how many rooms made on demand are somebody's."""
        return sum(
            1
            for live in self.rooms.values()
            if live.room.idle_s and (member := live.room.members.get(aor)) is not None
            and member.role == "owner"
        )  # fmt: skip

    def start(self, rooms: Iterable[Room], now: float) -> None:
        """Take up the rooms of the store."""
        for room in rooms:
            self.apply(None, room, now)

    def change(self, aor: str, edit: Edit, done: Callable[[Changed], None], actor: str) -> None:
        """Change a room in the store, and put in force what came of it."""

        def changed(what: Changed) -> None:
            if not what.refused:
                self.apply(what.before, what.room, self._clock.now())
            done(what)

        self._store.change(aor, edit, changed, actor)

    def apply(self, old: Room | None, new: Room | None, now: float) -> LiveRoom | None:
        """Put a room in force as it is kept now; None: it has been removed."""
        if new is None:
            if old is not None:
                self._end(old.aor, now)
            return None
        live = self.rooms.get(new.aor)
        if live is None:
            live = self.rooms[new.aor] = LiveRoom(new)
            self._empty_since[new.aor] = now
            if self.service is not None:
                self._services.add(self.service, new.aor)
            self._tell(None, new)
            return live
        before, live.room = live.room, new
        self._tell(before, new)
        for participant in list(live.participants.values()):
            aor = participant.aor
            if new.role_of(aor) is None:
                self._focus.remove(live, aor, "not allowed any more")
            elif (before.role_of(aor), before.may_speak(aor)) != (
                new.role_of(aor), new.may_speak(aor),
            ):  # fmt: skip
                live.changes.touch(participant.uri)
        if (before.subject, before.display_name) != (new.subject, new.display_name):
            live.changes.describe()
        self._focus.changed(live, now)
        self.rules_changed(new.aor, now)
        return live

    def _end(self, aor: str, now: float) -> None:
        live = self.rooms.pop(aor, None)
        if live is None:
            return
        self._empty_since.pop(aor, None)
        if self.service is not None:
            self._services.remove(self.service, aor)
        self._focus.close(live, "the room has ended")
        self.removed(aor, now)
        self._tell(live.room, None)

    def _tell(self, before: Room | None, after: Room | None) -> None:
        for observer in self.observers:
            observer(before, after)

    def sweep(self, now: float) -> None:
        """Give up incomplete messages; end rooms that have had their time."""
        wall = self._clock.wall()
        for aor, live in list(self.rooms.items()):
            self._focus.switch.expire(live, now)
            if len(live):
                self._empty_since.pop(aor, None)
                empty_s = 0.0
            else:
                empty_s = now - self._empty_since.setdefault(aor, now)
            room = live.room
            forgotten = room.idle_s > 0 and not len(live) and empty_s >= room.idle_s
            if forgotten or 0 < room.expires_at <= wall:
                self.change(aor, edits.remove(aor), _done, "")


def _nobody(_aor: str, _now: float) -> None:
    """Nobody follows it."""


def _done(_changed: Changed) -> None:
    """What was refused has been removed by somebody else."""
