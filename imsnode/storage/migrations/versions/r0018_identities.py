# SPDX-License-Identifier: Apache-2.0
"""Public identities of accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision: str | None = "0017"

_EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "public_identity",
        sa.Column("uri", _EXACT, primary_key=True),
        sa.Column("aor", _EXACT, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("barred", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("public_identity_of", "public_identity", ["aor"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("public_identity")
