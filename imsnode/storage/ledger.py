# SPDX-License-Identifier: Apache-2.0
"""The ledger: entries are gathered and written in blocks, found by the checksums beside them.

What was noted less than a second before the process is killed is lost from here; the messages
themselves are not, and tell that part of the story (see `imsnode.storage.story`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import Connection, Dialect, delete, func, literal, select

from .cdr import CdrFile
from .ledger_queue import BLOCK, LedgerQueue
from .ledger_text import BlockText, KeptEntry, checksum_of, read_entries
from .schema import ledger_block, ledger_index
from .statements import InsertRows
from .stats import StorageStats

__all__ = ["LedgerRetention", "LedgerWriter", "find_entries"]

_WAIT_S = 0.7  # an entry waits so long for company; with the writer's tick, under a second
_RETENTION_PAUSE_S = 10.0
_RETENTION_BLOCKS = 16


class LedgerWriter(LedgerQueue):
    """`pager.ports.Ledger`: takes entries on the loop's thread, writes them on the writer's."""

    def __init__(self, dialect: Dialect, stats: StorageStats, cdr: CdrFile | None) -> None:
        super().__init__(stats)
        self._cdr = cdr
        self._block: BlockText | None = None
        self._since: float | None = None
        # A block that is there already has been committed unheard.
        self._insert_block = InsertRows(
            ledger_block, ("seq", "lines"), dialect, lambda insert: insert.on_conflict_do_nothing()
        )
        self._insert_index = InsertRows(
            ledger_index,
            ("seq", "ended", "checksums"),
            dialect,
            lambda insert: insert.on_conflict_do_nothing(),
        )
        self._next = 1

    @property
    def waiting(self) -> int:
        """Entries that are not written yet."""
        block = self._block
        return self.queued() + (block.count if block is not None else 0)

    @property
    def dropped(self) -> int:
        """Entries that were given up."""
        return self._stats.ledger_dropped

    def attach(self, connection: Connection) -> None:
        """Go on behind the newest block; one that has been tried keeps its number."""
        if self._block is None:
            last = connection.execute(select(func.max(ledger_block.c.seq))).scalar()
            self._next = (last or 0) + 1

    def due(self, now: float, urgent: bool) -> bool:
        """True when a block is full, or its oldest entry has waited long enough."""
        if self._block is not None:
            return True
        queued = self.queued()
        if not queued:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return urgent or queued >= BLOCK or now - self._since >= _WAIT_S

    def step(self, connection: Connection) -> bool:
        """Write one block."""
        block = self._block
        if block is None:
            block = self._block = self.take()
        if block.count:
            self._insert_block.run(connection, [(self._next, block.seal())])
            self._insert_index.run(connection, [(self._next, block.ended, block.checksums())])
        return self.queued() > 0

    def committed(self, now: float) -> None:
        """Count the block and hand it to the charging records."""
        block, self._block = self._block, None
        self._since = None
        if block is None or not block.count:
            return
        self._next += 1
        self._stats.ledger_rows += block.count
        if self._cdr is not None:
            self._cdr.write(*block.records())

    def failed(self, now: float, refused: bool) -> None:
        """Keep the block for later; one that the engine does not take is given up."""
        if refused and self._block is not None:
            self._stats.ledger_dropped += self._block.count
            self._block = None


def find_entries(connection: Connection, identity: str, limit: int) -> Iterator[KeptEntry]:
    """Give the first ``limit`` entries with a message id, Call-ID or IMDN Message-ID, oldest first.

    Passes over the checksums of all blocks (eight octets an entry) and opens those that match.
    """
    checksum = checksum_of(identity)
    sums = ledger_index.c.checksums
    if connection.dialect.name == "postgresql":
        place = func.position(literal(checksum).op("IN")(sums))
    else:
        place = func.instr(sums, checksum)
    blocks = select(ledger_index.c.seq).where(place > 0).order_by(ledger_index.c.seq)
    for seq in connection.execute(blocks).scalars():
        lines = select(ledger_block.c.lines).where(ledger_block.c.seq == seq)
        for entry in read_entries(bytes(connection.execute(lines).scalar_one()), identity):
            if limit == 0:
                return
            limit -= 1
            yield entry


class LedgerRetention:
    """In the background: removes what is older than the ledger has to remember."""

    def __init__(self, wall: Callable[[], float], retention_s: float) -> None:
        self.retention_s = retention_s
        self._wall = wall
        self._next_at = 0.0
        self._more = False

    def attach(self, connection: Connection) -> None:
        """Nothing is kept that a lost connection could make wrong."""

    def due(self, now: float, urgent: bool) -> bool:
        """True once a pause."""
        return now >= self._next_at

    def step(self, connection: Connection) -> bool:
        """Remove the oldest blocks of which no entry has to be remembered."""
        limit = self._wall() - self.retention_s
        oldest = select(ledger_index.c.seq, ledger_index.c.ended).order_by(ledger_index.c.seq)
        rows = connection.execute(oldest.limit(_RETENTION_BLOCKS)).all()
        old = [row.seq for row in rows if row.ended < limit]
        if old:
            connection.execute(delete(ledger_block).where(ledger_block.c.seq.in_(old)))
            connection.execute(delete(ledger_index).where(ledger_index.c.seq.in_(old)))
        self._more = len(old) == _RETENTION_BLOCKS
        return self._more

    def committed(self, now: float) -> None:
        """Pause when nothing old is left."""
        if not self._more:
            self._next_at = now + _RETENTION_PAUSE_S

    def failed(self, now: float, refused: bool) -> None:
        """Try again after the pause."""
        self._next_at = now + _RETENTION_PAUSE_S
