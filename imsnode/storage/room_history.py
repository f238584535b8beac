# SPDX-License-Identifier: Apache-2.0
"""What was said in rooms: kept in the order in which it was said, and only so much of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Dialect, delete, func, or_, select

from session_msrp.rooms.values import RoomMessage

from .room_rows import write_seen
from .schema import room, room_event, room_message
from .statements import InsertRows

__all__ = ["HistoryLane", "RoomRetention", "SeenLane"]

_PAUSE_S = 30.0
_COLUMNS = ("number", "room", "id", "sender", "nickname", "at", "body")


class HistoryLane:
    """Adds messages; the result of each is its number."""

    reads = False

    def __init__(self, dialect: Dialect) -> None:
        self._insert = InsertRows(room_message, _COLUMNS, dialect)
        self._last = 0

    def attach(self, connection: Connection) -> None:
        """Go on behind the newest message."""
        newest = connection.execute(select(func.max(room_message.c.number))).scalar()
        self._last = max(self._last, newest or 0)

    def execute(self, connection: Connection, items: Sequence[RoomMessage]) -> list[int]:
        """Add a group."""
        numbers = []
        for item in items:
            self._last = max(self._last + 1, int(item.at * 1e6))
            numbers.append(self._last)
        self._insert.run(
            connection,
            [
                (number, one.room, one.id, one.sender, one.nickname, one.at, one.body)
                for number, one in zip(numbers, items, strict=True)
            ],
        )
        return numbers

    def committed(self) -> None:
        """A number is never given twice, committed or not."""

    def failed(self, item: RoomMessage, reason: str) -> int:
        """Say that it was not kept."""
        return 0


class SeenLane:
    """Notes what has reached members; of the marks of a member in a group the highest counts."""

    reads = False

    def attach(self, connection: Connection) -> None:
        """Nothing is kept in memory."""

    def execute(self, connection: Connection, items: Sequence[tuple[str, str, int]]) -> list[bool]:
        """Write a group."""
        highest: dict[tuple[str, str], int] = {}
        for aor, who, number in items:
            highest[aor, who] = max(number, highest.get((aor, who), 0))
        for (aor, who), number in highest.items():
            write_seen(connection, aor, who, number)
        return [True] * len(items)

    def committed(self) -> None:
        """Nothing depends on it."""

    def failed(self, item: tuple[str, str, int], reason: str) -> bool:
        """Give it up: the member gets the message again."""
        return False


class RoomRetention:
    """In the background: removes messages beyond a room's history, and old events.

    Args: wall: epoch seconds. events_s: how long it is remembered what happened in a room.
    """

    def __init__(self, wall: Callable[[], float], events_s: float) -> None:
        self.events_s = events_s
        self._wall = wall
        self._next_at = 0.0
        self._left: list[str] | None = None

    def attach(self, connection: Connection) -> None:
        """Begin anew."""
        self._left = None

    def due(self, now: float, urgent: bool) -> bool:
        """True once a pause."""
        return now >= self._next_at

    def step(self, connection: Connection) -> bool:
        """Look after one room."""
        wall = self._wall()
        if self._left is None:
            last = int((wall - self.events_s) * 1e6)  # numbers follow the clock
            connection.execute(delete(room_event).where(room_event.c.number < last))
            self._left = list(connection.execute(select(room.c.aor)).scalars())
        if self._left:
            _shorten(connection, self._left.pop(), wall)
        return bool(self._left)

    def committed(self, now: float) -> None:
        """Pause when every room was looked after."""
        if not self._left:
            self.failed(now, False)

    def failed(self, now: float, refused: bool) -> None:
        """Begin anew after the pause."""
        self._left = None
        self._next_at = now + _PAUSE_S


def _shorten(connection: Connection, aor: str, wall: float) -> None:
    """Remove what a room need not keep."""
    rules = connection.execute(
        select(room.c.history, room.c.retention).where(room.c.aor == aor)
    ).first()
    if rules is None:
        return
    c = room_message.c
    newest = select(c.number).where(c.room == aor).order_by(c.number.desc())
    beyond = connection.execute(newest.offset(rules.history).limit(1)).scalar() or 0
    old = or_(c.number <= beyond, c.at < wall - rules.retention)
    connection.execute(delete(room_message).where(c.room == aor, old))
