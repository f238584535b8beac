# SPDX-License-Identifier: Apache-2.0
"""The journal of bindings: each change appends the whole state of its address of record.

Most changes are refreshes, which change nothing but a lifetime. They append a renewal instead, a
tenth of the octets, which counts together with the state before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import Connection, select

from sip.registrar import Binding

from .binding_codec import (
    AorState,
    decode_state,
    encode_renewal,
    encode_state,
    is_renewal,
    renew,
)
from .database import Database
from .errors import StoreDamaged
from .journal import JournalIndex, JournalLane, journal_rows
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


class BindingLane(JournalLane):
    """The journal of bindings; an item is (AoR, encoded state)."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, binding_journal)


class BindingIndex(JournalIndex):
    """A renewal makes the renewal before it worthless, and a state makes both so."""

    __slots__ = ("_renewals",)

    def __init__(self) -> None:
        super().__init__()
        self._renewals: dict[str, int] = {}

    def add(self, seq: int, key: str, data: bytes) -> None:
        """Take note of an entry that is newer than all before."""
        renewal = self._renewals.pop(key, None)
        if renewal is not None:
            self.worthless.append(renewal)
        if is_renewal(data):
            self.last = seq
            self._renewals[key] = seq
        else:
            super().add(seq, key, data)


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
        """Keep a refresh of the only binding in the state kept last, with no other device in it."""
        self._submit(self._lane, (aor, encode_renewal(binding, now, wall)), done)

    def load(self, now: float, wall: float) -> Iterator[tuple[str, AorState]]:
        """Give the state of every AoR; once, before the first `append`. Blocks.

        Raises: StorageUnavailable, StoreDamaged.
        """
        index, states, renewals = _read_newest(self._database)
        self._lane.adopt(index)
        return _decoded(self._database, states, renewals, now, wall)


def read_locations(database: Database, now: float, wall: float) -> Iterator[tuple[str, AorState]]:
    """Give the state of every AoR, beside a running node or without one.

    Raises: StorageUnavailable, StoreDamaged.
    """
    _, states, renewals = _read_newest(database)
    return _decoded(database, states, renewals, now, wall)


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
    rows = select(journal.data).where(journal.aor == aor).order_by(journal.seq.desc())
    renewal = b""
    for data in connection.execute(rows).scalars():
        if not is_renewal(data):
            return _decode(database, aor, data, renewal, now, wall)
        renewal = renewal or data
    return AorState((), {})


def _read_newest(database: Database) -> tuple[BindingIndex, dict[str, bytes], dict[str, bytes]]:
    """Return index, states and what renews some of them.

    A renewal without a state belongs to an account that was removed while it was on its way.
    """
    index = BindingIndex()
    states: dict[str, bytes] = {}
    renewals: dict[str, bytes] = {}
    for seq, aor, data in journal_rows(database, binding_journal):
        index.add(seq, aor, data)
        if is_renewal(data):
            renewals[aor] = data
        else:
            states[aor] = data
            renewals.pop(aor, None)
    return index, states, renewals


def _decoded(
    database: Database,
    states: dict[str, bytes],
    renewals: dict[str, bytes],
    now: float,
    wall: float,
) -> Iterator[tuple[str, AorState]]:
    while states:
        aor, data = states.popitem()
        if data:
            yield aor, _decode(database, aor, data, renewals.pop(aor, b""), now, wall)


def _decode(
    database: Database, aor: str, data: bytes, renewal: bytes, now: float, wall: float
) -> AorState:
    if not data:
        return AorState((), {})
    try:
        return decode_state(aor, renew(data, renewal) if renewal else data, now, wall)
    except (IndexError, ValueError) as error:
        raise StoreDamaged(database.name, str(error)) from error
