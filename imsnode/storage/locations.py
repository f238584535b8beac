# SPDX-License-Identifier: Apache-2.0
"""The journal of bindings: each change appends the whole state of its address of record.

Most changes are refreshes, which change nothing but a lifetime. They append a renewal instead, a
tenth of the octets, which counts together with the state before it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from sqlalchemy import Connection, select

from sip.registrar import Binding

from .binding_codec import (
    AorState,
    Renewal,
    decode_state,
    encode_state,
    is_renewal,
    join_renewals,
    read_renewal,
    renew,
    renewal_of,
    renewed_states,
    split_renewals,
)
from .database import Database
from .errors import StoreDamaged
from .journal import Entry, JournalIndex, JournalLane, journal_rows
from .lanes import Submit
from .schema import binding_journal

__all__ = [
    "AorState",
    "BindingIndex",
    "BindingLane",
    "Locations",
    "newest_state",
    "read_locations",
    "remove_bindings",
]

_NOBODY = ""  # stands for the AoR in a row of renewals
# Numbers in a row of renewals, four of each. It stays as long as one of them counts: a few users
# who renew seldom must not keep much of what the others have left behind.
_TOGETHER = 4 * 32
_STEP = 2048  # rows of renewals between two looks at which of them are needed
_CHUNK = 10_000


class BindingLane(JournalLane):
    """The journal of bindings; an item is (AoR, encoded state) or (AoR, renewal).

    The renewals of a group are few rows: a row costs SQLite more than what stands in it.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database, binding_journal)

    def execute(self, connection: Connection, items: Sequence[Entry]) -> list[bool]:
        """Append states as they are, and renewals together.

        What is renewed but not there was an account that has been removed meanwhile.
        """
        index = self._index
        rows: list[Entry] = []
        numbers: list[int] = []
        for item in items:
            aor, data = item
            if type(data) is bytes:
                rows.append(item)
            elif index is not None and (state := index.newest(aor)) is not None:
                numbers += (state, *data)
        for start in range(0, len(numbers), _TOGETHER):
            rows.append((_NOBODY, join_renewals(numbers[start : start + _TOGETHER])))
        super().execute(connection, rows)
        return [True] * len(items)


class BindingIndex(JournalIndex):
    """A row of renewals is worthless when each state in it was renewed again or replaced.

    States are named by the numbers of their rows. Which rows are needed is not followed renewal by
    renewal but found out from time to time.
    """

    __slots__ = ("_look_at", "_renewals", "_rows")

    def __init__(self) -> None:
        super().__init__()
        self._renewals: dict[int, int] = {}  # by state, the row that renews it
        self._rows: list[int] = []  # all rows of renewals
        self._look_at = _STEP  # how many of them there are when they are looked through again

    def add(self, seq: int, key: str, data: bytes) -> None:
        """Take note of an entry that is newer than all before."""
        if key == _NOBODY:
            self._add_renewals(seq, renewed_states(data))
        elif is_renewal(data):
            state = self.newest(key)
            self._add_renewals(seq, () if state is None else (state,))
        else:
            before = self.newest(key)
            if before is not None:
                self._renewals.pop(before, None)
            super().add(seq, key, data)

    def forget_removed(self) -> None:
        """Need no renewals of states whose rows are gone, as those of a removed account are."""
        here = set(self._newest.values())
        for state in [state for state in self._renewals if state not in here]:
            del self._renewals[state]
        self._look_through()

    def _add_renewals(self, seq: int, states: Sequence[int]) -> None:
        self.last = seq
        self._renewals.update(dict.fromkeys(states, seq))
        self._rows.append(seq)
        if len(self._rows) >= self._look_at:
            self._look_through()

    def _look_through(self) -> None:
        """Find the rows that are not needed any more."""
        needed: set[int] = set()
        values = iter(self._renewals.values())
        while part := set(islice(values, _CHUNK)):  # the loop has its turn in between
            needed |= part
        self.worthless += [row for row in self._rows if row not in needed]
        self._rows = [row for row in self._rows if row in needed]
        self._look_at = len(self._rows) + _STEP


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

    def renew(
        self, aor: str, binding: Binding, now: float, wall: float, done: Callable[[bool], None]
    ) -> None:
        """Keep a refresh of the only binding in the state kept last, with no other device in it.

        The journal has been read before, see `load`.
        """
        self._submit(self._lane, (aor, renewal_of(binding, now, wall)), done)

    def load(self, now: float, wall: float) -> Iterator[tuple[str, AorState]]:
        """Give the state of every AoR; once, before the first `append`. Blocks.

        Raises: StorageUnavailable, StoreDamaged.
        """
        index, states, renewals = _read_newest(self._database)
        self._lane.adopt(index)
        return _decoded(self._database, index, states, renewals, now, wall)


