# SPDX-License-Identifier: Apache-2.0
"""The pager's store: operations go to the writer, the two reads at start are done at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import case, func, select

from pager.recall import Withdrawal, Withdrawn
from pager.values import (
    DeliveryMark,
    ExpiredMessage,
    PendingMessage,
    StoredMessage,
    StoreResult,
    Waiting,
)

from .database import Database
from .entries import Entries, EntryMaking
from .lanes import Lane, Submit
from .mailboxes import PendingLane, StoreLane
from .recalls import RecallLane
from .schema import COPIES, OPEN, SETTLED, mailbox, message
from .settling import ExpireLane, MarkLane

__all__ = ["Messages"]

# A message is numbered when it is committed, at most so many seconds after it was received.
_COMMIT_LAG_S = 300.0
_CHUNK = 2000


class Messages:
    """`pager.ports.MessageStore` on a database."""

    def __init__(self, database: Database, submit: Submit) -> None:
        dialect = database.engine.dialect
        self._database = database
        self._submit = submit
        entries = Entries(dialect)
        self.entry_making = EntryMaking(entries)
        self._store = StoreLane(dialect, entries)
        self._mark = MarkLane(dialect, entries)
        self._expire = ExpireLane(dialect, entries)
        self._recall = RecallLane(dialect, entries)
        self._pending = PendingLane(dialect)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes of the operations, in the order in which a group has to execute them."""
        return (self._store, self._mark, self._expire, self._recall, self._pending)

    @property
    def store_lane(self) -> StoreLane:
        """The lane that numbers messages, for whoever stores some together with other things."""
        return self._store

    def store(self, message: StoredMessage, done: Callable[[StoreResult], None]) -> None:
        """Keep a message; see the port."""
        self._submit(self._store, message, done)

    def mark(
        self, marks: Sequence[DeliveryMark], done: Callable[[bool], None] | None = None
    ) -> None:
        """Record fates; see the port."""
        self._submit(self._mark, marks, done)

    def pending(
        self,
        recipient: str,
        after_seq: int,
        limit: int,
        done: Callable[[list[PendingMessage] | None], None],
    ) -> None:
        """Read what waits for a recipient; see the port."""
        self._submit(self._pending, (recipient, after_seq, limit), done)

    def expire(
        self, before_wall: float, limit: int, done: Callable[[list[ExpiredMessage] | None], None]
    ) -> None:
        """Settle what nobody took in time; see the port."""
        self._submit(self._expire, (before_wall, limit), done)

    def withdraw(self, wish: Withdrawal, done: Callable[[Withdrawn], None]) -> None:
        """Take a message back; see `pager.recall.RecallStore`."""
        self._submit(self._recall, wish, done)

    def waiting_counts(self) -> dict[str, Waiting]:
        """Count what waits; blocks, under a second for a million messages.

        Raises: StorageUnavailable, StoreDamaged.
        """
        state = mailbox.c.state
        counts = (
            select(
                mailbox.c.recipient,
                func.sum(case((state == OPEN, 1), else_=0)),
                func.sum(case((state == COPIES, 1), else_=0)),
            )
            .where(state < SETTLED)
            .group_by(mailbox.c.recipient)
        )
        with self._database.reading() as connection:
            rows = connection.execute(counts).all()
        return {
            recipient: Waiting(int(waiting), int(copies)) for recipient, waiting, copies in rows
        }

    def recent_keys(self, since_wall: float, limit: int) -> list[tuple[bytes, bytes]]:
        """Give (call_id, key) of the newest messages, oldest first; blocks.

        Raises: StorageUnavailable, StoreDamaged.
        """
        newest = (
            select(message.c.received_at, message.c.call_id, message.c.key)
            .order_by(message.c.seq.desc())
            .limit(limit)
        )
        found = []
        with self._database.reading() as connection:
            rows = connection.execute(newest, execution_options={"yield_per": _CHUNK})
            for received_at, call_id, key in rows:
                if received_at < since_wall - _COMMIT_LAG_S:
                    break
                if received_at >= since_wall:
                    found.append((bytes(call_id), bytes(key)))
            rows.close()
        found.reverse()
        return found
