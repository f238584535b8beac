# SPDX-License-Identifier: Apache-2.0
"""Messages to many: copies stored a batch at a time, and how far each job has come.

The copies of a batch and the place its job has reached are one transaction. The numbers of the
messages of a batch lie close together; they are kept, and tell later what became of the copies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pager.jobs import Job, JobKind, JobState
from pager.original import Original
from pager.ports import Advance, Bundle, CopiesResult, Settled, Told
from pager.values import StoredMessage, StoreKind, StoreResult

from .database import Database
from .errors import JobRefused
from .job_report import JobReport, outcomes_of, report_of
from .lanes import Lane, Submit
from .mailboxes import StoreLane
from .parcels import Parcels, SettleLane, note_batch
from .schema import job, job_batch
from .tallies import mark_told

__all__ = ["JobReport", "JobTable", "Jobs"]

_RUNNING = JobState.RUNNING.value


class JobTable:
    """Jobs as commands see them: every verb is one transaction, and blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, new: Job) -> None:
        """Keep a job; a node takes it up when it is told or starts."""
        with self._database.writing() as connection:
            connection.execute(insert(job).values(_values(new)))

    def cancel(self, job_id: str, wall: float) -> None:
        """End a job that runs; the copies it has made stay.

        Raises: JobRefused.
        """
        running = (job.c.id == job_id) & (job.c.state == _RUNNING)
        with self._database.writing() as connection:
            ended = {"state": JobState.CANCELLED.value, "ended_at": wall}
            done = connection.execute(
                update(job).where(running).values(**ended, head=b"", body=b"")
            )
            if not done.rowcount:
                known = connection.execute(select(job.c.state).where(job.c.id == job_id)).scalar()
                if known is None:
                    raise JobRefused(f"there is no broadcast {job_id}")
                raise JobRefused(f"{job_id} does not run any more: {known}")

    def forget(self, before: float) -> int:
        """Remove jobs that ended before a wall time; return how many."""
        old = select(job.c.id).where(job.c.ended_at < before)
        with self._database.writing() as connection:
            connection.execute(delete(job_batch).where(job_batch.c.job.in_(old)))
            return connection.execute(delete(job).where(job.c.ended_at < before)).rowcount

    def running(self) -> list[Job]:
        """Return the jobs that are not done, oldest first."""
        wanted = select(job).where(job.c.state == _RUNNING).order_by(job.c.created_at, job.c.id)
        with self._database.reading() as connection:
            return [_job(row) for row in connection.execute(wanted)]

    def report(self, job_id: str) -> JobReport | None:
        """Tell how far a job has come and what became of its copies; None without one."""
        with self._database.reading() as connection:
            row = connection.execute(select(job).where(job.c.id == job_id)).first()
            if row is None:
                return None
            return report_of(row, **outcomes_of(connection, row))

    def reports(self, limit: int, kinds: Collection[JobKind] = tuple(JobKind)) -> list[JobReport]:
        """Return the newest jobs, newest first, without what became of their copies."""
        newest = (
            select(job)
            .where(job.c.kind.in_([kind.value for kind in kinds]))
            .order_by(job.c.created_at.desc(), job.c.id.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [report_of(row) for row in connection.execute(newest)]


_Batch = tuple[Sequence[StoredMessage], Advance | Told | None, Bundle | None]


class Jobs:
    """`pager.ports.CopyStore` and `pager.jobs.JobStore` on a database."""

    def __init__(
        self, store: StoreLane, parcels: Parcels, settle: SettleLane, submit: Submit
    ) -> None:
        self._submit = submit
        self._begin = _BeginLane()
        self._copies = _CopyLane(store, parcels)
        self._settle = settle

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes of the operations: what parcels leave is older than any batch."""
        return (self._begin, self._settle, self._copies)

    def begin(self, new: Job, done: Callable[[bool], None]) -> None:
        """Keep a job; see the port."""
        self._submit(self._begin, new, done)

    def store_copies(
        self,
        copies: Sequence[StoredMessage],
        advance: Advance | Told | None,
        done: Callable[[CopiesResult], None],
        bundle: Bundle | None = None,
    ) -> None:
        """Store copies and take their job forward; see the port."""
        self._submit(self._copies, (copies, advance, bundle), done)

    def settle(
        self, settled: Settled, done: Callable[[Sequence[StoreResult] | None], None]
    ) -> None:
        """End a parcel; see the port."""
        self._submit(self._settle, settled, done)


class _BeginLane:
    """Keeps jobs that were asked for over SIP; who asks again has the first one."""

    reads = False

    def attach(self, connection: Connection) -> None:
        """Nothing is kept in memory."""

    def execute(self, connection: Connection, items: Sequence[Job]) -> list[bool]:
        """Insert what is not there."""
        kind = postgresql if connection.dialect.name == "postgresql" else sqlite
        for item in items:
            one = kind.insert(job).values(_values(item)).on_conflict_do_nothing()
            connection.execute(one)
        return [True] * len(items)

    def committed(self) -> None:
        """Nothing is kept in memory."""

    def failed(self, item: Job, reason: str) -> bool:
        """Return False."""
        return False


_ADVANCE = (
    update(job)
    .where(
        job.c.id == bindparam("which"),
        job.c.state == _RUNNING,
        job.c.cursor == bindparam("before"),
    )
    .values(
        cursor=bindparam("after"),
        total=bindparam("all"),
        skipped=job.c.skipped + bindparam("left_out"),
    )
)
_COUNT = (
    update(job)
    .where(job.c.id == bindparam("which"))
    .values(stored=job.c.stored + bindparam("more"))
)
_END = (
    update(job)
    .where(job.c.id == bindparam("which"))
    .values(state=JobState.DONE.value, ended_at=bindparam("at"), head=b"", body=b"")
)


class _CopyLane:
    """Stores batches."""

    reads = False

    def __init__(self, store: StoreLane, parcels: Parcels) -> None:
        self._store = store
        self._parcels = parcels

    def attach(self, connection: Connection) -> None:
        """Look for parcels; the numbers are those of the lane that stores single messages."""
        self._parcels.attach(connection)

    def execute(self, connection: Connection, items: Sequence[_Batch]) -> list[CopiesResult]:
        """Take each job forward, then store the copies of its batch."""
        return [self._batch(connection, *item) for item in items]

    def _batch(
        self,
        connection: Connection,
        copies: Sequence[StoredMessage],
        advance: Advance | Told | None,
        bundle: Bundle | None,
    ) -> CopiesResult:
        if isinstance(advance, Told):
            mark_told(connection, advance)
        elif advance is not None and not _advance(connection, advance):
            if not _has_advanced(connection, advance):
                return CopiesResult(None, stopped=True)
            given = [*copies, *bundle.copies] if bundle is not None else copies
            return CopiesResult([StoreResult(StoreKind.DUPLICATE, copy.id) for copy in given])
        # Whom a job has taken up its place tells.
        result = self._keep(
            connection, copies, bundle, advance.job if isinstance(advance, Advance) else ""
        )
        if isinstance(advance, Advance):
            _count(connection, advance, result.copies or ())
        return result

    def _keep(
        self,
        connection: Connection,
        copies: Sequence[StoredMessage],
        bundle: Bundle | None,
        of_job: str,
    ) -> CopiesResult:
        """Store copies, those of a bundle together unless some may have been kept before."""
        if bundle is None:
            return CopiesResult(self._stored(connection, copies))
        carried = bundle.copies
        known = set() if of_job else self._parcels.known(connection, bundle)
        if known or (carried and not of_job and self._store.knows(connection, carried)):
            return CopiesResult(self._sort_out(connection, [*copies, *carried], known))
        results = self._stored(connection, copies)
        if not carried:
            return CopiesResult(results)
        number = self._parcels.keep(connection, bundle, of_job)
        together = [StoreResult(StoreKind.STORED, copy.id) for copy in carried]
        return CopiesResult([*results, *together], parcel=number)

    def _sort_out(
        self, connection: Connection, copies: Sequence[StoredMessage], known: Collection[str]
    ) -> list[StoreResult]:
        """Store each copy by itself whose recipient has not had one."""
        new = [copy for copy in copies if copy.recipient not in known]
        stored = iter(self._stored(connection, new))
        return [
            StoreResult(StoreKind.DUPLICATE, copy.id) if copy.recipient in known else next(stored)
            for copy in copies
        ]

    def _stored(self, connection: Connection, copies: Sequence[StoredMessage]) -> list[StoreResult]:
        return self._store.execute(connection, copies) if copies else []

    def committed(self) -> None:
        """Tell those who number messages and parcels."""
        self._parcels.committed()
        self._store.committed()

    def failed(self, item: _Batch, reason: str) -> CopiesResult:
        """Return that nothing was stored."""
        return CopiesResult(None, detail=reason)


def _advance(connection: Connection, advance: Advance) -> bool:
    """Take a job forward; False when it does not run or stands elsewhere."""
    step = {
        "which": advance.job,
        "before": advance.before,
        "after": advance.after,
        "all": advance.total,
        "left_out": advance.skipped,
    }
    return bool(connection.execute(_ADVANCE, step).rowcount)


def _has_advanced(connection: Connection, advance: Advance) -> bool:
    """Say whether this very step was committed before, and nobody heard of it."""
    state = JobState.RUNNING if advance.ended is None else JobState.DONE
    stands = select(job.c.id).where(
        job.c.id == advance.job, job.c.cursor == advance.after, job.c.state == state.value
    )
    return advance.after != advance.before and connection.execute(stands).first() is not None


def _count(connection: Connection, advance: Advance, results: Sequence[StoreResult]) -> None:
    """Note the copies of a batch, and the end of its job."""
    made = sum(result.kind is StoreKind.STORED for result in results)
    if made:
        connection.execute(_COUNT, {"which": advance.job, "more": made})
    note_batch(connection, advance.job, results)
    if advance.ended is not None:
        connection.execute(_END, {"which": advance.job, "at": advance.ended})


def _values(new: Job) -> dict[str, object]:
    original = new.original
    return {
        "id": original.id,
        "kind": new.kind.value,
        "state": _RUNNING,
        "sender": original.sender,
        "address": original.address,
        "rate": new.rate,
        "created_at": original.at,
        "expires_at": original.expires_at,
        "ended_at": None,
        "call_id": original.call_id,
        "cseq": original.cseq,
        "identity": original.identity,
        "head": original.head,
        "body": original.body,
        "total": new.total,
        "stored": 0,
        "skipped": 0,
        "cursor": "",
    }


def _job(row: Any) -> Job:  # a result row has no static type
    original = Original(
        row.id,
        row.sender,
        row.address,
        bytes(row.call_id),
        row.cseq,
        bytes(row.identity),
        row.created_at,
        row.expires_at,
        bytes(row.head),
        bytes(row.body),
        JobKind(row.kind) is JobKind.BROADCAST,
    )
    return Job(original, JobKind(row.kind), row.rate, row.total, row.cursor)
