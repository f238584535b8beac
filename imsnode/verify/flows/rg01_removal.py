# SPDX-License-Identifier: Apache-2.0
"""A binding that is taken away."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status


@flow("RG-01", "RFC 3261 10.2.2", suite=Suite.REGISTRAR)
async def removal(lab: Lab) -> None:
    """A binding with expires 0 is gone at once, and not listed any more."""
    phone = await lab.device(lab.alice)
    gone = await phone.register(expires=0, cseq=50)
    expect_status(gone, 200)
    expect(not any(phone.contact in each for each in gone.items("contact")), "it is still listed")
    ask = await phone.request("REGISTER", f"sip:{lab.domain}", to=lab.alice.aor)
    expect_status(ask, 200)
    expect(not any(phone.contact in each for each in ask.items("contact")), "it is still there")
