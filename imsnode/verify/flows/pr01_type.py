# SPDX-License-Identifier: Apache-2.0
"""State in a format that nobody reads."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status
from ..presence import publish_of, published


@flow("PR-01", "RFC 3903 6 step 5", suite=Suite.PRESENCE)
async def unknown_type(lab: Lab) -> None:
    """A document of another type is 415 with Accept."""
    phone = await lab.phone(lab.alice)
    await published(phone)
    fields = [(b"Event", b"presence"), (b"Content-Type", b"image/png")]
    refused = await publish_of(phone, fields, b"\x89PNG")
    expect_status(refused, 415)
    expect(refused.has("accept"), "the 415 has no Accept")
