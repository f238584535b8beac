# SPDX-License-Identifier: Apache-2.0
"""A message that has had its day."""

from __future__ import annotations

import asyncio

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status


@flow("PM-09", "RFC 3428 7", suite=Suite.PAGER, users=2)
async def expires(lab: Lab) -> None:
    """What has expired is not delivered."""
    await lab.absent(lab.bob)
    alice = await lab.phone(lab.alice)
    old, new = lab.unique("old").encode(), lab.unique("new").encode()
    taken = await alice.message(lab.bob.aor, old, fields=[(b"Expires", b"1")])
    applies(taken.status == 202, f"nothing is stored: {taken.status}")
    expect_status(await alice.message(lab.bob.aor, new), 202)
    await asyncio.sleep(2.1)
    bob = await lab.device(lab.bob)
    got = await bob.heard("MESSAGE", lambda each: old in each.body or new in each.body)
    expect(new in got.request.body, "a message is delivered after its time")
