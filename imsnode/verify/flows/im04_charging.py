# SPDX-License-Identifier: Apache-2.0
"""What the network counts with."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status


@flow("IM-04", "RFC 7315 5.6", suite=Suite.IMS, users=2)
async def charging_stays_inside(lab: Lab) -> None:
    """P-Charging-Vector of a client is not passed on to another client."""
    text = lab.unique("icid").encode()
    bob, alice = await lab.device(lab.bob), await lab.phone(lab.alice)
    fields = [(b"P-Charging-Vector", b"icid-value=made-up-by-verify")]
    sent = await alice.message(lab.bob.aor, text, fields=fields)
    expect_status(sent, 200, 202)
    got = (await bob.heard("MESSAGE", text)).request
    expect(b"made-up-by-verify" not in (got.get("p-charging-vector") or b""), "it is passed on")
