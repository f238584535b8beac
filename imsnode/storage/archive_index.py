# SPDX-License-Identifier: Apache-2.0
"""The entries of the archive's messages, kept in sorted runs.

The entries (`imsnode.storage.archive_place`) that are written together are sorted and make a *run*;
runs that are neighbours are merged in the background, 64 to one, until they are long. Writing costs
the same however many users there are, nothing is kept in memory, and a look-up asks each run once.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, bindparam, delete, select

from .archive_place import LOW, NAMES, POSITION_BITS, block_of, position_of
from .schema import archive_index, archive_run
from .statements import InsertRows

__all__ = ["MERGE", "Runs", "find_positions", "remove_run"]

_CHUNK = 1024  # entries in one row
MERGE = 64  # neighbours of one level that make a run of the next
_LONG = 1 << 16  # messages in a run that is merged no more
_LAST_LEVEL = 9
_SLICES = 16  # a merge is done in so many parts, between which others may run

# Built once: a look-up executes it for every run.
_CHUNKS = (
    select(archive_index.c.first, archive_index.c.entries)
    .where(archive_index.c.run == bindparam("of"), archive_index.c.first <= bindparam("highest"))
    .order_by(archive_index.c.first.desc())
)


class Runs:
    """Writes runs and merges them; used on the writer's thread."""

    def __init__(self, dialect: Dialect) -> None:
        self._insert_chunks = InsertRows(archive_index, ("run", "first", "entries"), dialect)
        self._insert_run = InsertRows(
            archive_run, ("seq", "last", "level", "count", "until"), dialect
        )

    def write(
        self,
        connection: Connection,
        blocks: tuple[int, int],
        count: int,
        until: float,
        entries: list[int],
    ) -> None:
        """Write the run of the blocks first to last, the latest of which goes at ``until``."""
        first, last = blocks
        entries.sort()
        self._insert_chunks.run(connection, list(_chunks(first, entries)))
        self._insert_run.run(connection, [(first, last, 0, count, until)])

    def merge(self, connection: Connection) -> bool:
        """Merge one group of neighbours; False when there is none."""
        group = _mergeable(connection)
        if not group:
            return False
        seqs = [run.seq for run in group]
        parts = [_read(connection, seq) for seq in seqs]
        for seq in seqs:
            remove_run(connection, seq)
        width = (NAMES + 1) // _SLICES
        for bottom in range(0, NAMES + 1, width):
            merged: list[int] = []
            for part in parts:
                low = bisect_left(part, bottom << POSITION_BITS)
                high = bisect_left(part, bottom + width << POSITION_BITS)
                merged += part[low:high]
            # Made of sorted parts, so this is a merge; in slices, because nobody else runs
            # meanwhile.
            merged.sort()
            self._insert_chunks.run(connection, list(_chunks(seqs[0], merged)))
        count = sum(run.count for run in group)
        level = _LAST_LEVEL if count >= _LONG else group[0].level + 1
        until = max(run.until for run in group)
        self._insert_run.run(connection, [(seqs[0], group[-1].last, level, count, until)])
        return True


def remove_run(connection: Connection, seq: int) -> None:
    """Remove a run with its entries."""
    connection.execute(delete(archive_index).where(archive_index.c.run == seq))
    connection.execute(delete(archive_run).where(archive_run.c.seq == seq))


def find_positions(
    connection: Connection, checksum: int, after: int, before: int, newest_first: bool
) -> Iterator[int]:
    """Give the positions found under a checksum, between ``after`` and ``before``, in order.

    Two names may have one checksum: a message says whose it is.
    """
    runs = select(archive_run.c.seq).where(
        archive_run.c.last >= block_of(after), archive_run.c.seq <= block_of(before)
    )
    seq = archive_run.c.seq
    for run in (
        connection.execute(runs.order_by(seq.desc() if newest_first else seq)).scalars().all()
    ):
        found = [
            position
            for position in _positions(connection, run, checksum)
            if after < position < before
        ]
        found.sort(reverse=newest_first)
        yield from found


def _positions(connection: Connection, run: int, checksum: int) -> Iterator[int]:
    lowest = checksum << POSITION_BITS
    highest = lowest | LOW
    begin = position_of(run, 0)
    with connection.execute(_CHUNKS, {"of": run, "highest": highest}) as rows:
        for first, octets in rows:
            entries = _unpack(octets)
            for found in entries[bisect_left(entries, lowest) : bisect_right(entries, highest)]:
                yield begin + ((found - begin) & LOW)
            if first < lowest:
                break


def _mergeable(connection: Connection) -> Sequence[Any]:  # rows have no static type
    """Return neighbours of one level: a full group, or one that a longer run has cut short."""
    group: list[Any] = []
    for run in connection.execute(select(archive_run).order_by(archive_run.c.seq)):
        if group and run.level != group[0].level:
            if len(group) > 1 and run.level > group[0].level:
                return group
            group = []
        if run.level < _LAST_LEVEL:
            group.append(run)
        if len(group) == MERGE:
            return group
    return ()


def _read(connection: Connection, run: int) -> array[int]:
    entries = array("Q")
    chunks = select(archive_index.c.entries).where(archive_index.c.run == run)
    for octets in connection.execute(chunks.order_by(archive_index.c.first)).scalars():
        entries += _unpack(octets)
    return entries


def _chunks(run: int, entries: list[int]) -> Iterator[tuple[int, int, bytes]]:
    for start in range(0, len(entries), _CHUNK):
        part = array("Q", entries[start : start + _CHUNK])
        first = part[0]
        if sys.byteorder == "big":
            part.byteswap()
        yield run, first, part.tobytes()


def _unpack(octets: bytes) -> array[int]:
    entries = array("Q")
    entries.frombytes(octets)
    if sys.byteorder == "big":
        entries.byteswap()
    return entries
