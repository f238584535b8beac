# SPDX-License-Identifier: Apache-2.0
"""Parcels: the copies of one message that go straight to devices, kept as one row until settled.

A settled parcel keeps only whose copies it had, by which the same message sent again is
recognised. One that nobody in this process carries any more, because a crash or a lost connection
left it, is turned into stored messages as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, bindparam, delete, func, insert, select, update

from pager.identity import copy_key
from pager.ports import Bundle, Settled
from pager.values import StoredMessage, StoreResult

from .entries import Entries
from .mailboxes import StoreLane
from .schema import job_batch, parcel
from .statements import InsertRows, Query

__all__ = [
    "ParcelRecovery",
    "ParcelRetention",
    "Parcels",
    "SettleLane",
    "note_batch",
    "recover_parcels",
]

_RETENTION_ROWS = 500
_RETENTION_PAUSE_S = 60.0
_BETWEEN = "\x1f"  # stands in no header
_COLUMNS = (
    "id", "job", "identity", "sender", "call_id", "cseq", "received_at", "expires_at", "to_each",
    "head", "body", "copies", "recipients", "total", "delivered", "settled_at",
)  # fmt: skip


class Parcels:
    """The rows, on the writer's thread.

    carried: parcels whose copies this process has in hand, with the job of each.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.carried: dict[int, str] = {}
        self.lost: list[int] = []  # those that nobody has in hand
        self._begun: dict[int, str] = {}
        self._next = 1
        self._insert = InsertRows(parcel, _COLUMNS, dialect)
        self._known = Query(
            select(parcel.c.recipients).where(
                parcel.c.identity == bindparam("identity"), parcel.c.sender == bindparam("sender")
            ),
            dialect,
        )
        self._settle = Query(
            update(parcel)
            .where(parcel.c.id == bindparam("which"))
            .values(
                delivered=bindparam("taken"),
                settled_at=bindparam("at"),
                copies="",
                head=b"",
                body=b"",
            ),
            dialect,
        )

    def attach(self, connection: Connection) -> None:
        """Look for parcels that were committed unheard, or by an earlier run."""
        self._begun = {}
        last = connection.execute(select(func.max(parcel.c.id))).scalar() or 0
        self._next = max(self._next, last + 1)
        left = connection.execute(select(parcel.c.id).where(parcel.c.settled_at.is_(None)))
        self.lost = [number for number in left.scalars() if number not in self.carried]

    def known(self, connection: Connection, bundle: Bundle) -> set[str]:
        """Return who had a copy with the same identity from a parcel."""
        found: set[str] = set()
        rows = self._known.run(connection, bytearray(bundle.identity), bundle.sender)
        for (recipients,) in rows.fetchall():
            found.update(recipients.split("\n"))
        return found

    def keep(self, connection: Connection, bundle: Bundle, job: str) -> int:
        """Keep the copies of a bundle, of a job or of none; return the number of their parcel."""
        number = self._next
        self._next += 1
        first = bundle.copies[0]
        row = (
            number, job, bytearray(bundle.identity), bundle.sender, bytearray(first.call_id),
            first.cseq, first.received_at, first.expires_at, bundle.to_each,
            bytearray(bundle.head), bytearray(bundle.body), "\n".join(map(_line, bundle.copies)),
            "\n".join([copy.recipient for copy in bundle.copies]), len(bundle.copies), 0, None,
        )  # fmt: skip
        self._insert.run(connection, [row])
        self._begun[number] = job
        return number

    def settle(self, connection: Connection, number: int, delivered: int, at: float) -> None:
        """Leave of a parcel what recognises a repeat."""
        self._settle.run(connection, delivered, at, number)

    def committed(self) -> None:
        """Take note of the parcels that were kept."""
        self.carried.update(self._begun)
        self._begun = {}


class SettleLane:
    """Ends parcels; an item is a `Settled`."""

    reads = False

    def __init__(self, parcels: Parcels, store: StoreLane, wall: Callable[[], float]) -> None:
        self._parcels = parcels
        self._store = store
        self._wall = wall
        self._ended: list[int] = []

    def attach(self, connection: Connection) -> None:
        """Nothing is kept in memory."""
        self._ended = []

    def execute(
        self, connection: Connection, items: Sequence[Settled]
    ) -> list[list[StoreResult] | None]:
        """Store what is left of each, and settle it."""
        wall = self._wall()
        results: list[list[StoreResult] | None] = []
        for item in items:
            stored = self._store.execute(connection, item.left) if item.left else []
            note_batch(connection, self._parcels.carried.get(item.parcel, ""), stored)
            results.append(stored)
            self._parcels.settle(connection, item.parcel, item.delivered, wall)
            self._ended.append(item.parcel)
        return results

    def committed(self) -> None:
        """Let go of the parcels, and tell the lane that stores single messages."""
        for number in self._ended:
            self._parcels.carried.pop(number, None)
        self._ended = []
        self._store.committed()

    def failed(self, item: Settled, reason: str) -> None:
        """Return None."""
        return


