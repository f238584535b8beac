# SPDX-License-Identifier: Apache-2.0
"""An identity that a client made up."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status


@flow("IM-03", "RFC 3325 5", suite=Suite.IMS, users=2)
async def asserted_by_a_client(lab: Lab) -> None:
    """P-Asserted-Identity of a client is not believed: it does not reach the recipient."""
    text = lab.unique("pai").encode()
    bob, alice = await lab.device(lab.bob), await lab.phone(lab.alice)
    fields = [(b"P-Asserted-Identity", b"<sip:the-boss@%b>" % lab.domain.encode())]
    sent = await alice.message(lab.bob.aor, text, fields=fields)
    expect_status(sent, 200, 202)
    got = (await bob.heard("MESSAGE", text)).request
    stated = b",".join(got.get_all("p-asserted-identity"))
    expect(b"the-boss" not in stated, "an identity that a client states is passed on")
