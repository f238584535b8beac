# SPDX-License-Identifier: Apache-2.0
"""Extensions that nobody knows."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status


@flow("RG-10", "RFC 3261 8.2.2.3, 16.3 step 5", suite=Suite.REGISTRAR)
async def unknown_extension(lab: Lab) -> None:
    """What requires an extension of the server that it does not know is 420 with Unsupported."""
    phone = await lab.phone(lab.alice)
    field = (b"Proxy-Require", b"made-up-by-verify")
    refused = await phone.request("OPTIONS", f"sip:{lab.domain}", [field])
    expect_status(refused, 420)
    expect(b"made-up-by-verify" in refused.items("unsupported"), "Unsupported does not name it")
