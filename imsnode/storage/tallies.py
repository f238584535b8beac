# SPDX-License-Identifier: Apache-2.0
"""Receipts about messages to many: kept until their sender has been told of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, exists, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pager.ports import Told
from pager.tally import Counted, Receipt

from .database import Database
from .lanes import Lane, Submit
from .schema import counted, receipt

__all__ = ["Tallies", "mark_told"]

_TOLD = (
    update(receipt)
    .where(
        receipt.c.counted == bindparam("which"),
        receipt.c.recipient == bindparam("who"),
        receipt.c.kind == bindparam("what"),
    )
    .values(told=True, document=b"")
)


def mark_told(connection: Connection, told: Told) -> None:
    """Mark receipts that a message stored in the same transaction tells of."""
    names = ("which", "who", "what")
    connection.execute(_TOLD, [dict(zip(names, key, strict=True)) for key in told.receipts])


class Tallies:
    """`pager.tally.TallyStore` on a database."""

    def __init__(self, database: Database, submit: Submit) -> None:
        self._database = database
        self._submit = submit
        self._lane = _TallyLane()

    @property
    def lane(self) -> Lane:
        """The lane of the operations."""
        return self._lane

    def count(self, message: Counted) -> None:
        """Keep that receipts of a message are gathered; see the port."""
        self._submit(self._lane, message, None)

    def keep(self, receipt: Receipt, done: Callable[[bool | None], None]) -> None:
        """Keep a receipt; see the port."""
        self._submit(self._lane, receipt, done)

    def end(self, list_id: str) -> None:
        """Forget a message with its receipts; see the port."""
        self._submit(self._lane, list_id, None)

    def load(self, wall: float) -> list[tuple[Counted, list[tuple[Receipt, bool]]]]:
        """Return what is gathered, each receipt with whether it was told; blocks.

        Messages whose time is over and all of whose receipts were told are forgotten.
        """
        waits = exists().where(receipt.c.counted == counted.c.id, receipt.c.told.is_(False))
        with self._database.writing() as connection:
            connection.execute(delete(counted).where(and_(counted.c.until <= wall, ~waits)))
            kept = select(counted.c.id)
            connection.execute(delete(receipt).where(receipt.c.counted.not_in(kept)))
            found: dict[str, tuple[Counted, list[tuple[Receipt, bool]]]] = {
                row.id: (_counted(row), []) for row in connection.execute(select(counted))
            }
            said = select(receipt).order_by(receipt.c.counted, receipt.c.recipient, receipt.c.kind)
            for row in connection.execute(said):
                one = Receipt(row.counted, row.recipient, row.kind, bytes(row.document), row.failed)
                found[row.counted][1].append((one, row.told))
        return list(found.values())


class _TallyLane:
    """Carries messages to count, receipts, and the ids of messages to forget."""

    reads = False

    def attach(self, connection: Connection) -> None:
        """Nothing is kept in memory."""

    def execute(
        self, connection: Connection, items: Sequence[Counted | Receipt | str]
    ) -> list[bool]:
        """Do each in turn; False for a receipt that was there."""
        kind = postgresql if connection.dialect.name == "postgresql" else sqlite
        return [self._execute(connection, kind.insert, item) for item in items]

    def _execute(
        self, connection: Connection, insert: Any, item: Counted | Receipt | str
    ) -> bool:  # the two dialects' inserts share no base
        if isinstance(item, str):
            connection.execute(delete(receipt).where(receipt.c.counted == item))
            connection.execute(delete(counted).where(counted.c.id == item))
            return True
        if isinstance(item, Counted):
            connection.execute(insert(counted).values(_values(item)).on_conflict_do_nothing())
            return True
        statement = insert(receipt).values(
            counted=item.list_id, recipient=item.recipient, kind=item.kind,
            failed=item.failed, told=False, document=item.document,
        )  # fmt: skip
        once = statement.on_conflict_do_nothing().returning(receipt.c.kind)
        return connection.execute(once).first() is not None

    def committed(self) -> None:
        """Nothing is kept in memory."""

    def failed(self, item: Counted | Receipt | str, reason: str) -> None:
        """Return None."""
        return


def _values(message: Counted) -> dict[str, object]:
    return {
        "id": message.id,
        "sender": message.sender,
        "address": message.address,
        "call_id": message.call_id,
        "author": message.author,
        "imdn_id": message.imdn_id,
        "dated": message.dated,
        "original": message.original,
        "asked": message.asked,
        "recipients": "\n".join(message.recipients),
        "total": message.total,
        "disclosed": message.disclosed,
        "until": message.until,
    }


def _counted(row: Any) -> Counted:  # a result row has no static type
    return Counted(
        row.id,
        row.sender,
        row.address,
        bytes(row.call_id),
        bytes(row.author),
        bytes(row.imdn_id),
        row.dated,
        row.original,
        row.asked,
        tuple(row.recipients.split("\n")) if row.recipients else (),
        row.total,
        row.disclosed,
        row.until,
    )
