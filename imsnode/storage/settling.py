# SPDX-License-Identifier: Apache-2.0
"""How stored messages end: marked by a delivery, expired, and at last forgotten.

A settled message loses head and body, its mailbox entry recognises a resend for as long as
duplicates are remembered, and an entry of ``due`` says when that is over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Connection,
    Dialect,
    and_,
    bindparam,
    delete,
    func,
    select,
    tuple_,
    update,
)

from pager.contents import stored_cpim
from pager.values import DeliveryMark, ExpiredMessage, MarkState

from .entries import Entries
from .schema import COPIES, DUE_EXPIRY, DUE_FORGET, NEIGHBOURS, SETTLED, due, fate, mailbox, message
from .statements import InsertRows, PerCount, Query
from .stats import StorageStats

__all__ = ["ExpireLane", "Forgetting", "MarkLane", "Settling"]

_EXPIRY_ROWS = 256  # entries of due looked at in one go
_EXPIRY_LOOKS = 1024  # at neighbours, in one call: most were settled long ago
_FORGET_ROWS = 256
_FORGET_PAUSE_S = 1.0

Values = list[BindParameter[Any]]


class Settling:
    """Statements that end the wait of messages, shared by marks, expiry and recall."""

    def __init__(self, dialect: Dialect) -> None:
        decided = select(func.max(fate.c.at)).where(fate.c.seq == message.c.seq).scalar_subquery()
        self._empty_decided = PerCount(self._emptying(decided), dialect)
        self._empty_at = PerCount(self._emptying(bindparam("settled_at")), dialect)
        self._close = PerCount(_moving(SETTLED), dialect)
        self._remind = InsertRows(
            due, ("kind", "at", "seq"), dialect, lambda insert: insert.on_conflict_do_nothing()
        )

    @staticmethod
    def _emptying(settled_at: Any) -> Callable[[Values], ClauseElement]:  # any SQL expression
        return lambda values: (
            update(message)
            .values(settled_at=settled_at, head=b"", body=b"")
            .where(message.c.seq.in_(values))
        )

    def decided(self, connection: Connection, times: Iterable[tuple[int, float]]) -> None:
        """Settle messages at the time of their last fate."""
        rows = [(DUE_FORGET, at, seq) for seq, at in times]
        seqs = [row[2] for row in rows]
        self._empty_decided.all(connection, seqs)
        self._close.all(connection, seqs)
        self._remind.run(connection, rows)

    def expired(self, connection: Connection, seqs: Collection[int], at: float) -> None:
        """Settle messages whose deadline has passed."""
        self._empty_at.all(connection, list(seqs), (at,))
        self._close.all(connection, list(seqs))
        self._remind.run(connection, [(DUE_FORGET, at, seq) for seq in seqs])


def _moving(state: int) -> Callable[[Values], ClauseElement]:
    """Build the update that moves mailbox entries, found through their messages, up to a state."""
    return lambda values: (
        update(mailbox)
        .values(state=state)
        .where(
            mailbox.c.state < state,
            mailbox.c.recipient == message.c.recipient,
            mailbox.c.key == message.c.key,
            message.c.seq.in_(values),
        )
    )


class MarkLane:
    """Records what became of messages; an item is a sequence of marks."""

    reads = False

    def __init__(self, dialect: Dialect, entries: Entries) -> None:
        self._entries = entries
        self._live = PerCount(
            lambda values: select(message.c.seq, message.c.id).where(
                message.c.settled_at.is_(None), message.c.seq.in_(values)
            ),
            dialect,
        )
        self._insert = InsertRows(
            fate,
            ("seq", "device", "state", "at", "status"),
            dialect,
            lambda insert: insert.on_conflict_do_update(
                index_elements=["seq", "device"],
                set_={
                    "state": insert.excluded.state,
                    "at": insert.excluded.at,
                    "status": insert.excluded.status,
                },
            ),
        )
        self._accept = PerCount(_moving(COPIES), dialect)
        self._settling = Settling(dialect)

    def attach(self, connection: Connection) -> None:
        """Nothing is kept in memory."""

    def execute(
        self, connection: Connection, items: Sequence[Sequence[DeliveryMark]]
    ) -> list[bool]:
        """Apply the marks of live messages; all others change nothing."""
        self._entries.make(connection)
        marks = [mark for item in items for mark in item]
        live: dict[int, str] = {}
        for rows in self._live.run(connection, list({mark.seq for mark in marks})):
            live.update((seq, identity) for seq, identity in rows)
        marks = [mark for mark in marks if live.get(mark.seq) == mark.message_id]
        if marks:
            self._apply(connection, marks)
        return [True] * len(items)

    def _apply(self, connection: Connection, marks: Sequence[DeliveryMark]) -> None:
        fates: dict[tuple[int, str], DeliveryMark] = {(m.seq, m.device): m for m in marks}
        self._insert.run(
            connection,
            [(m.seq, m.device, str(m.state), m.at, m.status) for m in fates.values()],
        )
        settled = {m.seq: m.at for m in marks if m.settles}
        accepted = {m.seq for m in marks if m.state is MarkState.ACCEPTED} - settled.keys()
        if accepted:
            self._accept.all(connection, list(accepted))
        if settled:
            self._settling.decided(connection, settled.items())

    def committed(self) -> None:
        """Nothing is kept in memory."""

    def failed(self, item: Sequence[DeliveryMark], reason: str) -> bool:
        """Return False."""
        return False


class ExpireLane:
    """Settles messages whose deadline has passed; an item is (before, limit)."""

    reads = False

    def __init__(self, dialect: Dialect, entries: Entries) -> None:
        self._entries = entries
        entry = due.c
        self._due = Query(
            select(entry.at, entry.seq)
            .where(entry.kind == DUE_EXPIRY, entry.at <= bindparam("before"))
            .order_by(entry.at, entry.seq)
            .limit(_EXPIRY_ROWS),
            dialect,
        )
        self._done = Query(_delete_due(DUE_EXPIRY), dialect)
        waiting = and_(
            message.c.seq.between(bindparam("first"), bindparam("last")),
            message.c.settled_at.is_(None),
        )
        self._overdue = Query(
            select(
                message.c.seq,
                message.c.id,
                message.c.call_id,
                message.c.sender,
                message.c.recipient,
                message.c.size,
                mailbox.c.state,
                message.c.head,
            )
            .join_from(
                message,
                mailbox,
                (mailbox.c.recipient == message.c.recipient) & (mailbox.c.key == message.c.key),
            )
            .where(waiting, message.c.expires_at <= bindparam("before"))
            .order_by(message.c.expires_at, message.c.seq)
            .limit(bindparam("limit")),
            dialect,
        )
        self._bodies = PerCount(
            lambda values: select(message.c.seq, message.c.body).where(message.c.seq.in_(values)),
            dialect,
        )
        self._deadline = Query(select(func.min(message.c.expires_at)).where(waiting), dialect)
        self._remind = InsertRows(
            due, ("kind", "at", "seq"), dialect, lambda insert: insert.on_conflict_do_nothing()
        )
        self._settling = Settling(dialect)
        self._settled = PerCount(
            lambda values: select(message.c.seq).where(
                message.c.settled_at.is_not(None), message.c.seq.in_(values)
            ),
            dialect,
        )
        self._given: list[ExpiredMessage] = []  # in a transaction that was not heard of yet
        self._unheard: list[ExpiredMessage] = []  # settled, and nobody has been told

    def attach(self, connection: Connection) -> None:
        """Find out whether what was settled last was committed though nobody heard of it."""
        given, self._given = self._given or self._unheard, []
        found = self._settled.run(connection, [one.seq for one in given])
        there = {seq for rows in found for (seq,) in rows}
        self._unheard = [one for one in given if one.seq in there]

    def execute(
        self, connection: Connection, items: Sequence[tuple[float, int]]
    ) -> list[list[ExpiredMessage] | None]:
        """Settle for each item, oldest deadline first."""
        self._entries.make(connection)
        results: list[list[ExpiredMessage] | None] = []
        self._given = list(self._unheard)
        for before, limit in items:
            expired = self._expire(connection, before, limit)
            results.append([*self._given, *expired] if not results else expired)
            self._given += expired
        return results

    def _expire(self, connection: Connection, before: float, limit: int) -> list[ExpiredMessage]:
        expired: list[ExpiredMessage] = []
        seen: set[int] = set()
        while len(seen) < _EXPIRY_LOOKS:
            rows = self._due.run(connection, before).fetchall()
            if not rows:
                break
            for _at, seq in rows:
                first = seq - seq % NEIGHBOURS
                if first in seen:
                    continue
                expired += self._settle_overdue(connection, first, before, limit - len(expired))
                if len(expired) == limit:
                    return expired  # the entries still stand
                seen.add(first)
            self._done.run(connection, *rows[-1])
        return expired

    def _settle_overdue(
        self, connection: Connection, first: int, before: float, limit: int
    ) -> list[ExpiredMessage]:
        """Settle what is overdue among neighbours, and come back when the next of them is."""
        last = first + NEIGHBOURS - 1
        rows = self._overdue.run(connection, first, last, before, limit).fetchall()
        # Only contents that may ask for a notification are read before they go.
        asking = [row.seq for row in rows if stored_cpim(bytes(row.head))]
        bodies: dict[int, bytes] = {}
        for found in self._bodies.run(connection, asking):
            bodies.update((seq, bytes(body)) for seq, body in found)
        if rows:
            self._settling.expired(connection, [row.seq for row in rows], before)
        if len(rows) < limit:
            deadline = self._deadline.run(connection, first, last).scalar()
            if deadline is not None:
                self._remind.run(connection, [(DUE_EXPIRY, deadline, first)])
        return [
            ExpiredMessage(
                row.id, row.seq, row.call_id, row.sender, row.recipient, row.size,
                row.state == COPIES,
                bytes(row.head) if row.seq in bodies else b"", bodies.get(row.seq, b""),
            )
            for row in rows
        ]  # fmt: skip

    def committed(self) -> None:
        """Everybody is told."""
        self._given, self._unheard = [], []

    def failed(self, item: tuple[float, int], reason: str) -> None:
        """Return None."""
        return


def _delete_due(kind: int) -> ClauseElement:
    """Build the statement that removes entries of a kind up to a time and number."""
    last = tuple_(bindparam("at"), bindparam("seq"))
    return delete(due).where(due.c.kind == kind, tuple_(due.c.at, due.c.seq) <= last)


class Forgetting:
    """In the background: forgets settled messages once resends need not be recognised."""

    def __init__(
        self, dialect: Dialect, wall: Callable[[], float], memory_s: float, stats: StorageStats
    ) -> None:
        self.memory_s = memory_s
        self._stats = stats
        self._wall = wall
        self._next_at = 0.0
        self._step_size = 0
        entry = due.c
        self._due = Query(
            select(entry.at, entry.seq)
            .where(entry.kind == DUE_FORGET, entry.at <= bindparam("before"))
            .order_by(entry.at, entry.seq)
            .limit(_FORGET_ROWS),
            dialect,
        )
        self._done = Query(_delete_due(DUE_FORGET), dialect)
        # Settled ones only: a message is never removed for anything that due says alone.
        self._settled = PerCount(
            lambda values: select(message.c.seq).where(
                message.c.settled_at.is_not(None), message.c.seq.in_(values)
            ),
            dialect,
        )
        self._keys = PerCount(_removing_keys, dialect)
        self._fates = PerCount(lambda values: delete(fate).where(fate.c.seq.in_(values)), dialect)
        self._messages = PerCount(
            lambda values: delete(message).where(message.c.seq.in_(values)), dialect
        )

    def attach(self, connection: Connection) -> None:
        """Nothing is kept that a lost connection could make wrong."""

    def due(self, now: float, urgent: bool) -> bool:
        """True once a pause after the last step that found little to do."""
        return now >= self._next_at

    def step(self, connection: Connection) -> bool:
        """Forget one batch, oldest first."""
        self._step_size = 0
        rows = self._due.run(connection, self._wall() - self.memory_s).fetchall()
        if not rows:
            return False
        self._done.run(connection, rows[-1].at, rows[-1].seq)
        seqs = [
            seq
            for settled in self._settled.run(connection, [row.seq for row in rows])
            for (seq,) in settled
        ]
        if seqs:
            self._keys.all(connection, seqs)
            self._fates.all(connection, seqs)
            self._messages.all(connection, seqs)
        self._step_size = len(seqs)
        return len(rows) == _FORGET_ROWS

    def committed(self, now: float) -> None:
        """Count, and pause when the batch was not full."""
        self._stats.forgotten += self._step_size
        if self._step_size < _FORGET_ROWS:
            self._next_at = now + _FORGET_PAUSE_S

    def failed(self, now: float, refused: bool) -> None:
        """Try again after the pause."""
        self._next_at = now + _FORGET_PAUSE_S


def _removing_keys(values: Values) -> ClauseElement:
    """Build the delete of the mailbox entries of settled messages."""
    keys = select(message.c.recipient, message.c.key).where(message.c.seq.in_(values))
    return delete(mailbox).where(
        mailbox.c.state == SETTLED, tuple_(mailbox.c.recipient, mailbox.c.key).in_(keys)
    )
