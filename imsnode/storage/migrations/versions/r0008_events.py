# SPDX-License-Identifier: Apache-2.0
"""Journals of subscriptions and publications."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"

_EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the two tables."""
    for name, further in (("subscription_journal", "watcher"), ("publication_journal", "package")):
        op.create_table(
            name,
            sa.Column("seq", _SEQ, primary_key=True, autoincrement=False),
            sa.Column("number", sa.BigInteger, nullable=False),
            sa.Column("resource", _EXACT, nullable=False),
            sa.Column(further, _EXACT, nullable=False),
            sa.Column("data", sa.LargeBinary, nullable=False),
        )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("publication_journal")
    op.drop_table("subscription_journal")
