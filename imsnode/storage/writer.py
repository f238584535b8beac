# SPDX-License-Identifier: Apache-2.0
"""The one thread that writes: everything that waited while a flush ran is the next transaction.

The event loop pays for an append to a queue. Completions go back in one wake-up per group. When a
group cannot be committed every operation of it fails, the connection is given up, and the next
group starts on a new one: nothing has to be restarted (threats.md D6).
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, delete, exc, insert

from .database import Database, leaves_connection_whole, read_only, reason_of
from .errors import StorageError, StorageUnavailable
from .failpoints import AFTER_COMMIT, BEFORE_COMMIT, MID_GROUP, FailPoint
from .lanes import Background, Completions, Done, Item, Lane, Operation, Result, execute_lane
from .pace import Defer, Pace
from .schema import due
from .stats import StorageStats

__all__ = ["Writer"]

_log = logging.getLogger(__name__)

_GROUP_LIMIT = 4096  # operations in one transaction
_RECONNECT_S = 0.25  # between two attempts to reach a lost store
_PROBE_S = 1.0  # between two attempts to write to a store that failed, when nobody else tries
_TICK_S = 0.25  # an idle writer looks for background work so often
_BACKGROUND_S = 0.02  # spent on background work before the queue is looked at again
_BACKGROUND_BUSY_S = 0.005  # the same when operations wait already
_YIELD_EVERY_S = 0.001
_YIELD_S = 0.00005
# How much the loop's thread is favoured where both want one processor: nobody waits for what is
# written behind, and what is waited for comes when the loop rests.
_NICE = 10

_PROBE_KIND = -1  # of due; never committed together with a row

# What an operation can do wrong by itself: text or numbers the engine does not take, keys twice.
_OPERATION_ERRORS = (
    exc.IntegrityError,
    exc.DataError,
    exc.ProgrammingError,
    exc.NotSupportedError,
)
_STORE_ERRORS = (StorageError, exc.SQLAlchemyError, OSError)

Deliver = Callable[[Callable[[], None]], object]


class Writer:
    """Group commit over lanes.

    Args:
        database: where to write; connected from the writer's own thread.
        lanes: in the order in which they are executed within a group.
        buffers: background work that a flush waits for, and the end of the thread.
        background: other work done between groups.
        deliver: runs a callable on the event loop, from any thread (loop.call_soon_threadsafe).
        queue_limit: operations that may wait; one more is refused at once.
        defer: see `Pace`.
        fail_point: ends the process, for tests of the commit path.
    """

    def __init__(
        self,
        database: Database,
        lanes: Sequence[Lane],
        buffers: Sequence[Background],
        background: Sequence[Background],
        deliver: Deliver,
        queue_limit: int,
        stats: StorageStats,
        fail_point: FailPoint | None = None,
        defer: Defer | None = None,
    ) -> None:
        self.stats = stats
        self.trouble = ""
        self._database = database
        self._lanes = list(lanes)
        self._buffers = list(buffers)
        self._background = list(background)
        self._deliver = deliver
        self._queue_limit = queue_limit
        self._fail_point = fail_point
        self._queue: deque[Operation] = deque()
        self._flushes: deque[Done] = deque()
        self._pace = Pace(self.rouse, defer)
        self._wake = threading.Lock()
        self._wake.acquire()
        self._busy = False
        self._closing = False
        self._yielded_at = 0.0
        self._unfinished = False  # background work was left for the next round
        self._refusal = ""
        self._connection: Connection | None = None
        self._identity = (0, 0)
        self._retry_at = 0.0
        self._probe_at = 0.0
        self._thread = threading.Thread(target=self._run, name="storage-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Operations that have not been taken into a group yet."""
        return len(self._queue)

    def submit(self, lane: Lane, item: Item, done: Done | None) -> None:
        """Queue an operation; called on the thread of the event loop only.

        ``done`` runs there too, after this call has returned, also when the queue is full.
        """
        if len(self._queue) >= self._queue_limit or self._closing:
            self.stats.refused += 1
            if done is not None:
                reason = "closing" if self._closing else "too many operations are waiting"
                self._deliver(Completions([(done, lane.failed(item, reason))], self._go_on).run)
            return
        self._queue.append((lane, item, done))
        self._pace.queued()

    def flush(self, done: Done) -> None:
        """Write all that waits, background lanes' too; ``done(True)`` when it is durable."""
        self._flushes.append(done)
        self.rouse()

    def rouse(self) -> None:
        """Start a writer at rest; a busy one goes on with what waits then."""
        with contextlib.suppress(RuntimeError):  # roused already
            self._wake.release()

    def give_way(self, now: float) -> None:
        """Let the writer have the interpreter, if it has work; called once per wake-up.

        A busy loop gives the interpreter lock up at its system calls only to have it back before
        another thread has woken, so a writer beside it would starve. A sleep of 50 microseconds,
        once a millisecond at most, is long enough for it to get its turn.
        """
        self._pace.turned()
        if self._busy and now - self._yielded_at >= _YIELD_EVERY_S:
            time.sleep(_YIELD_S)
            self._yielded_at = now

    def close(self, timeout_s: float) -> bool:
        """Write what waits, then end the thread; True when it ended in time."""
        self._closing = True
        self.rouse()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        _stand_back()
        closing = False
        group: list[Operation] = []
        while not closing or self._queue or self._flushes:
            if not self._unfinished and len(group) < _GROUP_LIMIT:
                self._rest()
            # In this order: whoever closes or flushes means all that was queued before.
            closing = self._closing
            flushes = [self._flushes.popleft() for _ in range(len(self._flushes))]
            group = self._take(len(self._queue) if flushes else _GROUP_LIMIT)
            if group:
                self._commit(group)
            self._work_in_background(flushes, closing)
        self._drop_connection()

    def _rest(self) -> None:
        """Wait to be roused, or for the time to look for background work."""
        if not self._flushes and not self._closing:
            self._busy = False
            self._wake.acquire(timeout=_TICK_S)
            self._busy = True

    def _take(self, limit: int) -> list[Operation]:
        queue = self._queue
        return [queue.popleft() for _ in range(min(len(queue), limit))]

    def _commit(self, group: list[Operation]) -> None:
        """Execute a group; split it when an operation in it is what cannot be executed."""
        self.stats.groups += 1
        self.stats.operations += len(group)
        parts = [group]
        while parts:
            part = parts.pop()
            try:
                completions = self._execute(part)
            except Exception as error:  # noqa: BLE001 - or nobody of the group is ever answered
                if _is_refusal(error) and len(part) > 1:
                    self._roll_back()
                    half = len(part) // 2
                    parts += (part[half:], part[:half])
                    continue
                completions = self._fail(part, error)
            self._complete(completions)

    def _execute(self, group: list[Operation]) -> list[tuple[Done, Result]]:
        connection = self._connected()
        by_lane: dict[Lane, list[Operation]] = {}
        for operation in group:
            by_lane.setdefault(operation[0], []).append(operation)
        completions: list[tuple[Done, Result]] = []
        writing = [lane for lane in self._lanes if lane in by_lane and not lane.reads]
        if writing:
            with connection.begin():
                for lane in writing:
                    completions += execute_lane(connection, lane, by_lane[lane])
                    self._reach(MID_GROUP)
                self._reach(BEFORE_COMMIT)
            self._reach(AFTER_COMMIT)
            self._verify()
            for lane in writing:
                lane.committed()
            self.trouble = ""
        # What the group wrote is durable whatever becomes of its reads.
        for lane in self._lanes:
            if lane.reads and lane in by_lane:
                completions += self._read(connection, lane, by_lane[lane])
        return completions

    def _verify(self) -> None:
        """Refuse to call durable what was written to a file that nobody will find again."""
        if self._database.identity() != self._identity:
            raise StorageUnavailable(self._database.name, "the file has been replaced")

    def _read(
        self, connection: Connection, lane: Lane, operations: list[Operation]
    ) -> list[tuple[Done, Result]]:
        try:
            with read_only(connection), connection.begin():
                completions = execute_lane(connection, lane, operations)
        except Exception as error:  # noqa: BLE001 - the writes of the group have to be answered
            return self._fail(operations, error)
        return completions

    def _fail(self, group: list[Operation], error: Exception) -> list[tuple[Done, Result]]:
        reason = reason_of(error)
        self.stats.failed_groups += 1
        self.stats.failed_operations += len(group)
        if not _is_refusal(error):
            if not self.trouble:
                _log.error("storage failed", extra={"reason": reason})
            self.trouble = reason
            if leaves_connection_whole(error):
                self._roll_back()
            else:
                self._drop_connection()
        else:
            if reason != self._refusal:
                # The engine's own errors may quote the row, which has the body in it.
                trace = None if isinstance(error, exc.SQLAlchemyError) else error
                _log.error("storage refused an operation", exc_info=trace, extra={"reason": reason})
            self._refusal = reason
            self._roll_back()
        return [(done, lane.failed(item, reason)) for lane, item, done in group if done is not None]

    def _roll_back(self) -> None:
        """Make the lanes forget what they planned in a transaction that did not happen."""
        connection = self._connection
        if connection is None:
            return
        try:
            with read_only(connection), connection.begin():
                self._attach(connection)
        except exc.SQLAlchemyError:
            self._drop_connection()

    def _connected(self) -> Connection:
        connection = self._connection
        if connection is not None:
            return connection
        now = time.monotonic()
        if now < self._retry_at:
            raise StorageUnavailable(self._database.name, self.trouble)
        self._retry_at = now + _RECONNECT_S
        connection = self._database.connect()
        try:
            self._identity = self._database.identity()
            with read_only(connection), connection.begin():
                self._attach(connection)
        except BaseException:
            connection.close()
            raise
        if self.stats.groups > 1:
            self.stats.reconnects += 1
        self._retry_at = 0.0
        self._connection = connection
        return connection

    def _attach(self, connection: Connection) -> None:
        for lane in self._lanes:
            lane.attach(connection)
        for work in (*self._buffers, *self._background):
            work.attach(connection)

    def _drop_connection(self) -> None:
        connection = self._connection
        self._connection = None
        if connection is None:
            return
        try:
            connection.close()
        except exc.SQLAlchemyError as error:
            _log.warning("connection did not close", extra={"reason": reason_of(error)})

    def _complete(self, completions: list[tuple[Done, Result]]) -> None:
        if not completions:
            return
        # What was queued meanwhile waits for what comes of the results.
        self._wake.acquire(blocking=False)
        try:
            self._deliver(Completions(completions, self._go_on).run)
        except RuntimeError:
            # The loop has been closed: nobody is left who could be told.
            _log.warning("results were not delivered", extra={"count": len(completions)})

    def _go_on(self) -> None:
        if self._queue:
            self._pace.queued()

    def _reach(self, point: str) -> None:
        if self._fail_point is not None:
            self._fail_point.reach(point)

    def _work_in_background(self, flushes: list[Done], closing: bool) -> None:
        urgent = closing or bool(flushes)
        started = time.monotonic()
        self._unfinished = False
        fine = not self.trouble or self._probe(started, urgent)
        for buffer in self._buffers:
            fine = fine and self._run_background(buffer, started, urgent)
        self._complete([(done, fine) for done in flushes])
        for work in self._background:
            if not fine or closing:
                break
            fine = self._run_background(work, started, False)

    def _run_background(self, work: Background, started: float, urgent: bool) -> bool:
        """Let one kind of background work have its share; False when the store failed."""
        now = started
        while work.due(now, urgent):
            share = _BACKGROUND_BUSY_S if self._queue else _BACKGROUND_S
            if now - started >= share and not urgent:
                self._unfinished = True
                break
            try:
                connection = self._connected()
                with connection.begin():
                    more = work.step(connection)
                self._verify()
            except Exception as error:  # noqa: BLE001 - the thread has to go on for the others
                refused = _is_refusal(error)
                self._fail([], error)
                work.failed(now, refused)
                if refused and urgent:
                    continue  # what was refused is given up sooner or later
                return refused
            now = time.monotonic()
            work.committed(now)
            self.stats.background_steps += 1
            if not more:
                break
        return True

    def _probe(self, now: float, urgent: bool) -> bool:
        """Try to write to a store that failed, so that it is known when it is back."""
        if now < self._probe_at and not urgent:
            return False
        self._probe_at = now + _PROBE_S
        try:
            connection = self._connected()
            with connection.begin():
                connection.execute(insert(due).values(kind=_PROBE_KIND, at=0.0, seq=0))
                connection.execute(delete(due).where(due.c.kind == _PROBE_KIND))
        except _STORE_ERRORS as error:
            self._fail([], error)
            return False
        self.trouble = ""
        return True


def _stand_back() -> None:
    """Let other threads go first; on Linux alone a thread has a priority of its own (sched(7))."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _is_refusal(error: Exception) -> bool:
    """Tell what is the matter with one operation from what is the matter with the store."""
    return isinstance(error, _OPERATION_ERRORS) or not isinstance(error, _STORE_ERRORS)
