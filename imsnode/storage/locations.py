# SPDX-License-Identifier: Apache-2.0
"""The journal of bindings: each change appends the whole state of its address of record.

Reading it once at start gives the location table back; the newest entry of an AoR counts. What
newer entries have made worthless is deleted in the background, from the oldest on.
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

_STEP = 512  # entries looked at in one step of the compaction
_GARBAGE_FLOOR = 2000  # entries that may be worthless before it is worth a pass
_CHUNK = 10_000  # rows fetched at a time when the journal is read


class BindingLane:
    """Appends journal entries; in the background removes those that do not count any more."""

    reads = False

    def __init__(self, database: Database) -> None:
        dialect = database.engine.dialect
        self._insert = InsertRows(binding_journal, ("seq", "aor", "data"), dialect)
        seq = binding_journal.c.seq
        self._oldest = Query(
            select(seq, binding_journal.c.aor, func.length(binding_journal.c.data))
            .where(seq > bindparam("after"), seq <= bindparam("end"))
            .order_by(seq)
            .limit(_STEP),
            dialect,
        )
        self._delete = PerCount(
            lambda values: delete(binding_journal).where(seq.in_(values)), dialect
        )
        # Newest entry of each AoR. None until the journal has been read: nothing is removed then.
        self._newest: dict[str, int] | None = None
        self._rows = 0
        self._next = 1
        self._planned: list[tuple[str, int]] = []
        self._pass_at = -1  # seq up to which the running pass has come, -1 without one
        self._pass_end = 0
        self._removed: list[tuple[str, int]] = []
        self._step_at = -1

    def adopt(self, newest: dict[str, int], rows: int) -> None:
        """Take over what a reader of the journal has found, before anything is appended."""
        self._newest = newest
        self._rows = rows

    def attach(self, connection: Connection) -> None:
        last = connection.execute(select(func.max(binding_journal.c.seq))).scalar()
        self._next = (last or 0) + 1
        self._planned = []

    def execute(self, connection: Connection, items: Sequence[tuple[str, bytes]]) -> list[bool]:
        first = self._next
        self._next = first + len(items)
        self._insert.run(
            connection, [(seq, aor, data) for seq, (aor, data) in enumerate(items, first)]
        )
        self._planned = [(aor, seq) for seq, (aor, _) in enumerate(items, first)]
        return [True] * len(items)

    def committed(self) -> None:
        if self._newest is not None:
            self._newest.update(self._planned)
        self._rows += len(self._planned)
        self._planned = []

    def failed(self, item: tuple[str, bytes], reason: str) -> bool:
        return False

    @property
    def compaction(self) -> Compaction:
        """The background work that belongs to this lane."""
        return Compaction(self)

    def garbage(self) -> bool:
        """True while a pass runs, or when one is worth it."""
        newest = self._newest
        if newest is None:
            return False
        return self._pass_at >= 0 or self._rows - len(newest) > max(_GARBAGE_FLOOR, len(newest))

    def remove_some(self, connection: Connection) -> bool:
        """Go one step on in the pass; False at its end."""
        newest = self._newest
        if newest is None:
            return False
        start = self._pass_at
        if start < 0:
            # Entries appended from now on are left for the next pass.
            start = 0
            self._pass_end = self._next - 1
        rows = self._oldest.run(connection, start, self._pass_end).fetchall()
        self._removed = []
        for seq, aor, length in rows:
            # An empty state may go as soon as it is the oldest: those before it went already.
            if newest.get(aor) != seq or not length:
                self._removed.append((aor, seq))
        if self._removed:
            self._delete.all(connection, [seq for _, seq in self._removed])
        self._step_at = rows[-1][0] if len(rows) == _STEP else -1
        return self._step_at >= 0

    def removed(self) -> None:
        """Take note that the step is durable."""
        newest = self._newest
        if newest is None:
            return
        for aor, seq in self._removed:
            if newest.get(aor) == seq:
                del newest[aor]
        self._rows -= len(self._removed)
        self._removed = []
        self._pass_at = self._step_at


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
        newest, rows, states = _read_newest(self._database)
        self._lane.adopt(newest, rows)
        return _decoded(self._database, states, now, wall)


def read_locations(database: Database, now: float, wall: float) -> Iterator[tuple[str, AorState]]:
    """Give the state of every AoR, beside a running node or without one.

    Raises: StorageUnavailable, StoreDamaged.
    """
    return _decoded(database, _read_newest(database)[2], now, wall)


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


def _read_newest(database: Database) -> tuple[dict[str, int], int, dict[str, bytes]]:
    newest: dict[str, int] = {}
    states: dict[str, bytes] = {}
    count = 0
    journal = binding_journal.c
    with database.reading() as connection:
        result = connection.execute(
            select(journal.seq, journal.aor, journal.data).order_by(journal.seq),
            execution_options={"yield_per": _CHUNK},
        )
        for seq, aor, data in result:
            newest[aor] = seq
            states[aor] = data
            count += 1
    return newest, count, states


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
