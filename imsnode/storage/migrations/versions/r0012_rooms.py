# SPDX-License-Identifier: Apache-2.0
"""Chat rooms: what they are, who belongs to them, what was said and what happened."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision: str | None = "0011"

_EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the four tables."""
    op.create_table(
        "room",
        sa.Column("aor", _EXACT, primary_key=True),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("access", sa.Text, nullable=False),
        sa.Column("moderated", sa.Boolean, nullable=False),
        sa.Column("nicknames", sa.Boolean, nullable=False),
        sa.Column("private_messages", sa.Boolean, nullable=False),
        sa.Column("history", sa.Integer, nullable=False),
        sa.Column("retention", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("idle", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "room_member",
        sa.Column("room", _EXACT, primary_key=True),
        sa.Column("member", _EXACT, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("banned", sa.Boolean, nullable=False),
        sa.Column("muted", sa.Boolean, nullable=False),
        sa.Column("nickname", sa.Text, nullable=False),
        sa.Column("pager", sa.Boolean, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "room_message",
        sa.Column("number", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("room", _EXACT, nullable=False),
        sa.Column("id", _EXACT, nullable=False),
        sa.Column("sender", _EXACT, nullable=False),
        sa.Column("nickname", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("room_message_of", "room_message", ["room", "number"])
    op.create_table(
        "room_event",
        sa.Column("number", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("room", _EXACT, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("actor", _EXACT, nullable=False),
        sa.Column("who", _EXACT, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("room_event_of", "room_event", ["room", "number"])


def downgrade() -> None:
    """Drop them."""
    for table in ("room_event", "room_message", "room_member", "room"):
        op.drop_table(table)
