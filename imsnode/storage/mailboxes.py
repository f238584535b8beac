# SPDX-License-Identifier: Apache-2.0
"""The lanes that store messages and read what waits, many messages to a statement.

A message is a row of ``message`` in the order of commits, an entry of ``mailbox`` under its
recipient and idempotency key; an entry of ``due`` reminds of its deadline and its neighbours'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, bindparam, func, select

from pager.values import PendingMessage, StoredMessage, StoreKind, StoreResult

from .schema import COPIES, DUE_EXPIRY, NEIGHBOURS, OPEN, SETTLED, due, fate, mailbox, message
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
    """Stores messages, each once."""

    reads = False

    def __init__(self, dialect: Dialect) -> None:
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
        self._next = 1

    def attach(self, connection: Connection) -> None:
        """Go on behind the newest message, and behind those that were forgotten meanwhile.

        Deliveries under way know messages by their numbers, so none is given twice in one run.
        """
        last = connection.execute(select(func.max(message.c.seq))).scalar()
        self._next = max(self._next, (last or 0) + 1)

    def execute(self, connection: Connection, items: Sequence[StoredMessage]) -> list[StoreResult]:
        """Claim the keys first: whose claim holds is stored, the others are duplicates."""
        first = self._next
        self._next += len(items)
        claims: list[object] = []
        for seq, m in enumerate(items, first):
            claims += (m.recipient, m.key, seq, COPIES if m.accepted else OPEN)
        numbered = list(enumerate(items, first))
        if self._claim.run_flat(connection, len(items), claims) < len(items):
            return self._sort_out(connection, numbered)
        self._keep(connection, numbered)
        return [StoreResult(_STORED, m.id, seq) for seq, m in numbered]

    def _keep(self, connection: Connection, numbered: Sequence[tuple[int, StoredMessage]]) -> None:
        values: list[object] = []
        deadlines: dict[int, float] = {}
        for seq, m in numbered:
            values += (
                seq, m.id, m.recipient, m.key, m.received_at, m.expires_at, m.sender, m.call_id,
                m.cseq, len(m.body), _join(m.devices), _join(m.offered), m.head, m.body,
            )  # fmt: skip
            neighbours = seq - seq % NEIGHBOURS
            known = deadlines.get(neighbours)
            if known is None or m.expires_at < known:
                deadlines[neighbours] = m.expires_at
        self._insert.run_flat(connection, len(numbered), values)
        self._remind.run(connection, [(DUE_EXPIRY, at, first) for first, at in deadlines.items()])

    def _sort_out(
        self, connection: Connection, numbered: Sequence[tuple[int, StoredMessage]]
    ) -> list[StoreResult]:
        owners = [self._owner.run(connection, m.recipient, m.key).scalar() for _, m in numbered]
        stored = [item for item, owner in zip(numbered, owners, strict=True) if item[0] == owner]
        if stored:
            self._keep(connection, stored)
        results = []
        for (seq, m), owner in zip(numbered, owners, strict=True):
            if seq == owner:
                results.append(StoreResult(_STORED, m.id, seq))
            else:
                first = self._id.run(connection, owner).scalar()
                results.append(StoreResult(StoreKind.DUPLICATE, str(first or m.id)))
        return results

    def committed(self) -> None:
        """Nothing is kept in memory."""

    def failed(self, item: StoredMessage, reason: str) -> StoreResult:
        """Return FAILED with the reason as detail."""
        return StoreResult(StoreKind.FAILED, item.id, 0, reason)


class PendingLane:
    """Reads what waits for a recipient; an item is (recipient, after_seq, limit)."""

    reads = True

    def __init__(self, dialect: Dialect) -> None:
        waiting = (
            select(mailbox.c.seq, mailbox.c.state)
            .where(
                mailbox.c.recipient == bindparam("recipient"),
                mailbox.c.seq > bindparam("after"),
                mailbox.c.state < SETTLED,
            )
            .order_by(mailbox.c.seq)
            .limit(bindparam("limit"))
            .subquery()
        )
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
        rows = self._messages.run(connection, recipient, after, limit).fetchall()
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
