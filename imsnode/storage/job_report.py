# SPDX-License-Identifier: Apache-2.0
"""What became of the copies of a job: messages of its batches, and parcels that were settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, exists, func, select

from pager.jobs import JobState
from pager.values import MarkState

from .entries import STATE
from .schema import COPIES, OPEN, fate, job_batch, mailbox, message, parcel

__all__ = ["JobReport", "outcomes_of", "report_of"]


@dataclass(frozen=True, slots=True)
class JobReport:
    """A job and what became of its copies until now.

    left: recipients not taken up yet. skipped: got no copy. waiting: nobody has taken it yet.
    delivered, refused, expired: settled so, as far as it is still remembered; ``forgotten`` is
    the rest.
    """

    id: str
    kind: str
    state: str
    sender: str
    address: str
    rate: float
    created_at: float
    ended_at: float | None
    total: int
    left: int
    stored: int
    skipped: int
    waiting: int = 0
    delivered: int = 0
    refused: int = 0
    expired: int = 0
    forgotten: int = 0


def report_of(row: Any, **outcomes: int) -> JobReport:  # a result row has no static type
    """Return the report of a row; ``outcomes`` as of `outcomes_of`, where they are wanted."""
    left = (
        max(0, row.total - row.stored - row.skipped) if row.state == JobState.RUNNING.value else 0
    )
    return JobReport(
        row.id,
        row.kind,
        row.state,
        row.sender,
        row.address,
        row.rate,
        row.created_at,
        row.ended_at,
        row.total,
        left,
        row.stored,
        row.skipped,
        **outcomes,
    )


def outcomes_of(connection: Connection, row: Any) -> dict[str, int]:
    """Count the copies of a job by what became of them."""

    def decided(state: MarkState) -> Any:
        return exists().where(fate.c.seq == message.c.seq, fate.c.state == state.value)

    outcome = case(
        (STATE == OPEN, "waiting"),
        (STATE == COPIES, "delivered"),
        (decided(MarkState.ACCEPTED), "delivered"),
        (decided(MarkState.REFUSED), "refused"),
        else_="expired",
    )
    counts = (
        select(outcome, func.count())
        .select_from(job_batch)
        .join(message, message.c.seq.between(job_batch.c.first, job_batch.c.last))
        .outerjoin(
            mailbox,
            (mailbox.c.recipient == message.c.recipient) & (mailbox.c.key == message.c.key),
        )
        .where(job_batch.c.job == row.id, message.c.call_id == row.call_id)
        .group_by(outcome)
    )
    found = {word: int(count) for word, count in connection.execute(counts)}
    # Copies of a parcel that was settled and were not taken at once are messages by then.
    at_once = select(
        func.coalesce(func.sum(parcel.c.delivered), 0),
        func.coalesce(func.sum(case((parcel.c.settled_at.is_(None), parcel.c.total), else_=0)), 0),
    ).where(parcel.c.identity == row.identity, parcel.c.sender == row.sender)
    delivered, on_their_way = connection.execute(at_once).one()
    found["delivered"] = found.get("delivered", 0) + int(delivered)
    found["waiting"] = found.get("waiting", 0) + int(on_their_way)
    return {**found, "forgotten": row.stored - sum(found.values())}
