# SPDX-License-Identifier: Apache-2.0
"""The ledger in blocks of lines, found by checksums, instead of a row and two look-ups an entry."""

from __future__ import annotations

import json
import struct
import time
import zlib
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import sqlalchemy as sa
from alembic import op

from imsnode.storage.migrations.versions.r0001_first import create_ledger

revision = "0002"
down_revision: str | None = "0001"

_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BLOCK = 1024
_OLD = ("ledger_by_call", "ledger_by_message", "ledger_run", "ledger")


def upgrade() -> None:
    """Make the new tables, carry the entries over, and drop the old tables."""
    op.create_table(
        "ledger_block",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("lines", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "ledger_index",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("ended", sa.Double, nullable=False),
        sa.Column("checksums", sa.LargeBinary, nullable=False),
    )
    _carry_over(op.get_bind())
    for name in _OLD:
        op.drop_table(name)


def _carry_over(connection: sa.Connection) -> None:
    entries = sa.text("SELECT * FROM ledger WHERE seq > :after ORDER BY seq LIMIT :count")
    add_block = sa.text("INSERT INTO ledger_block (seq, lines) VALUES (:seq, :lines)")
    add_index = sa.text(
        "INSERT INTO ledger_index (seq, ended, checksums) VALUES (:seq, :ended, :sums)"
    )
    after, block = -1, 0
    while rows := connection.execute(entries, {"after": after, "count": _BLOCK}).all():
        after, block = rows[-1].seq, block + 1
        lines = zlib.compress("".join([_line(row) for row in rows]).encode("ascii"), 1)
        ended = max(row.ended for row in rows)
        connection.execute(add_block, {"seq": block, "lines": lines})
        connection.execute(add_index, {"seq": block, "ended": ended, "sums": _checksums(rows)})


def _line(row: Any) -> str:  # a result row has no static type
    call_id = bytes(row.call_id)
    steps = [line.split("\t", 4) for line in row.steps.split("\n")] if row.steps else []
    statuses = [int(status) for _, _, status, _, _ in steps]
    line = {
        "time": _stamp(row.at),
        "ended": _stamp(row.ended),
        "id": row.message_id,
        "call_id": call_id.decode("utf-8", "backslashreplace"),
        "from": row.sender,
        "to": row.recipient,
        "size": row.size,
        "outcome": row.outcome,
        "status": next((status for status in reversed(statuses) if status), 0),
        "steps": [
            [int(after_ms), step, int(status), rule, device]
            for after_ms, step, status, rule, device in steps
        ],
    }
    if not call_id.isascii():
        line["octets"] = call_id.hex()
    return json.dumps(line, separators=(",", ":")) + "\n"


def _stamp(wall: float) -> str:
    second, fraction = divmod(int(wall * 1000 + 0.5), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)) + f".{fraction:03d}Z"


def _checksums(rows: Sequence[Any]) -> bytes:
    names = [name for row in rows for name in (row.message_id.encode(), bytes(row.call_id))]
    return b"".join([struct.pack("<I", crc32(name)) for name in names])


def downgrade() -> None:
    """Make the old tables, empty: nothing but this release reads the blocks."""
    op.drop_table("ledger_index")
    op.drop_table("ledger_block")
    create_ledger()
