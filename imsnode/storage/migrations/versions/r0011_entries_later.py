# SPDX-License-Identifier: Apache-2.0
"""Messages may be stored without their entries in mailbox, which are made later.

No table changes; but a release that does not know of it would not find such messages.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision: str | None = "0010"


def upgrade() -> None:
    """Change nothing: every message of an earlier release has its entry."""


def downgrade() -> None:
    """Make the entries that are missing, which an earlier release would not."""
    op.execute(
        sa.text(
            "INSERT INTO mailbox (recipient, key, seq, state)"
            " SELECT recipient, key, seq, CASE WHEN settled_at IS NULL THEN 0 ELSE 2 END"
            " FROM message WHERE seq >= (SELECT min(seq) FROM due WHERE kind = 2)"
            " ON CONFLICT DO NOTHING"
        )
    )
    op.execute(sa.text("DELETE FROM due WHERE kind = 2"))
