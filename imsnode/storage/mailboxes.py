# SPDX-License-Identifier: Apache-2.0
"""The lanes that store messages and read what waits, many messages to a statement.

A message is a row of ``message`` in the order of commits, and later an entry of ``mailbox`` under
its recipient and idempotency key; entries of ``due`` remind of that, and of its deadline and its
neighbours'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, bindparam, func, literal, select, union_all

from pager.values import PendingMessage, StoredMessage, StoreKind, StoreResult

from .entries import STANDING, STATE, Entries, missing_from
from .schema import (
    COPIES,
    DUE_ENTRIES,
    DUE_EXPIRY,
    NEIGHBOURS,
    OPEN,
    SETTLED,
    due,
    fate,
    mailbox,
    message,
)
from .statements import InsertRows, PerCount, Query

__all__ = ["PendingLane", "StoreLane", "stored_message"]

_STORED = StoreKind.STORED
_MESSAGE_COLUMNS = (
    "seq", "id", "recipient", "key", "received_at", "expires_at", "sender", "call_id", "cseq",
    "size", "devices", "offered", "head", "body",
)  # fmt: skip


def _join(names: Sequence[str]) -> str:
    """Put names on lines of their own; an empty name is an empty line, no name is no line."""
    return "".join([f"{name}\n" for name in names]) if names else ""


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n")[:-1]) if text else ()


class StoreLane:
    """Stores messages, each once.

    A connection may be lost between a commit and its answer: the messages are there, and their
    senders were told that they are not. ``unheard`` gets the recipient of each, and whether a
    device has taken it, when the store can be reached again; on the writer's thread.
    """

    reads = False

    def __init__(self, dialect: Dialect, entries: Entries) -> None:
        self._entries = entries
        self._claim = InsertRows(
            mailbox,
            ("recipient", "key", "seq", "state"),
            dialect,
            lambda insert: insert.on_conflict_do_nothing(),
        )
        self._insert = InsertRows(message, _MESSAGE_COLUMNS, dialect)
        self._remind = InsertRows(
            due,
            ("kind", "at", "seq"),
            dialect,
            lambda insert: insert.on_conflict_do_nothing(),
        )
        self._owner = Query(
            select(mailbox.c.seq).where(
                mailbox.c.recipient == bindparam("recipient"), mailbox.c.key == bindparam("key")
            ),
            dialect,
        )
        self._id = Query(select(message.c.id).where(message.c.seq == bindparam("seq")), dialect)
        behind = (message.c.seq > bindparam("heard"), STATE < SETTLED)
        self._behind = Query(
            select(message.c.recipient, STATE).select_from(STANDING).where(*behind), dialect
        )
        self.unheard: Callable[[list[tuple[str, bool]]], None] = _nobody_hears
        self._heard: int | None = None  # the newest message whose commit was heard of
        self._next = 1

    def attach(self, connection: Connection) -> None:
        """Go on behind the newest message, and behind those that were forgotten meanwhile.

        Deliveries under way know messages by their numbers, so none is given twice in one run.
        """
        last = connection.execute(select(func.max(message.c.seq))).scalar() or 0
        if self._heard is not None and last > self._heard:
            rows = self._behind.run(connection, self._heard).all()
            self.unheard([(recipient, state == COPIES) for recipient, state in rows])
        self._heard = last
        self._next = max(self._next, last + 1)
        self._entries.attach(connection)

    def execute(self, connection: Connection, items: Sequence[StoredMessage]) -> list[StoreResult]:
        """Store what is not there yet."""
        first = self._next
        self._next += len(items)
        numbered = list(enumerate(items, first))
        if self._entries.has(connection, [(m.recipient, m.key) for m in items]):
            return self._sort_out(connection, numbered)
        self._keep(connection, numbered, first)
        copies = [item for item in numbered if item[1].accepted]
        if copies:
            self._enter(connection, copies)
        self._entries.keys.update([m.key for m in items])
        return [StoreResult(_STORED, m.id, seq) for seq, m in numbered]

    def knows(self, connection: Connection, messages: Sequence[StoredMessage]) -> bool:
        """Say whether some of these messages may have been stored before."""
        return self._entries.has(connection, [(m.recipient, m.key) for m in messages])

    def _enter(self, connection: Connection, numbered: Sequence[tuple[int, StoredMessage]]) -> int:
        """Make entries; return how many were not there yet."""
        return self._claim.run(
            connection,
            [(m.recipient, m.key, seq, COPIES if m.accepted else OPEN) for seq, m in numbered],
        )

    def _keep(
        self, connection: Connection, numbered: Sequence[tuple[int, StoredMessage]], without: int
    ) -> None:
        """Store messages; from the number ``without`` on they have no entries, 0: they have."""
        values: list[object] = []
        deadlines: dict[int, float] = {}
        for seq, m in numbered:
            # What bytes mean to SQLite its driver has to look up each time, for bytearray it knows.
            values += (
                seq, m.id, m.recipient, bytearray(m.key), m.received_at, m.expires_at, m.sender,
                bytearray(m.call_id), m.cseq, len(m.body), _join(m.devices), _join(m.offered),
                bytearray(m.head), bytearray(m.body),
            )  # fmt: skip
            neighbours = seq - seq % NEIGHBOURS
            known = deadlines.get(neighbours)
            if known is None or m.expires_at < known:
                deadlines[neighbours] = m.expires_at
        self._insert.run_flat(connection, len(numbered), values)
        reminders = [(DUE_EXPIRY, at, first) for first, at in deadlines.items()]
        if without:
            reminders.append((DUE_ENTRIES, 0.0, without))
        self._remind.run(connection, reminders)

    def _sort_out(
        self, connection: Connection, numbered: Sequence[tuple[int, StoredMessage]]
    ) -> list[StoreResult]:
        """Claim the keys first: whose claim holds is stored, the others are duplicates."""
        self._entries.make(connection)
        self._enter(connection, numbered)
        owners = [self._owner.run(connection, m.recipient, m.key).scalar() for _, m in numbered]
        stored = [item for item, owner in zip(numbered, owners, strict=True) if item[0] == owner]
        if stored:
            self._keep(connection, stored, 0)
        results = []
        for (seq, m), owner in zip(numbered, owners, strict=True):
            if seq == owner:
                results.append(StoreResult(_STORED, m.id, seq))
            else:
                first = self._id.run(connection, owner).scalar()
                results.append(StoreResult(StoreKind.DUPLICATE, str(first or m.id)))
        return results

    def committed(self) -> None:
        """Take note that it was heard of."""
        self._heard = self._next - 1

    def failed(self, item: StoredMessage, reason: str) -> StoreResult:
        """Return FAILED with the reason as detail."""
        return StoreResult(StoreKind.FAILED, item.id, 0, reason)


def _nobody_hears(_kept: list[tuple[str, bool]]) -> None:
    """Nobody asked to be told."""


class PendingLane:
    """Reads what waits for a recipient; an item is (recipient, after_seq, limit)."""

    reads = True

    def __init__(self, dialect: Dialect) -> None:
        entered = select(mailbox.c.seq, mailbox.c.state).where(
            mailbox.c.recipient == bindparam("recipient"),
            mailbox.c.seq > bindparam("after"),
            mailbox.c.state < SETTLED,
        )
        missing = select(message.c.seq, literal(OPEN)).where(
            missing_from(bindparam("to", type_=message.c.recipient.type)),
            message.c.seq > bindparam("behind"),
        )
        waiting = union_all(entered, missing).order_by("seq").limit(bindparam("limit")).subquery()
        self._messages = Query(
            select(message, waiting.c.state)
            .join_from(waiting, message, message.c.seq == waiting.c.seq)
            .order_by(waiting.c.seq),
            dialect,
        )
        self._fates = PerCount(
            lambda values: (
                select(fate.c.seq, fate.c.device)
                .where(fate.c.seq.in_(values))
                .order_by(fate.c.seq, fate.c.device)
            ),
            dialect,
        )

    def attach(self, connection: Connection) -> None:
        """Nothing is kept in memory."""

    def execute(
        self, connection: Connection, items: Sequence[tuple[str, int, int]]
    ) -> list[list[PendingMessage] | None]:
        """Read for each item."""
        return [self._pending(connection, *item) for item in items]

    def _pending(
        self, connection: Connection, recipient: str, after: int, limit: int
    ) -> list[PendingMessage]:
        rows = self._messages.run(connection, recipient, after, recipient, after, limit).fetchall()
        settled: dict[int, list[str]] = {}
        if rows:
            for fates in self._fates.run(connection, [row.seq for row in rows]):
                for seq, device in fates:
                    settled.setdefault(seq, []).append(device)
        return [
            PendingMessage(
                row.seq,
                stored_message(row, row.state == COPIES),
                row.state == COPIES,
                tuple(settled.get(row.seq, ())),
            )
            for row in rows
        ]

    def committed(self) -> None:
        """Nothing is written."""

    def failed(self, item: tuple[str, int, int], reason: str) -> None:
        """Return None."""
        return


def stored_message(row: Any, accepted: bool) -> StoredMessage:  # a result row has no static type
    """Return the message in a row of the table ``message``."""
    return StoredMessage(
        row.id,
        bytes(row.key),
        row.sender,
        row.recipient,
        bytes(row.call_id),
        row.cseq,
        row.received_at,
        row.expires_at,
        bytes(row.head),
        bytes(row.body),
        _split(row.devices),
        _split(row.offered),
        accepted,
    )
