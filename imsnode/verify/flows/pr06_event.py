# SPDX-License-Identifier: Apache-2.0
"""Following something unknown."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status
from ..presence import subscribe


@flow("PR-06", "RFC 6665 4.2.1.1, 8.3.2", suite=Suite.PRESENCE)
async def unknown_package(lab: Lab) -> None:
    """A SUBSCRIBE for an unknown event package is 489 with Allow-Events."""
    phone = await lab.phone(lab.alice)
    expect_status(await subscribe(phone, lab.alice.aor), 200)
    refused = await subscribe(phone, lab.alice.aor, event=b"made-up-by-verify")
    applies(refused.status != 480, "what the server does not know it leaves to devices: 480")
    expect_status(refused, 489)
    expect(refused.has("allow-events"), "the 489 has no Allow-Events")
