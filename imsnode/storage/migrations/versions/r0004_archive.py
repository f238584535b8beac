# SPDX-License-Identifier: Apache-2.0
"""The archive of messages, and what users chose for their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"

_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NEW = ("history_choice", "archive_brief", "archive_index", "archive_run", "archive_block")


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "archive_block",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("until", sa.Double, nullable=False, index=True),
        sa.Column("messages", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "archive_run",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )
    op.create_table(
        "archive_index",
        sa.Column("run", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("first", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("entries", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "archive_brief",
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "history_choice",
        sa.Column("aor", _EXACT, primary_key=True),
        sa.Column("retention", sa.Text, nullable=False),
        sa.Column("carbons", sa.Text, nullable=False),
        sa.Column("floor", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove the tables with all that is archived."""
    for name in _NEW:
        op.drop_table(name)
