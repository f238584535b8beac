# SPDX-License-Identifier: Apache-2.0
"""Rooms in the database: for a running node by the writer, for commands at once.

Whoever changes a room hands over an edit, which is applied to the room as it is at that moment. A
name is a user's, a group's or a room's, never two of these, and a local member has to exist.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from session_msrp.rooms.audit import RoomEvent, differences
from session_msrp.rooms.edits import RoomRefused
from session_msrp.rooms.ports import Changed, Edit
from session_msrp.rooms.values import Page, Room, RoomMessage

from .database import Database
from .lanes import Submit
from .room_history import HistoryLane, SeenLane
from .room_rows import (
    delete_room,
    holder_of,
    insert_events,
    read_events,
    read_history,
    read_newest,
    read_next,
    read_page,
    read_room,
    read_rooms,
    users_among,
    write_room,
)

__all__ = ["RoomTable", "Rooms"]

FAILED = "the store cannot be written now"


@dataclass(frozen=True, slots=True)
class Names:
    """Which addresses can be used.

    domains: those served here: a member in one of them has to exist. reserved: AoRs of the node's
    own services, which no room can have.
    """

    domains: frozenset[str]
    reserved: frozenset[str]

    def check(self, connection: Connection, before: Room | None, after: Room) -> None:
        """Raise RoomRefused for a name that is taken, and for new members who do not exist."""
        if before is None:
            taken = "a service of the node" if after.aor in self.reserved else ""
            taken = taken or holder_of(connection, after.aor)
            if taken:
                raise RoomRefused(f"{after.aor} is {taken}: a room needs another name")
        had = {} if before is None else before.members
        fresh = [who for who in after.members if who not in had]
        local = [who for who in fresh if who.rpartition("@")[2] in self.domains]
        missing = sorted(set(local) - users_among(connection, local))
        if missing:
            raise RoomRefused(f"{missing[0]} is not a user")


class RoomTable:
    """The rooms of one store; every method blocks.

    Raises: StorageUnavailable, StoreDamaged.

    Args: domains, reserved: as in `Names`.
    """

    def __init__(
        self, database: Database, domains: Collection[str] = (), reserved: Collection[str] = ()
    ) -> None:
        self._database = database
        self._names = Names(frozenset(domains), frozenset(reserved))

    def load_all(self) -> list[Room]:
        """Return every room, by AoR."""
        with self._database.reading() as connection:
            return read_rooms(connection)

    def get(self, aor: str) -> Room | None:
        """Return one room."""
        with self._database.reading() as connection:
            return read_room(connection, aor)

    def newest(self) -> dict[str, int]:
        """Return the number of the newest message, by room."""
        with self._database.reading() as connection:
            return read_newest(connection)

    def change(self, aor: str, edit: Edit, actor: str, wall: float) -> Changed:
        """Change, make or remove one room.

        Raises: RoomRefused.
        """
        with self._database.writing() as connection:
            return _change(connection, _Wish(aor, edit, actor, wall), self._names)

    def history(self, aor: str, limit: int) -> list[RoomMessage]:
        """Return the newest messages of a room, oldest first."""
        with self._database.reading() as connection:
            return read_history(connection, aor, 0, limit)

    def page(self, aor: str, after: int, limit: int) -> list[RoomMessage]:
        """Return the first messages of a room behind a number, oldest first."""
        with self._database.reading() as connection:
            return read_page(connection, aor, after, limit)

    def events(self, aor: str) -> list[RoomEvent]:
        """Return what happened in a room, oldest first, also in one that was removed."""
        with self._database.reading() as connection:
            return list(read_events(connection, aor))


class Rooms:
    """`session_msrp.rooms.ports.RoomStore` of a running node.

    Args: wall: epoch seconds. domains, reserved: as in `Names`.
    """

    def __init__(
        self,
        database: Database,
        submit: Submit,
        wall: Callable[[], float],
        domains: Collection[str] = (),
        reserved: Collection[str] = (),
    ) -> None:
        self.table = RoomTable(database, domains, reserved)
        self._submit = submit
        self._wall = wall
        self._changes = _ChangeLane(Names(frozenset(domains), frozenset(reserved)))
        self._history = HistoryLane(database.engine.dialect)
        self._seen = SeenLane()
        self._events = _EventLane()
        self._reads = _ReadLane()
        self.lanes = (self._changes, self._history, self._seen, self._events, self._reads)

    def load_all(self) -> list[Room]:
        """Return every room; blocks."""
        return self.table.load_all()

    def change(
        self, aor: str, edit: Edit, done: Callable[[Changed], None], actor: str = ""
    ) -> None:
        """Change, make or remove one room."""
        self._submit(self._changes, _Wish(aor, edit, actor, self._wall()), done)

    def keep(self, message: RoomMessage, done: Callable[[int], None]) -> None:
        """Add a message to the history; ``done`` gets its number, 0 when it could not be kept."""
        self._submit(self._history, message, done)

    def read(
        self,
        room: str,
        after: int,
        newest: int,
        done: Callable[[Page | None], None],
    ) -> None:
        """Return the first page of the newest messages; see the port."""
        self._submit(self._reads, (room, after, newest), done)

    def seen(self, marks: Mapping[tuple[str, str], int]) -> None:
        """Note, by room and member, up to which number they have got messages; never back."""
        for (room, who), number in marks.items():
            self._submit(self._seen, (room, who, number), None)

    def note(self, event: RoomEvent) -> None:
        """Write down what happened in a room."""
        self._submit(self._events, event, None)


@dataclass(frozen=True, slots=True)
class _Wish:
    """A change that somebody wants."""

    aor: str
    edit: Edit
    actor: str
    at: float


class _ChangeLane:
    """Changes rooms, one after the other."""

    reads = False

    def __init__(self, names: Names) -> None:
        self._names = names

    def attach(self, connection: Connection) -> None:
        """Nothing is kept in memory."""

    def execute(self, connection: Connection, items: Sequence[_Wish]) -> list[Changed]:
        """Change for each item; what is refused changes nothing."""
        return [self._changed(connection, item) for item in items]

    def _changed(self, connection: Connection, wish: _Wish) -> Changed:
        try:
            return _change(connection, wish, self._names)
        except RoomRefused as refused:
            there = read_room(connection, wish.aor)
            return Changed(there, there, str(refused))

    def committed(self) -> None:
        """Nothing is kept in memory."""

    def failed(self, item: _Wish, reason: str) -> Changed:
        """Say that the store could not take it."""
        return Changed(None, None, FAILED)


class _EventLane:
    """Writes down what happened."""

    reads = False

    def attach(self, connection: Connection) -> None:
        """Nothing is kept in memory."""

    def execute(self, connection: Connection, items: Sequence[RoomEvent]) -> list[bool]:
        """Write a group."""
        insert_events(connection, items)
        return [True] * len(items)

    def committed(self) -> None:
        """Nothing depends on it."""

    def failed(self, item: RoomEvent, reason: str) -> bool:
        """Give it up."""
        return False


class _ReadLane:
    """Reads history, with all that was kept before."""

    reads = True

    def attach(self, connection: Connection) -> None:
        """Nothing is kept in memory."""

    def execute(
        self, connection: Connection, items: Sequence[tuple[str, int, int]]
    ) -> list[Page | None]:
        """Read for each item."""
        return [read_next(connection, *item) for item in items]

    def committed(self) -> None:
        """It writes nothing."""

    def failed(self, item: tuple[str, int, int], reason: str) -> Page | None:
        """Say that it cannot be read now."""
        return None


def _change(connection: Connection, wish: _Wish, names: Names) -> Changed:
    """Do one change in the running transaction. Raises: RoomRefused."""
    before = read_room(connection, wish.aor)
    after = wish.edit(before)
    if after is None:
        if before is not None:
            delete_room(connection, wish.aor)
    else:
        names.check(connection, before, after)
        write_room(connection, before, after)
    insert_events(connection, list(differences(before, after, wish.actor, wish.at)))
    return Changed(before, after)
