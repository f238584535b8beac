# SPDX-License-Identifier: Apache-2.0
"""Telling the server that one is there."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status
from ..presence import published


@flow("PR-01", "RFC 3903 6", suite=Suite.PRESENCE)
async def publish(lab: Lab) -> None:
    """The 200 has Expires and one SIP-ETag, and no Contact."""
    phone = await lab.phone(lab.alice)
    ok = await published(phone)
    expect_status(ok, 200)
    expect(len(ok.get_all("sip-etag")) == 1, "the answer has not exactly one SIP-ETag")
    expect((ok.get("expires") or b"").isdigit(), "the answer has no Expires")
    expect(not ok.has("contact"), "the answer has a Contact")
