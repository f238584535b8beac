# SPDX-License-Identifier: Apache-2.0
"""Receipts about messages to many, until their senders have them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision: str | None = "0008"

_EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "counted",
        sa.Column("id", _EXACT, primary_key=True),
        sa.Column("sender", _EXACT, nullable=False),
        sa.Column("address", _EXACT, nullable=False),
        sa.Column("call_id", sa.LargeBinary, nullable=False),
        sa.Column("author", sa.LargeBinary, nullable=False),
        sa.Column("imdn_id", sa.LargeBinary, nullable=False),
        sa.Column("dated", sa.Text, nullable=False),
        sa.Column("original", sa.Text, nullable=False),
        sa.Column("asked", sa.Integer, nullable=False),
        sa.Column("recipients", sa.Text, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("disclosed", sa.Boolean, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "receipt",
        sa.Column("counted", _EXACT, primary_key=True),
        sa.Column("recipient", _EXACT, primary_key=True),
        sa.Column("kind", _EXACT, primary_key=True),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("told", sa.Boolean, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("receipt")
    op.drop_table("counted")
