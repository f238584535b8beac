# SPDX-License-Identifier: Apache-2.0
"""A registration for a moment."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status


@flow("RG-01", "RFC 3261 10.3 step 7", suite=Suite.REGISTRAR)
async def short_expiry(lab: Lab) -> None:
    """What is too short is 423 with Min-Expires."""
    phone = await lab.phone(lab.alice)
    brief = await phone.register(expires=1)
    applies(brief.status != 200, "the server takes a second")
    expect_status(brief, 423)
    least = brief.get("min-expires") or b""
    expect(least.isdigit() and int(least) > 1, "the 423 has no Min-Expires")
