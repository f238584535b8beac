# SPDX-License-Identifier: Apache-2.0
"""Looking at stored messages, from a command or a console, beside a running node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, or_, select

from .database import Database
from .entries import STANDING, STATE, seqs_of
from .schema import SETTLED, message

__all__ = ["MessageRow", "find_rows", "list_messages", "show_message"]

_STATES = ("waiting", "copies", "settled")


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One stored message. state: "waiting", "copies" (some device took it, others have not), or
    "settled": then head and body are gone. size: octets the body had. head, body: b"" in lists.
    """

    seq: int
    id: str
    sender: str
    recipient: str
    call_id: bytes
    received_at: float
    expires_at: float
    settled_at: float | None
    size: int
    state: str
    head: bytes = b""
    body: bytes = b""


_FACTS = (
    message.c.seq,
    message.c.id,
    message.c.sender,
    message.c.recipient,
    message.c.call_id,
    message.c.received_at,
    message.c.expires_at,
    message.c.settled_at,
    message.c.size,
    STATE.label("state"),
)


def list_messages(
    database: Database,
    recipient: str | None = None,
    waiting_only: bool = True,
    after_seq: int = 0,
    limit: int = 100,
) -> list[MessageRow]:
    """Return stored messages, oldest first, without head and body.

    Raises: StorageUnavailable, StoreDamaged.
    """
    rows = select(*_FACTS).select_from(STANDING).where(message.c.seq > after_seq)
    if recipient is not None:
        rows = rows.where(message.c.seq.in_(seqs_of(recipient)))
    if waiting_only:
        rows = rows.where(STATE < SETTLED)
    with database.reading() as connection:
        found = connection.execute(rows.order_by(message.c.seq).limit(limit)).all()
    return [_message_row(row) for row in found]


def show_message(database: Database, id_or_call_id: str) -> list[MessageRow]:
    """Return the stored messages with this id or Call-ID, oldest first, with head and body.

    Reads the whole table: a second or two when a million messages wait.

    Raises: StorageUnavailable, StoreDamaged.
    """
    columns = select(*_FACTS, message.c.head, message.c.body).select_from(STANDING)
    with database.reading() as connection:
        return [
            _message_row(row)
            for seq in _seqs(connection, id_or_call_id)
            for row in connection.execute(columns.where(message.c.seq == seq))
        ]


def find_rows(
    connection: Connection, id_or_call_id: str, places: set[tuple[str, str]]
) -> list[MessageRow]:
    """Return the stored messages of a story, oldest first, without head and body.

    places: message ids and recipients that the ledger has named; when it has named none, the
    whole table is searched.
    """
    rows: Select[*tuple[Any, ...]] = select(*_FACTS).select_from(STANDING)
    found: list[MessageRow] = []
    if not places:
        for seq in _seqs(connection, id_or_call_id):
            found += map(_message_row, connection.execute(rows.where(message.c.seq == seq)))
    for identity, recipient in sorted(places):
        one = rows.where(message.c.seq.in_(seqs_of(recipient)), message.c.id == identity)
        found += map(_message_row, connection.execute(one))
    return found


def _seqs(connection: Connection, id_or_call_id: str) -> list[int]:
    call_id = id_or_call_id.encode("utf-8", "surrogateescape")
    named = or_(message.c.id == id_or_call_id, message.c.call_id == call_id)
    return list(
        connection.execute(select(message.c.seq).where(named).order_by(message.c.seq)).scalars()
    )


def _message_row(row: Any) -> MessageRow:  # a result row has no static type
    extra = (bytes(row.head), bytes(row.body)) if "head" in row._fields else (b"", b"")
    return MessageRow(
        row.seq,
        row.id,
        row.sender,
        row.recipient,
        bytes(row.call_id),
        row.received_at,
        row.expires_at,
        row.settled_at,
        row.size,
        _STATES[row.state],
        *extra,
    )
