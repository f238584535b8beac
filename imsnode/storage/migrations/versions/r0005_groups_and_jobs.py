# SPDX-License-Identifier: Apache-2.0
"""Groups of recipients, and messages to many that are sent batch by batch."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"

_EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "recipient_group",
        sa.Column("aor", _EXACT, primary_key=True),
        sa.Column("owner", _EXACT, nullable=False),
        sa.Column("senders", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "member",
        sa.Column("group_aor", _EXACT, primary_key=True),
        sa.Column("member", _EXACT, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "job",
        sa.Column("id", _EXACT, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("sender", _EXACT, nullable=False),
        sa.Column("address", _EXACT, nullable=False),
        sa.Column("rate", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("call_id", sa.LargeBinary, nullable=False),
        sa.Column("cseq", sa.BigInteger, nullable=False),
        sa.Column("identity", sa.LargeBinary, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("stored", sa.Integer, nullable=False),
        sa.Column("skipped", sa.Integer, nullable=False),
        sa.Column("cursor", _EXACT, nullable=False),
    )
    op.create_table(
        "job_batch",
        sa.Column("job", _EXACT, primary_key=True),
        sa.Column("first", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop the tables; groups and jobs are lost."""
    for name in ("job_batch", "job", "member", "recipient_group"):
        op.drop_table(name)
