# SPDX-License-Identifier: Apache-2.0
"""What the server can do."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status

#: What phones say with it; a server may not want to answer a short datagram with a long one.
_USUAL = (
    (b"Accept", b"application/sdp, text/plain, message/cpim, application/pidf+xml"),
    (b"Allow", b"INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, NOTIFY, REFER, INFO, UPDATE, PRACK"),
    (b"Supported", b"replaces, 100rel, timer, norefersub, gruu, outbound, path"),
    (b"User-Agent", b"imsnode verify"),
)


@flow("RG-10", "RFC 3261 11.2", suite=Suite.REGISTRAR)
async def options(lab: Lab) -> None:
    """OPTIONS to the server is 200, with Allow."""
    phone = await lab.phone(lab.alice)
    ok = await phone.request("OPTIONS", f"sip:{lab.domain}", _USUAL)
    expect_status(ok, 200)
    expect(ok.has("allow"), "the answer has no Allow (RFC 3261 11.2: SHOULD)")
