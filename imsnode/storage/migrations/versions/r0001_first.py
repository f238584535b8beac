# SPDX-License-Identifier: Apache-2.0
"""The tables of the first release: accounts, bindings, messages, ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None

_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create every table."""
    _create_users()
    _create_messages()
    create_ledger()


def _create_users() -> None:
    op.create_table(
        "account",
        sa.Column("aor", _EXACT, primary_key=True),
        sa.Column("login", _EXACT, nullable=False),
        sa.Column("realm", _EXACT, nullable=False),
        sa.Column("ha1_md5", sa.Text, nullable=False),
        sa.Column("ha1_sha256", sa.Text, nullable=False),
        sa.Column("ha1_sha512_256", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("algorithms", sa.Text, nullable=False),
        sa.Column("rfc2069", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "binding_journal",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("aor", _EXACT, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )


def _create_messages() -> None:
    op.create_table(
        "message",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("id", _EXACT, nullable=False),
        sa.Column("recipient", _EXACT, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("settled_at", sa.Double),
        sa.Column("sender", _EXACT, nullable=False),
        sa.Column("call_id", sa.LargeBinary, nullable=False),
        sa.Column("cseq", sa.BigInteger, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("devices", sa.Text, nullable=False),
        sa.Column("offered", sa.Text, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "mailbox",
        sa.Column("recipient", _EXACT, primary_key=True),
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fate",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("device", _EXACT, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "due",
        sa.Column("kind", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )


def create_ledger() -> None:
    """Create the tables of the ledger, a row an entry."""
    op.create_table(
        "ledger",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("message_id", _EXACT, nullable=False),
        sa.Column("call_id", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("ended", sa.Double, nullable=False),
        sa.Column("sender", _EXACT, nullable=False),
        sa.Column("recipient", _EXACT, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("steps", sa.Text, nullable=False),
    )
    op.create_table(
        "ledger_run",
        sa.Column("run", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("first_seq", sa.BigInteger, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("last_ended", sa.Double, nullable=False),
    )
    op.create_table(
        "ledger_by_message",
        sa.Column("run", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("message_id", _EXACT, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_by_call",
        sa.Column("run", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("call_id", sa.LargeBinary, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop every table, with all that is in them."""
    for name in (
        "ledger_by_call",
        "ledger_by_message",
        "ledger_run",
        "ledger",
        "due",
        "fate",
        "mailbox",
        "message",
        "binding_journal",
        "account",
    ):
        op.drop_table(name)
