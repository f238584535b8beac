# SPDX-License-Identifier: Apache-2.0
"""What may stand beside a Contact of *."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect_status


@flow("RG-01", "RFC 3261 10.3 step 6", suite=Suite.REGISTRAR)
async def star_needs_expires_0(lab: Lab) -> None:
    """A Contact of * without Expires 0 is 400."""
    phone = await lab.phone(lab.alice)
    fields = [(b"Contact", b"*"), (b"Expires", b"600")]
    uri = f"sip:{lab.domain}"
    expect_status(await phone.request("REGISTER", uri, fields, to=lab.alice.aor), 400)
