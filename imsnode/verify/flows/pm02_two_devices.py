# SPDX-License-Identifier: Apache-2.0
"""A message to two devices."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status


@flow("PM-02", "RFC 3428 6; RFC 3261 16.7", suite=Suite.PAGER, users=2)
async def two_devices(lab: Lab) -> None:
    """Both get it, and the sender one final answer."""
    one, two = await lab.device(lab.bob), await lab.device(lab.bob)
    alice = await lab.phone(lab.alice)
    text = lab.unique("both").encode()
    expect_status(await alice.message(lab.bob.aor, text), 200)
    for device in (one, two):
        got = await device.heard("MESSAGE", text)
        expect(got.request.body == text, "a device gets another body")
