# SPDX-License-Identifier: Apache-2.0
"""Messages to very many, sent batch by batch: broadcasts, and what is sent to a large group.

A job is on disk before anybody is told of it. Each batch commits its copies and the place it
came to in one transaction, in the order of the recipients' addresses, so after a restart the job
goes on behind the last recipient who has a copy, and nobody gets a second one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from sip.timers import TimerQueue

from .fanout import BATCH, Fanout
from .original import Original
from .ports import Advance, Clock, CopiesResult

_NEXT: Final = 1
_TICK_S: Final = 0.25  # a paced job takes up so much of its rate at once
_AGAIN_S: Final = 2.0  # after the store failed


class JobKind(StrEnum):
    """Where a job comes from."""

    BROADCAST = "broadcast"
    GROUP = "group"


class JobState(StrEnum):
    """Whether a job goes on."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """A message and how far its sending has come.

    rate: copies a second, 0 for as many as can be. cursor: the last recipient taken up, "" at
    first. ``original.address`` is the group's AoR, or the domain.
    """

    original: Original
    kind: JobKind
    rate: float = 0.0
    total: int = 0
    cursor: str = ""


class JobStore(Protocol):
    """Jobs on a medium that survives the process."""

    def begin(self, job: Job, done: Callable[[bool], None]) -> None:
        """Keep a new job; True also when it is known already, which changes nothing."""
        ...


class Jobs:
    """Sends jobs, several at a time and each in its order.

    Args:
        audience: everybody a job is for by now, in order of their AoRs, the sender left out if
            they shall not have it.
    """

    def __init__(
        self,
        fanout: Fanout,
        store: JobStore,
        audience: Callable[[Job], Sequence[str]],
        timers: TimerQueue,
        clock: Clock,
    ) -> None:
        self.fanout = fanout
        self.store = store
        self.audience = audience
        self.timers = timers
        self.clock = clock
        self.stopped = False
        self.running: dict[str, _Run] = {}

    def begin(self, job: Job, done: Callable[[bool], None]) -> None:
        """Keep a job, then run it; ``done`` follows the commit."""

        def kept(committed: bool) -> None:
            done(committed)
            if committed:
                self.resume([job])

        self.store.begin(job, kept)

    def resume(self, jobs: Iterable[Job]) -> None:
        """Run the jobs given that do not run yet."""
        for job in jobs:
            if job.original.id not in self.running and not self.stopped:
                run = self.running[job.original.id] = _Run(self, job)
                run.on_timer(_NEXT, self.clock.now())

    def cancel(self, ids: Iterable[str]) -> None:
        """Take up no further recipient of jobs that have been ended in the store."""
        for job_id in ids:
            self.running.pop(job_id, None)

    def stop(self) -> None:
        """Begin no further batch."""
        self.stopped = True


class _Run:
    """One job on its way."""

    def __init__(self, jobs: Jobs, job: Job) -> None:
        self.jobs = jobs
        self.job = job
        self.cursor = job.cursor
        self.recipients = jobs.audience(job)
        self.place = bisect_right(self.recipients, job.cursor) if job.cursor else 0

    def on_timer(self, kind: int, now: float) -> None:
        """Send the next batch."""
        jobs, job = self.jobs, self.job
        if jobs.stopped or jobs.running.get(job.original.id) is not self:
            return
        size = BATCH
        if job.rate:
            size = max(1, min(BATCH, round(job.rate * _TICK_S)))
        batch = self.recipients[self.place : self.place + size]
        ended = self.place + len(batch) >= len(self.recipients)
        after = batch[-1] if batch else self.cursor
        advance = Advance(
            job.original.id,
            self.cursor,
            after,
            len(self.recipients),
            jobs.clock.wall() if ended else None,
        )
        self.next_at = now + (size / job.rate if job.rate else 0.0)

        def done(result: CopiesResult) -> None:
            self._sent(result, after, len(batch), ended)

        jobs.fanout.send(job.original, batch, now, done, advance)

    def _sent(self, result: CopiesResult, after: str, count: int, ended: bool) -> None:
        jobs = self.jobs
        if result.copies is None and not result.stopped:
            jobs.timers.schedule(jobs.clock.now() + _AGAIN_S, self, _NEXT)
            return
        if ended or result.stopped:
            jobs.running.pop(self.job.original.id, None)
            return
        self.cursor = after
        self.place += count
        jobs.timers.schedule(self.next_at, self, _NEXT)
