# SPDX-License-Identifier: Apache-2.0
"""Following somebody."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status
from ..presence import subscribe


@flow("PR-05", "RFC 6665 4.2.1, 4.2.2", suite=Suite.PRESENCE)
async def subscription(lab: Lab) -> None:
    """SUBSCRIBE is 200 with Expires and Contact, and a NOTIFY comes at once."""
    phone = await lab.device(lab.alice)
    ok = await subscribe(phone, lab.alice.aor)
    expect(ok.status != 202, "a SUBSCRIBE is answered 202 (RFC 6665 8.3.1)")
    expect_status(ok, 200)
    expect((ok.get("expires") or b"").isdigit(), "the 200 has no Expires")
    expect(ok.has("contact"), "the 200 has no Contact")
    told = (await phone.heard("NOTIFY")).request
    expect((told.get("event") or b"").split(b";")[0] == b"presence", "the Event is another")
    expect(told.has("subscription-state"), "the NOTIFY has no Subscription-State")
    expect(told.has("contact"), "the NOTIFY has no Contact")
    expect(told.to_tag == ok.from_tag and told.from_tag == ok.to_tag, "its tags are others")
