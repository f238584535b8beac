# SPDX-License-Identifier: Apache-2.0
"""A message of somebody unknown."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status


@flow("PM-21", "RFC 3428 11; RFC 8760 2.3", suite=Suite.PAGER, users=2)
async def senders_are_asked(lab: Lab) -> None:
    """A MESSAGE without credentials is challenged, and reaches nobody."""
    bob, alice = await lab.device(lab.bob), await lab.phone(lab.alice)
    head = [*alice.head("MESSAGE", lab.bob.aor), (b"Content-Type", b"text/plain")]
    asked = await alice.once("MESSAGE", lab.bob.aor.encode(), head, b"who am I?")
    expect(asked.status not in (200, 202), "anybody may send messages in anybody's name")
    expect_status(asked, 401, 407)
    await bob.silent("MESSAGE", "the message was delivered all the same", wanted=b"who am I?")
