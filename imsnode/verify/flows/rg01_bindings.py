# SPDX-License-Identifier: Apache-2.0
"""What a registration is answered."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status


@flow("RG-01", "RFC 3261 10.3 step 8", suite=Suite.REGISTRAR)
async def lists_bindings(lab: Lab) -> None:
    """The 200 lists every binding with its expiry, and says the time."""
    phone = await lab.device(lab.alice)
    ok = await phone.register()
    expect_status(ok, 200)
    mine = [each for each in ok.items("contact") if phone.contact in each]
    expect(mine, "the answer does not list the binding")
    expect(all(b"expires=" in each for each in mine), "a binding is listed without its expiry")
    expect(ok.has("date"), "the answer has no Date (RFC 3261 10.3: SHOULD)")
