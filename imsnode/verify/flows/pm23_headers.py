# SPDX-License-Identifier: Apache-2.0
"""What belongs to a message of RCS."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status

_KEPT = (
    (b"Conversation-ID", b"f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
    (b"Contribution-ID", b"abcdef-1234-5678-90ab-cdef01234567"),
    (b"Accept-Contact", b'*;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg"'),
)


@flow("PM-23", "RCC.07 3.2.2; RFC 3841", suite=Suite.PAGER, users=2)
async def headers_of_a_conversation(lab: Lab) -> None:
    """Conversation-ID, Contribution-ID and Accept-Contact reach the recipient unchanged."""
    bob, alice = await lab.device(lab.bob), await lab.phone(lab.alice)
    text = lab.unique("rcs").encode()
    expect_status(await alice.message(lab.bob.aor, text, fields=_KEPT), 200, 202)
    got = (await bob.heard("MESSAGE", text)).request
    for name, value in _KEPT:
        expect(got.get(name.decode().lower()) == value, f"{name.decode()} is lost or changed")
