# SPDX-License-Identifier: Apache-2.0
"""The same request again."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status


@flow("PM-12", "RFC 3261 17.2.3", suite=Suite.PAGER, users=2)
async def repeat(lab: Lab) -> None:
    """A retransmission is answered again and delivered once."""
    bob, alice = await lab.device(lab.bob), await lab.phone(lab.alice)
    uri, text = lab.bob.aor.encode(), lab.unique("once").encode()
    head = [*alice.head("MESSAGE", lab.bob.aor), (b"Content-Type", b"text/plain")]
    proof = alice.proof(await alice.once("MESSAGE", uri, head, b"probe"), "MESSAGE", uri)
    head = [*alice.head("MESSAGE", lab.bob.aor), (b"Content-Type", b"text/plain")]
    branch = alice.ids.branch()
    fields = head if proof is None else [*head, proof]
    expect_status(await alice.once("MESSAGE", uri, fields, text, branch=branch), 200, 202)
    alice.say(alice.printed("MESSAGE", uri, fields, text, branch))
    await bob.heard("MESSAGE", lambda each: each.body == text)
    more = await bob.perhaps("MESSAGE", lambda each: each.body == text)
    expect(more is None, "a retransmission is delivered a second time")
