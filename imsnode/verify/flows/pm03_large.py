# SPDX-License-Identifier: Apache-2.0
"""A message that no datagram should carry."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status


@flow("PM-03", "RFC 3261 18.1.1; RFC 3428 8", suite=Suite.PAGER, users=2)
async def large(lab: Lab) -> None:
    """More than 1300 octets leave by TCP where the device takes that, or are 513."""
    bob, alice = await lab.device(lab.bob), await lab.phone(lab.alice)
    text = lab.unique("large").encode() + bytes(1300).replace(b"\0", b"x")
    answer = await alice.message(lab.bob.aor, text)
    if answer.status == 513:
        return
    expect_status(answer, 200, 202)
    got = await bob.heard("MESSAGE")
    applies(text in got.request.body, "the server sends something else in its place")
    expect(got.flow.transport != "UDP", "it comes in one datagram of more than 1300 octets")
