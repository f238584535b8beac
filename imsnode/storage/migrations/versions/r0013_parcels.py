# SPDX-License-Identifier: Apache-2.0
"""Copies that go straight to devices, kept as one record until these have answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision: str | None = "0012"

_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "parcel",
        sa.Column("id", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("job", _EXACT, nullable=False),
        sa.Column("identity", sa.LargeBinary, nullable=False),
        sa.Column("sender", _EXACT, nullable=False),
        sa.Column("call_id", sa.LargeBinary, nullable=False),
        sa.Column("cseq", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("to_each", sa.Boolean, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("copies", sa.Text, nullable=False),
        sa.Column("recipients", sa.Text, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("delivered", sa.Integer, nullable=False),
        sa.Column("settled_at", sa.Double),
    )
    op.create_index("parcel_identity", "parcel", ["identity"])
    op.create_index("parcel_settled", "parcel", ["settled_at"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("parcel")
