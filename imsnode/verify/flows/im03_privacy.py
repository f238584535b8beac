# SPDX-License-Identifier: Apache-2.0
"""A sender who wants to stay unknown."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status


@flow("IM-03", "RFC 3325 9.3; RFC 3323 5", suite=Suite.IMS, users=2)
async def privacy_id(lab: Lab) -> None:
    """With Privacy: id the recipient is told no asserted identity of the sender."""
    text = lab.unique("private").encode()
    bob, alice = await lab.device(lab.bob), await lab.phone(lab.alice)
    sent = await alice.message(lab.bob.aor, text, fields=[(b"Privacy", b"id")])
    expect_status(sent, 200, 202)
    got = (await bob.heard("MESSAGE", text)).request
    expect(not got.has("p-asserted-identity"), "the recipient gets P-Asserted-Identity")
    expect(not got.has("p-preferred-identity"), "the recipient gets P-Preferred-Identity")