class ParcelRecovery:
    """In the background: turns parcels that nobody has in hand into stored messages."""

    def __init__(self, parcels: Parcels, store: StoreLane, wall: Callable[[], float]) -> None:
        self._parcels = parcels
        self._store = store
        self._wall = wall
        self._found: list[tuple[str, bool]] = []

    def attach(self, connection: Connection) -> None:
        """Nothing is kept here."""

    def due(self, now: float, urgent: bool) -> bool:
        """True when there are some."""
        return bool(self._parcels.lost)

    def step(self, connection: Connection) -> bool:
        """Store the copies of one."""
        self._found = _recover(connection, self._parcels, self._store, self._wall())
        return len(self._parcels.lost) > 1

    def committed(self, now: float) -> None:
        """Have their recipients get them."""
        self._parcels.lost.pop(0)
        self._store.committed()
        if self._found:
            self._store.unheard(self._found)

    def failed(self, now: float, refused: bool) -> None:
        """Leave one that the engine does not take to the next start."""
        if refused:
            self._parcels.lost.pop(0)


def note_batch(connection: Connection, job: str, results: Sequence[StoreResult]) -> None:
    """Note which messages are copies of a job, for its report."""
    numbers = [result.seq for result in results if result.seq]
    if job and numbers:
        batch = {"job": job, "first": numbers[0], "last": numbers[-1]}
        connection.execute(insert(job_batch), batch)


def recover_parcels(connection: Connection, wall: float) -> None:
    """Turn all parcels into stored messages; only where no node uses the store now."""
    parcels, entries = Parcels(connection.dialect), Entries(connection.dialect)
    store = StoreLane(connection.dialect, entries)
    parcels.attach(connection)
    if parcels.lost:
        store.attach(connection)
    while parcels.lost:
        _recover(connection, parcels, store, wall)
        parcels.lost.pop(0)


def _recover(
    connection: Connection, parcels: Parcels, store: StoreLane, wall: float
) -> list[tuple[str, bool]]:
    """Store the copies of the first parcel; return whom they are for."""
    number = parcels.lost[0]
    row = connection.execute(
        select(parcel).where(parcel.c.id == number, parcel.c.settled_at.is_(None))
    ).first()
    if row is None:
        return []
    copies = [_copy(row, line) for line in row.copies.split("\n")]
    stored = store.execute(connection, copies)
    note_batch(connection, row.job, stored)
    parcels.settle(connection, number, 0, wall)
    return [(copy.recipient, False) for copy, one in zip(copies, stored, strict=True) if one.seq]


def _line(copy: StoredMessage) -> str:
    """Write what one copy has of its own: id, recipient and devices."""
    return _BETWEEN.join((copy.id, copy.recipient, *copy.devices))


def _copy(row: Any, line: str) -> StoredMessage:  # a result row has no static type
    message_id, recipient, *devices = line.split(_BETWEEN)
    head = bytes(row.head)
    if row.to_each:
        head = b"To: <%b>\r\n%b" % (recipient.encode(), head)
    return StoredMessage(
        message_id,
        copy_key(bytes(row.identity), row.sender, recipient),
        row.sender,
        recipient,
        bytes(row.call_id),
        row.cseq,
        row.received_at,
        row.expires_at,
        head,
        bytes(row.body),
        tuple(devices),
    )


class ParcelRetention:
    """In the background: forgets parcels that were settled before repeats are recognised."""

    def __init__(self, wall: Callable[[], float], memory_s: float) -> None:
        self.memory_s = memory_s
        self._wall = wall
        self._next_at = 0.0
        self._more = False

    def attach(self, connection: Connection) -> None:
        """Nothing is kept that a lost connection could make wrong."""

    def due(self, now: float, urgent: bool) -> bool:
        """True once a pause."""
        return now >= self._next_at

    def step(self, connection: Connection) -> bool:
        """Remove some of the oldest."""
        old = (
            select(parcel.c.id)
            .where(parcel.c.settled_at < self._wall() - self.memory_s)
            .limit(_RETENTION_ROWS)
        )
        gone = connection.execute(delete(parcel).where(parcel.c.id.in_(old))).rowcount
        self._more = gone == _RETENTION_ROWS
        return self._more

    def committed(self, now: float) -> None:
        """Pause when nothing old is left."""
        if not self._more:
            self._next_at = now + _RETENTION_PAUSE_S

    def failed(self, now: float, refused: bool) -> None:
        """Try again after the pause."""
        self._next_at = now + _RETENTION_PAUSE_S
