# SPDX-License-Identifier: Apache-2.0
"""A message in the name of another."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect


@flow("PM-21", "RFC 3428 11.1; RFC 3261 22.1", suite=Suite.PAGER, users=2)
async def nobody_writes_as_another(lab: Lab) -> None:
    """With one's own credentials nobody sends as somebody else: 403."""
    bob, alice = await lab.device(lab.bob), await lab.phone(lab.alice)
    uri = lab.bob.aor.encode()
    fields = [
        (b"From", b"<%b>;tag=%b" % (uri, alice.ids.tag())),
        *alice.head("MESSAGE", lab.bob.aor)[1:],
        (b"Content-Type", b"text/plain"),
    ]
    refused = await alice.ask("MESSAGE", uri, fields, b"I am bob")
    expect(refused.status not in (200, 202), "a user writes as another user")
    await bob.silent("MESSAGE", "the message was delivered all the same", wanted=b"I am bob")
