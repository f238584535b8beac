# SPDX-License-Identifier: Apache-2.0
"""The ledger: entries are gathered and written in batches, then indexed run by run.

What was noted less than a second before the process is killed is lost from here; the messages
themselves are not, and tell that part of the story (see `imsnode.storage.story`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sqlalchemy import Connection, Dialect, bindparam, delete, func, insert, select

from pager.values import LedgerEntry, Step

from .cdr import CdrFile
from .schema import ledger, ledger_by_call, ledger_by_message, ledger_run
from .statements import InsertRows, Query
from .stats import StorageStats

__all__ = ["LedgerIndex", "LedgerRetention", "LedgerWriter", "read_steps", "write_steps"]

BATCH = 5000  # entries in one transaction
RUN = 8192  # entries indexed together
_WAIT_S = 0.7  # an entry waits so long for company; with the writer's tick, under a second
_PART = 256  # entries turned into rows between two statements
_WAITING_LIMIT = 200_000
_RETENTION_PAUSE_S = 10.0
_RETENTION_ROWS = 1024
_COLUMNS = (
    "seq", "message_id", "call_id", "at", "ended", "sender", "recipient", "size", "outcome",
    "steps",
)  # fmt: skip


def write_steps(at: float, steps: list[Step]) -> str:
    """Return the steps as lines: milliseconds after ``at``, step, status, rule, device."""
    return "\n".join(
        [
            f"{round((when - at) * 1000)}\t{step}\t{status}\t{rule}\t{device}"
            for when, step, device, status, rule in steps
        ]
    )


def read_steps(at: float, text: str) -> list[Step]:
    """Read what `write_steps` wrote; times to the millisecond."""
    steps: list[Step] = []
    for line in text.split("\n") if text else ():
        when, step, status, rule, device = line.split("\t", 4)
        steps.append((at + int(when) / 1000, step, device, int(status), rule))
    return steps


class LedgerWriter:
    """`pager.ports.Ledger`: takes entries on the loop's thread, writes them on the writer's.

    At most 200,000 entries wait; while the database is away the ones beyond are dropped and
    counted, because a ledger must not hold up messages.
    """

    def __init__(self, dialect: Dialect, stats: StorageStats, cdr: CdrFile | None) -> None:
        self._stats = stats
        self._cdr = cdr
        self._queue: deque[LedgerEntry] = deque()
        self._taken: list[LedgerEntry] = []
        self._batch = BATCH
        self._since: float | None = None
        self._insert = InsertRows(ledger, _COLUMNS, dialect)
        self._next = 1
        self._written_to = 0
        self.last_seq = 0

    @property
    def waiting(self) -> int:
        """Entries that are not written yet."""
        return len(self._queue) + len(self._taken)

    @property
    def dropped(self) -> int:
        """Entries that were given up."""
        return self._stats.ledger_dropped

    def note(self, entry: LedgerEntry) -> None:
        """Take an entry."""
        if len(self._queue) < _WAITING_LIMIT:
            self._queue.append(entry)
        else:
            self._stats.ledger_dropped += 1

    def attach(self, connection: Connection) -> None:
        """Go on behind the newest entry."""
        last = connection.execute(select(func.max(ledger.c.seq))).scalar()
        indexed = connection.execute(select(func.max(ledger_run.c.last_seq))).scalar()
        self.last_seq = max(last or 0, indexed or 0)
        self._next = self.last_seq + 1

    def due(self, now: float, urgent: bool) -> bool:
        """True when a batch is full, or its oldest entry has waited long enough."""
        if not self._queue:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return urgent or len(self._queue) >= self._batch or now - self._since >= _WAIT_S

    def step(self, connection: Connection) -> bool:
        """Write one batch."""
        queue = self._queue
        self._taken = taken = [queue.popleft() for _ in range(min(len(queue), self._batch))]
        seq = self._next
        for start in range(0, len(taken), _PART):
            rows = []
            for entry in taken[start : start + _PART]:
                at = entry.at
                steps = entry.steps
                rows.append(
                    (
                        seq,
                        entry.message_id,
                        entry.call_id,
                        at,
                        steps[-1][0] if steps else at,
                        entry.sender,
                        entry.recipient,
                        entry.size,
                        entry.outcome,
                        write_steps(at, steps),
                    )
                )
                seq += 1
            self._insert.run(connection, rows)
        self._written_to = seq
        return bool(queue)

    def committed(self, now: float) -> None:
        """Count the batch and hand it to the charging records."""
        taken, self._taken = self._taken, []
        self._next = self._written_to
        self.last_seq = self._next - 1
        self._stats.ledger_rows += len(taken)
        self._batch = min(BATCH, self._batch * 2)
        self._since = None
        if self._cdr is not None:
            self._cdr.write(taken)

    def failed(self, now: float, refused: bool) -> None:
        """Keep the batch for later; an entry that the engine does not take is given up."""
        taken, self._taken = self._taken, []
        if refused and len(taken) == 1:
            self._stats.ledger_dropped += 1
            return
        if refused:
            self._batch = max(1, len(taken) // 2)
        self._queue.extendleft(reversed(taken))


class LedgerIndex:
    """In the background: sorts full runs of the ledger into its two look-up tables."""

    def __init__(self, dialect: Dialect, writer: LedgerWriter) -> None:
        self._writer = writer
        self._indexed = 0
        self._run = 0
        within = ledger.c.seq.between(bindparam("first"), bindparam("last"))
        by_message = select(bindparam("run"), ledger.c.message_id, ledger.c.seq).where(within)
        by_call = select(bindparam("run"), ledger.c.call_id, ledger.c.seq).where(within)
        self._fill = [
            Query(
                insert(table).from_select(
                    list(table.c), rows.order_by(rows.selected_columns[1], ledger.c.seq)
                ),
                dialect,
            )
            for table, rows in ((ledger_by_message, by_message), (ledger_by_call, by_call))
        ]

    def attach(self, connection: Connection) -> None:
        """See how far the index reaches."""
        self._indexed = connection.execute(select(func.max(ledger_run.c.last_seq))).scalar() or 0
        self._run = connection.execute(select(func.max(ledger_run.c.run))).scalar() or 0

    def due(self, now: float, urgent: bool) -> bool:
        """True when a run is full."""
        return self._writer.last_seq - self._indexed >= RUN

    def step(self, connection: Connection) -> bool:
        """Index one run."""
        run, first, last = self._run + 1, self._indexed + 1, self._indexed + RUN
        for fill in self._fill:
            fill.run(connection, run, first, last)
        within = ledger.c.seq.between(first, last)
        ended = connection.execute(select(func.max(ledger.c.ended)).where(within)).scalar()
        connection.execute(
            insert(ledger_run).values(
                run=run, first_seq=first, last_seq=last, last_ended=ended or 0.0
            )
        )
        return True

    def committed(self, now: float) -> None:
        """Go on behind the run."""
        self._run += 1
        self._indexed += RUN

    def failed(self, now: float, refused: bool) -> None:
        """The same run is built again later."""


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
        """Remove the oldest run, or what is oldest behind the last one."""
        limit = self._wall() - self.retention_s
        oldest = connection.execute(select(ledger_run).order_by(ledger_run.c.run).limit(1)).first()
        if oldest is not None:
            self._more = oldest.last_ended < limit
            if self._more:
                _remove_run(connection, oldest.run, oldest.first_seq, oldest.last_seq)
            return self._more
        some = select(ledger.c.seq, ledger.c.ended).order_by(ledger.c.seq).limit(_RETENTION_ROWS)
        rows = connection.execute(some).all()
        old = [row.seq for row in rows if row.ended < limit]
        if old:
            connection.execute(delete(ledger).where(ledger.c.seq.in_(old)))
        self._more = len(old) == _RETENTION_ROWS
        return self._more

    def committed(self, now: float) -> None:
        """Pause when nothing old is left."""
        if not self._more:
            self._next_at = now + _RETENTION_PAUSE_S

    def failed(self, now: float, refused: bool) -> None:
        """Try again after the pause."""
        self._next_at = now + _RETENTION_PAUSE_S


def _remove_run(connection: Connection, run: int, first: int, last: int) -> None:
    connection.execute(delete(ledger_by_message).where(ledger_by_message.c.run == run))
    connection.execute(delete(ledger_by_call).where(ledger_by_call.c.run == run))
    connection.execute(delete(ledger).where(ledger.c.seq.between(first, last)))
    connection.execute(delete(ledger_run).where(ledger_run.c.run == run))
