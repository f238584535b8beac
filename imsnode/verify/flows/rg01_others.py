# SPDX-License-Identifier: Apache-2.0
"""Registering for somebody else."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect_status


@flow("RG-01", "RFC 3261 10.3 step 3", suite=Suite.REGISTRAR, users=2)
async def nobody_registers_others(lab: Lab) -> None:
    """Who has authenticated may register for themselves alone: 403."""
    phone = await lab.phone(lab.alice)
    fields = [(b"Contact", b"<" + phone.contact + b">"), (b"Expires", b"60")]
    answer = await phone.request("REGISTER", f"sip:{lab.domain}", fields, to=lab.bob.aor)
    expect_status(answer, 403, 401, 404)
