# SPDX-License-Identifier: Apache-2.0
"""How often a follower wants to be told."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status
from ..presence import subscribe


@flow("PR-17", "RFC 6446 5-7", suite=Suite.PRESENCE)
async def rate(lab: Lab) -> None:
    """A rate that a follower asks for comes back in Subscription-State."""
    phone = await lab.device(lab.alice)
    expect_status(await subscribe(phone, lab.alice.aor, event=b"presence;max-rate=0.1"), 200)
    told = (await phone.heard("NOTIFY")).request
    state = told.get("subscription-state") or b""
    applies(b"max-rate" in state, "the server does not know rates")
    expect(b"max-rate=0.1" in state.replace(b" ", b""), "the rate is another")
