# SPDX-License-Identifier: Apache-2.0
"""Journals: each change appends the whole state of what a key names, and the newest entry counts.

Reading a journal once at start gives everything back; what newer entries have made worthless is
deleted in the background. What is written in much the same order again and again, as users
register, leaves long runs behind, and a run is deleted by one statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, delete, func, select

from .database import Database
from .statements import InsertRows, PerCount, Query

__all__ = ["Compaction", "Entry", "JournalIndex", "JournalLane", "journal_rows", "read_journal"]

#: A row without `seq`: the key, whatever the table has more, the data. Any: a key is text or a
#: number, as the table wants it.
Entry = tuple[Any, ...]

_STEP = 2048  # entries that are worthless before some are removed, and removed in one step
_RUN = 64  # so many in a row are removed as a range, fewer by their numbers
_CHUNK = 10_000  # rows fetched at a time when the journal is read


class JournalLane:
    """Appends entries; in the background removes those that do not count any more.

    The table begins with `seq` and the key, and ends with `data`; an item has all its columns but
    `seq`. An item without data forgets the key.
    """

    reads = False

    def __init__(self, database: Database, table: Table) -> None:
        dialect = database.engine.dialect
        self._seq = seq = table.c.seq
        self._insert = InsertRows(table, table.c.keys(), dialect)
        _, key, *_, data = table.c
        unseen = select(seq, key, data).where(seq > bindparam("last")).order_by(seq)
        self._unseen = Query(unseen, dialect)
        self._delete = PerCount(lambda values: delete(table).where(seq.in_(values)), dialect)
        self._delete_run = Query(
            delete(table).where(seq >= bindparam("first"), seq <= bindparam("last")),
            dialect,
        )
        # What the journal holds; None until it has been read, and nothing is removed before.
        self._index: JournalIndex | None = None
        self._next = 1
        self._planned: Sequence[Entry] = ()
        self._step: list[int] = []

    def adopt(self, index: JournalIndex) -> None:
        """Take over what a reader of the journal has found, before anything is appended."""
        self._index = index

    def attach(self, connection: Connection) -> None:
        """Go on behind the newest entry and behind those that were removed meanwhile.

        Entries whose commit was never heard of count like the others.
        """
        last = connection.execute(select(func.max(self._seq))).scalar()
        self._next = max(self._next, (last or 0) + 1)
        self._planned = ()
        index = self._index
        if index is not None:
            for seq, key, data in self._unseen.run(connection, index.last):
                index.add(seq, key, bytes(data))

    def execute(self, connection: Connection, items: Sequence[Entry]) -> list[bool]:
        first = self._next
        self._next = first + len(items)
        self._insert.run(connection, [(seq, *item) for seq, item in enumerate(items, first)])
        self._planned = items
        return [True] * len(items)

    def committed(self) -> None:
        index = self._index
        if index is not None:
            for seq, item in enumerate(self._planned, self._next - len(self._planned)):
                index.add(seq, item[0], item[-1])
        self._planned = ()

    def failed(self, item: Entry, reason: str) -> bool:
        return False

    @property
    def compaction(self) -> Compaction:
        """The background work that belongs to this lane."""
        return Compaction(self)

    def garbage(self) -> bool:
        """True when a step of the compaction is worth it."""
        index = self._index
        return index is not None and len(index.worthless) >= _STEP

    def remove_some(self, connection: Connection) -> bool:
        """Remove the entries that became worthless first; False when no more is worth it."""
        index = self._index
        if index is None:
            return False
        self._step = index.worthless[:_STEP]
        single: list[int] = []
        for run in _runs(sorted(self._step)):
            if len(run) < _RUN:
                single += run
            else:
                self._delete_run.run(connection, run[0], run[-1])
        if single:
            self._delete.all(connection, single)
        return len(index.worthless) - len(self._step) >= _STEP

    def removed(self) -> None:
        """Take note that the step is durable."""
        if self._index is not None:
            del self._index.worthless[: len(self._step)]
        self._step = []


class JournalIndex:
    """The newest entry of each key, and the ones that do not count any more.

    An empty state does not count either, but hides those before it. They are in front of it in
    ``worthless``, which is worked off in order: it is never the first of them to be removed.
    ``last`` is the newest of all.
    """

    __slots__ = ("_newest", "last", "worthless")

    def __init__(self) -> None:
        self.last = 0
        self._newest: dict[Any, int] = {}
        self.worthless: list[int] = []

    def newest(self, key: Any) -> int | None:
        """The number of the newest entry of a key, None for one that is not known."""
        return self._newest.get(key)

    def add(self, seq: int, key: Any, data: bytes) -> None:
        """Take note of an entry that is newer than all before."""
        self.last = seq
        before = self._newest.pop(key, None)
        if before is not None:
            self.worthless.append(before)
        if data:
            self._newest[key] = seq
        else:
            self.worthless.append(seq)


def _runs(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut ascending numbers where one is left out."""
    start = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] != numbers[place - 1] + 1:
            yield numbers[start:place]
            start = place


class Compaction:
    """Removes journal entries that do not count any more; see `JournalLane`."""

    def __init__(self, lane: JournalLane) -> None:
        self._lane = lane

    def attach(self, connection: Connection) -> None:
        """Nothing is kept between steps that a lost connection could make wrong."""

    def due(self, now: float, urgent: bool) -> bool:
        return self._lane.garbage()

    def step(self, connection: Connection) -> bool:
        return self._lane.remove_some(connection)

    def committed(self, now: float) -> None:
        self._lane.removed()

    def failed(self, now: float, refused: bool) -> None:
        """The same step is done again later."""


def read_journal(database: Database, table: Table) -> tuple[JournalIndex, dict[Any, Entry]]:
    """Return the newest entry of each key, those without data included; blocks.

    Raises: StorageUnavailable, StoreDamaged.
    """
    index = JournalIndex()
    entries: dict[Any, Entry] = {}
    for row in journal_rows(database, table):
        index.add(row[0], row[1], row[-1])
        entries[row[1]] = row[1:]
    return index, entries


def journal_rows(database: Database, table: Table) -> Iterator[Row[*tuple[Any, ...]]]:
    """Give all rows, oldest first; blocks.

    Raises: StorageUnavailable, StoreDamaged.
    """
    with database.reading() as connection:
        yield from connection.execute(
            select(table).order_by(table.c.seq), execution_options={"yield_per": _CHUNK}
        )
