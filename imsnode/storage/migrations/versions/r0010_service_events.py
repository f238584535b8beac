# SPDX-License-Identifier: Apache-2.0
"""Whether a service account is told what becomes of what it sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision: str | None = "0009"


def upgrade() -> None:
    """Add the column; nobody is told."""
    column = sa.Column("events", sa.Integer, nullable=False, server_default="0")
    op.add_column("service", column)


def downgrade() -> None:
    """Drop it."""
    op.drop_column("service", "events")