def read_locations(database: Database, now: float, wall: float) -> Iterator[tuple[str, AorState]]:
    """Give the state of every AoR, beside a running node or without one.

    Raises: StorageUnavailable, StoreDamaged.
    """
    index, states, renewals = _read_newest(database)
    return _decoded(database, index, states, renewals, now, wall)


def remove_bindings(
    database: Database, aor: str, contact: str | None, now: float, wall: float
) -> int:
    """Remove one contact of an AoR, or all (None), in a store that no node uses now.

    Returns: how many live bindings were removed.
    Raises: StorageUnavailable, StoreDamaged.
    """
    with database.writing() as connection:
        state = newest_state(database, connection, aor, now, wall)
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


def newest_state(
    database: Database, connection: Connection, aor: str, now: float, wall: float
) -> AorState:
    """Return the state of one AoR; one that holds nothing when there is none.

    Raises: StoreDamaged.
    """
    journal = binding_journal.c
    rows = select(journal.seq, journal.data).where(journal.aor == aor).order_by(journal.seq.desc())
    renewal: Renewal | None = None
    for seq, data in connection.execute(rows):
        if not is_renewal(data):
            renewal = _newest_renewal(connection, seq) or renewal
            return _decode(database, aor, data, renewal, now, wall)
        renewal = renewal or read_renewal(data)
    return AorState((), {})


def _newest_renewal(connection: Connection, state: int) -> Renewal | None:
    """Return what renewed the state in the row ``state`` last, together with others."""
    journal = binding_journal.c
    together = select(journal.data).where(journal.aor == _NOBODY, journal.seq > state)
    for data in connection.execute(together.order_by(journal.seq.desc())).scalars():
        renewal = dict(split_renewals(data)).get(state)
        if renewal is not None:
            return renewal
    return None


def _read_newest(database: Database) -> tuple[BindingIndex, dict[str, bytes], dict[int, Renewal]]:
    """Return index, states, and by the number of its row what renews a state.

    A renewal without a state belongs to an account that was removed.
    """
    index = BindingIndex()
    states: dict[str, bytes] = {}
    renewals: dict[int, Renewal] = {}
    for seq, aor, data in journal_rows(database, binding_journal):
        try:
            index.add(seq, aor, data)
            if aor == _NOBODY:
                renewals.update(split_renewals(data))
            elif not is_renewal(data):
                states[aor] = data
            elif (state := index.newest(aor)) is not None:
                renewals[state] = read_renewal(data)
        except (ValueError, struct.error) as error:
            raise StoreDamaged(database.name, "a row of renewals is damaged") from error
    index.forget_removed()
    return index, states, renewals


def _decoded(
    database: Database,
    index: BindingIndex,
    states: dict[str, bytes],
    renewals: dict[int, Renewal],
    now: float,
    wall: float,
) -> Iterator[tuple[str, AorState]]:
    while states:
        aor, data = states.popitem()
        if data:
            renewal = renewals.pop(index.newest(aor) or 0, None)
            yield aor, _decode(database, aor, data, renewal, now, wall)


def _decode(
    database: Database, aor: str, data: bytes, renewal: Renewal | None, now: float, wall: float
) -> AorState:
    if not data:
        return AorState((), {})
    try:
        return decode_state(aor, renew(data, renewal) if renewal else data, now, wall)
    except (IndexError, ValueError) as error:
        raise StoreDamaged(database.name, str(error)) from error
