# SPDX-License-Identifier: Apache-2.0
"""Requests that go in circles."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect_status


@flow("RG-10", "RFC 3261 16.3 step 3", suite=Suite.REGISTRAR, users=2)
async def too_many_hops(lab: Lab) -> None:
    """A request with Max-Forwards 0 that would be passed on is 483."""
    phone = await lab.device(lab.bob)
    other = await lab.phone(lab.alice)
    fields = [(b"Max-Forwards", b"0"), (b"Content-Type", b"text/plain")]
    expect_status(await other.request("MESSAGE", lab.bob.aor, fields, b"too far"), 483)
    await phone.silent("MESSAGE", "the request was passed on all the same", wanted=b"too far")
