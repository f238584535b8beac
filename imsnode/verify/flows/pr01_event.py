# SPDX-License-Identifier: Apache-2.0
"""State of an unknown kind."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status
from ..presence import publish_of, published


@flow("PR-01", "RFC 3903 6 step 2", suite=Suite.PRESENCE)
async def unknown_event(lab: Lab) -> None:
    """A PUBLISH for an event package that the server does not know is 489 with Allow-Events."""
    phone = await lab.phone(lab.alice)
    await published(phone)
    refused = await publish_of(phone, [(b"Event", b"made-up-by-verify")])
    expect_status(refused, 489)
    expect(refused.has("allow-events"), "the 489 has no Allow-Events")
