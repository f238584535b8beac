# SPDX-License-Identifier: Apache-2.0
"""XCAP documents, and the URIs they claim."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"

_EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "document",
        sa.Column("owner", _EXACT, primary_key=True),
        sa.Column("auid", _EXACT, primary_key=True),
        sa.Column("name", _EXACT, primary_key=True),
        sa.Column("etag", _EXACT, nullable=False),
        sa.Column("changed", sa.Double, nullable=False),
        sa.Column("octets", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "document_uri",
        sa.Column("uri", _EXACT, primary_key=True),
        sa.Column("owner", _EXACT, nullable=False),
        sa.Column("auid", _EXACT, nullable=False),
        sa.Column("name", _EXACT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("document_uri_of", "document_uri", ["owner", "auid", "name"])


def downgrade() -> None:
    """Drop them."""
    for name in ("document_uri", "document"):
        op.drop_table(name)
