# SPDX-License-Identifier: Apache-2.0
"""Short messages: parts that came, and what a message centre has taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision: str | None = "0014"

_EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sms_part",
        sa.Column("source", _EXACT, primary_key=True),
        sa.Column("destination", _EXACT, primary_key=True),
        sa.Column("reference", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("total", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("coding", sa.Integer, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sms_sent",
        sa.Column("smsc", _EXACT, primary_key=True),
        sa.Column("id", _EXACT, primary_key=True),
        sa.Column("message_id", _EXACT, nullable=False),
        sa.Column("sender", _EXACT, nullable=False),
        sa.Column("recipient", _EXACT, nullable=False),
        sa.Column("call_id", sa.LargeBinary, nullable=False),
        sa.Column("asked", sa.LargeBinary, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("sms_sent_at", "sms_sent", ["at"])
    op.create_index("sms_sent_message", "sms_sent", ["message_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("sms_sent")
    op.drop_table("sms_part")
