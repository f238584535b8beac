# SPDX-License-Identifier: Apache-2.0
"""State for a moment."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status
from ..presence import published


@flow("PR-04", "RFC 3903 6 step 4", suite=Suite.PRESENCE)
async def short_lifetime(lab: Lab) -> None:
    """Too short a lifetime is 423 with Min-Expires; one that is taken is not made longer."""
    phone = await lab.phone(lab.alice)
    answer = await published(phone, expires=1)
    if answer.status == 200:
        expect(int(answer.get("expires") or b"0") <= 1, "the lifetime was made longer")
        return
    expect_status(answer, 423)
    expect((answer.get("min-expires") or b"").isdigit(), "the 423 has no Min-Expires")
