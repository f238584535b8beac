# SPDX-License-Identifier: Apache-2.0
"""The archive: what users sent and received, written in blocks by the writer's thread.

A message noted less than a second before the process is killed may be missing from the archive,
as from the ledger; whether it was delivered or stored does not depend on that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy import Connection, Dialect, delete, func, select

from imsnode.history import NOTHING, Keep

from .archive_group import Group
from .archive_index import Runs, remove_run
from .archive_queue import GROUP, ArchiveQueue
from .archive_removal import forget_displayed, take_back
from .schema import archive_block, archive_brief, archive_run
from .statements import InsertRows
from .stats import StorageStats

__all__ = ["ArchiveMerging", "ArchiveRetention", "ArchiveWriter"]

_log = logging.getLogger(__name__)

_WAIT_S = 0.7  # a message waits so long for company; with the writer's tick, under a second
_MERGE_PAUSE_S = 5.0
_RETENTION_PAUSE_S = 10.0
_RETENTION_BLOCKS = 64


class ArchiveWriter(ArchiveQueue):
    """Takes messages on the loop's thread, writes them on the writer's.

    keep: says for how long a message stays in the history of an address; nothing is kept before
    it is set.
    """

    def __init__(self, dialect: Dialect, wall: Callable[[], float], stats: StorageStats) -> None:
        super().__init__(stats)
        self.keep: Callable[[str], Keep] = lambda _aor: NOTHING
        self._wall = wall
        self._group: Group | None = None
        self._since: float | None = None
        self._next = 1
        self._runs = Runs(dialect)
        self._insert = InsertRows(archive_block, ("seq", "until", "messages"), dialect)
        self._insert_brief = InsertRows(
            archive_brief, ("key", "seq"), dialect, lambda insert: insert.on_conflict_do_nothing()
        )

    @property
    def waiting(self) -> int:
        """Messages that are not written yet."""
        group = self._group
        return self.queued() + (group.count if group is not None else 0)

    def attach(self, connection: Connection) -> None:
        """Go on behind the newest block."""
        last = connection.execute(select(func.max(archive_run.c.last))).scalar()
        self._next = (last or 0) + 1

    def due(self, now: float, urgent: bool) -> bool:
        """True when a group is full, or its oldest message has waited long enough."""
        if self._group is not None:
            return True
        queued = self.queued()
        if not queued:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return urgent or queued >= GROUP or now - self._since >= _WAIT_S

    def step(self, connection: Connection) -> bool:
        """Write one group."""
        group = self._group
        if group is None:
            group = self._group = self._gather()
        if group.count:
            self._insert.run(connection, group.blocks)
            self._insert_brief.run(connection, group.brief)
            blocks = (group.first, group.last)
            self._runs.write(connection, blocks, group.count, group.until, group.entries)
        for key, owners in group.displayed:
            forget_displayed(connection, key, owners)
        for message_id, recipient in group.taken_back:
            take_back(connection, message_id, recipient)
        return self.queued() > 0

    def _gather(self) -> Group:
        # Numbers of blocks are milliseconds, so that a time leads to a position.
        group = Group(max(self._next, int(self._wall() * 1000.0)), self.keep)
        for noted in self.take():
            try:
                group.add(noted)
            except Exception:  # noqa: BLE001 - the others have to be written
                _log.exception("a message cannot be archived")
                self._stats.archive_dropped += 1
        group.close()
        return group

    def committed(self, now: float) -> None:
        """Count what was written."""
        group, self._group = self._group, None
        self._since = None
        if group is not None and group.count:
            self._next = group.last + 1
            self._stats.archived += group.count

    def failed(self, now: float, refused: bool) -> None:
        """Keep the group for later; one that the engine does not take is given up."""
        if refused and self._group is not None:
            self._stats.archive_dropped += self._group.count
            self._group = None


class ArchiveMerging:
    """In the background: makes long runs of short ones, so that few have to be asked."""

    def __init__(self, dialect: Dialect) -> None:
        self._runs = Runs(dialect)
        self._next_at = 0.0
        self._more = False

    def attach(self, connection: Connection) -> None:
        """Nothing is kept that a lost connection could make wrong."""

    def due(self, now: float, urgent: bool) -> bool:
        """True once a pause."""
        return now >= self._next_at

    def step(self, connection: Connection) -> bool:
        """Merge one group of neighbours."""
        self._more = self._runs.merge(connection)
        return self._more

    def committed(self, now: float) -> None:
        """Pause when there is nothing to merge."""
        if not self._more:
            self._next_at = now + _MERGE_PAUSE_S

    def failed(self, now: float, refused: bool) -> None:
        """Try again after the pause."""
        self._next_at = now + _MERGE_PAUSE_S


class ArchiveRetention:
    """In the background: removes blocks whose messages nobody keeps any longer."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._next_at = 0.0
        self._more = False

    def attach(self, connection: Connection) -> None:
        """Nothing is kept that a lost connection could make wrong."""

    def due(self, now: float, urgent: bool) -> bool:
        """True once a pause."""
        return now >= self._next_at

    def step(self, connection: Connection) -> bool:
        """Remove some blocks; when there are none, a run of which no block is left."""
        wall = self._wall()
        block = archive_block.c
        old = select(block.seq).where(block.until < wall).order_by(block.until)
        seqs = connection.execute(old.limit(_RETENTION_BLOCKS)).scalars().all()
        if seqs:
            connection.execute(delete(archive_block).where(block.seq.in_(seqs)))
            connection.execute(delete(archive_brief).where(archive_brief.c.seq.in_(seqs)))
        self._more = len(seqs) == _RETENTION_BLOCKS
        if not self._more:
            over = select(archive_run.c.seq).where(archive_run.c.until < wall).limit(1)
            run = connection.execute(over).scalar()
            if run is not None:
                remove_run(connection, run)
                self._more = True
        return self._more

    def committed(self, now: float) -> None:
        """Pause when nothing old is left."""
        if not self._more:
            self._next_at = now + _RETENTION_PAUSE_S

    def failed(self, now: float, refused: bool) -> None:
        """Try again after the pause."""
        self._next_at = now + _RETENTION_PAUSE_S
