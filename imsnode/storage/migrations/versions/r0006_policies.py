# SPDX-License-Identifier: Apache-2.0
"""What users want, who has had to do with whom, and reports of spam."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"

_EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "user_policy",
        sa.Column("aor", _EXACT, primary_key=True),
        sa.Column("block", sa.Text, nullable=False),
        sa.Column("allow", sa.Text, nullable=False),
        sa.Column("types", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("strangers", sa.Text, nullable=False),
        sa.Column("muted_until", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "contact",
        sa.Column("owner", _EXACT, primary_key=True),
        sa.Column("other", _EXACT, primary_key=True),
        sa.Column("sent", sa.Boolean, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "spam_report",
        sa.Column("id", _EXACT, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("reporter", _EXACT, nullable=False),
        sa.Column("how", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("message_id", _EXACT, nullable=False),
        sa.Column("sender", _EXACT, nullable=False),
        sa.Column("recipient", _EXACT, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("body_hash", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("spam_report", "contact", "user_policy"):
        op.drop_table(name)
