# SPDX-License-Identifier: Apache-2.0
"""Messages may be stored without their entries in mailbox, which are made later.

No table changes; but a release that does not know of it would not find such messages.
"""

from __future__ import annotations

revision = "0011"
down_revision: str | None = "0010"


def upgrade() -> None:
    """Change nothing: every message of an earlier release has its entry."""
