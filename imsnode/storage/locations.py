# SPDX-License-Identifier: Apache-2.0
"""The journal of bindings: each change appends the whole state of its address of record.

Reading it once at start gives the location table back; the newest entry of an AoR counts. What
newer entries have made worthless is deleted in the background. Users register again in much the
same order, so what they leave behind are long runs, and a run is deleted by one statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Connection, bindparam, delete, func, select

from .binding_codec import AorState, decode_state, encode_state
from .database import Database
from .errors import StoreDamaged
from .lanes import Submit
from .schema import binding_journal
from .statements import InsertRows, PerCount, Query

__all__ = ["AorState", "BindingLane", "Locations", "read_locations", "remove_bindings"]

_STEP = 2048  # entries that are worthless before some are removed, and removed in one step
_RUN = 64  # so many in a row are removed as a range, fewer by their numbers
_CHUNK = 10_000  # rows fetched at a time when the journal is read


class BindingLane:
    """Appends journal entries; in the background removes those that do not count any more."""

    reads = False

    def __init__(self, database: Database) -> None:
        dialect = database.engine.dialect
        self._insert = InsertRows(binding_journal, ("seq", "aor", "data"), dialect)
        seq = binding_journal.c.seq
        self._delete = PerCount(
            lambda values: delete(binding_journal).where(seq.in_(values)), dialect
        )
        self._delete_run = Query(
            delete(binding_journal).where(seq >= bindparam("first"), seq <= bindparam("last")),
            dialect,
        )
        # What the journal holds; None until it has been read, and nothing is removed before.
        self._index: JournalIndex | None = None
        self._next = 1
        self._planned: Sequence[tuple[str, bytes]] = ()
        self._step: list[int] = []

    def adopt(self, index: JournalIndex) -> None:
        """Take over what a reader of the journal has found, before anything is appended."""
        self._index = index

    def attach(self, connection: Connection) -> None:
        last = connection.execute(select(func.max(binding_journal.c.seq))).scalar()
        self._next = (last or 0) + 1
        self._planned = ()

    def execute(self, connection: Connection, items: Sequence[tuple[str, bytes]]) -> list[bool]:
        first = self._next
        self._next = first + len(items)
        self._insert.run(
            connection, [(seq, aor, data) for seq, (aor, data) in enumerate(items, first)]
        )
        self._planned = items
        return [True] * len(items)

    def committed(self) -> None:
        index = self._index
        if index is not None:
            for seq, (aor, data) in enumerate(self._planned, self._next - len(self._planned)):
                index.add(seq, aor, data)
        self._planned = ()

    def failed(self, item: tuple[str, bytes], reason: str) -> bool:
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
    """The newest entry of each AoR, and the ones that do not count any more.

    An empty state does not count either, but hides those before it. They are in front of it in
    ``worthless``, which is worked off in order: it is never the first of them to be removed.
    """

    __slots__ = ("_newest", "worthless")

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self.worthless: list[int] = []

    def add(self, seq: int, aor: str, data: bytes) -> None:
        """Take note of an entry that is newer than all before."""
        before = self._newest.pop(aor, None)
        if before is not None:
            self.worthless.append(before)
        if data:
            self._newest[aor] = seq
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
    """Removes journal entries that do not count any more; see `BindingLane`."""

    def __init__(self, lane: BindingLane) -> None:
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


class Locations:
    """The port of the location service."""

    def __init__(self, database: Database, lane: BindingLane, submit: Submit) -> None:
        self._database = database
        self._lane = lane
        self._submit = submit

    def append(
        self, aor: str, state: AorState, now: float, wall: float, done: Callable[[bool], None]
    ) -> None:
        """Keep a state; ``done(True)`` after the commit, ``done(False)`` when there was none.

        The state is read before this returns. A state that holds nothing removes the AoR.

        Raises: ValueError when a value holds a line feed; nothing that was parsed does.
        """
        self._submit(self._lane, (aor, encode_state(state, now, wall)), done)

    def load(self, now: float, wall: float) -> Iterator[tuple[str, AorState]]:
        """Give the state of every AoR; once, before the first `append`. Blocks.

        Raises: StorageUnavailable, StoreDamaged.
        """
        index, states = _read_newest(self._database)
        self._lane.adopt(index)
        return _decoded(self._database, states, now, wall)


def read_locations(database: Database, now: float, wall: float) -> Iterator[tuple[str, AorState]]:
    """Give the state of every AoR, beside a running node or without one.

    Raises: StorageUnavailable, StoreDamaged.
    """
    return _decoded(database, _read_newest(database)[1], now, wall)


def remove_bindings(
    database: Database, aor: str, contact: str | None, now: float, wall: float
) -> int:
    """Remove one contact of an AoR, or all (None), in a store that no node uses now.

    Returns: how many live bindings were removed.
    Raises: StorageUnavailable, StoreDamaged.
    """
    journal = binding_journal.c
    with database.writing() as connection:
        data = connection.execute(
            select(journal.data).where(journal.aor == aor).order_by(journal.seq.desc()).limit(1)
        ).scalar()
        if not data:
            return 0
        state = _decode(database, aor, data, now, wall)
        kept = [
            binding
            for binding in state.bindings
            if contact is not None and binding.contact != contact.encode("utf-8", "surrogateescape")
        ]
        if len(kept) == len(state.bindings):
            return 0
        devices = dict(state.devices)
        for binding in state.bindings:
            if binding.instance and binding not in kept:
                devices[binding.instance] = wall
        lane = BindingLane(database)
        lane.attach(connection)
        lane.execute(connection, [(aor, encode_state(AorState(kept, devices), now, wall))])
        return len(state.bindings) - len(kept)


def _read_newest(database: Database) -> tuple[JournalIndex, dict[str, bytes]]:
    index = JournalIndex()
    states: dict[str, bytes] = {}
    journal = binding_journal.c
    with database.reading() as connection:
        result = connection.execute(
            select(journal.seq, journal.aor, journal.data).order_by(journal.seq),
            execution_options={"yield_per": _CHUNK},
        )
        for seq, aor, data in result:
            index.add(seq, aor, data)
            states[aor] = data
    return index, states


def _decoded(
    database: Database, states: dict[str, bytes], now: float, wall: float
) -> Iterator[tuple[str, AorState]]:
    while states:
        aor, data = states.popitem()
        if data:
            yield aor, _decode(database, aor, data, now, wall)


def _decode(database: Database, aor: str, data: bytes, now: float, wall: float) -> AorState:
    try:
        return decode_state(aor, data, now, wall)
    except ValueError as error:
        raise StoreDamaged(database.name, str(error)) from error
