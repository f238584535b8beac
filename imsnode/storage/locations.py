# SPDX-License-Identifier: Apache-2.0
"""The journal of bindings: each change appends the whole state of its address of record."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import select

from .binding_codec import AorState, decode_state, encode_state
from .database import Database
from .errors import StoreDamaged
from .journal import JournalIndex, JournalLane, read_journal
from .lanes import Submit
from .schema import binding_journal

__all__ = ["AorState", "BindingLane", "Locations", "read_locations", "remove_bindings"]


class BindingLane(JournalLane):
    """The journal of bindings; an item is (AoR, encoded state)."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, binding_journal)


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
    index, entries = read_journal(database, binding_journal)
    return index, dict(entries.values())


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
