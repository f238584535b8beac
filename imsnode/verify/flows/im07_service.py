# SPDX-License-Identifier: Apache-2.0
"""The service of a message."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status

_FORGED = b"urn:urn-7:3gpp-service.ims.icsi.made-up"


@flow("IM-07", "RFC 6050 4; TS 24.229 5.7.1.9", suite=Suite.IMS, users=2)
async def service_of_a_client(lab: Lab) -> None:
    """P-Asserted-Service of a client is not believed."""
    text = lab.unique("icsi").encode()
    bob, alice = await lab.device(lab.bob), await lab.phone(lab.alice)
    fields = [(b"P-Asserted-Service", _FORGED)]
    sent = await alice.message(lab.bob.aor, text, fields=fields)
    expect_status(sent, 200, 202)
    got = (await bob.heard("MESSAGE", text)).request
    expect(_FORGED not in (got.get("p-asserted-service") or b""), "it is passed on")
