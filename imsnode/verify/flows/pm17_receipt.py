# SPDX-License-Identifier: Apache-2.0
"""A receipt finds its way back."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status

_ASKED = (
    b"From: <%b>\r\nTo: <%b>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: %b\r\n"
    b"DateTime: 2026-01-01T12:00:00Z\r\nimdn.Disposition-Notification: positive-delivery\r\n\r\n"
    b"Content-Type: text/plain\r\n\r\nIs it there?"
)
_TOLD = (
    b"From: <%b>\r\nTo: <%b>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: %b\r\n\r\n"
    b"Content-Type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n"
    b'<?xml version="1.0" encoding="UTF-8"?><imdn xmlns="urn:ietf:params:xml:ns:imdn">'
    b"<message-id>%b</message-id><datetime>2026-01-01T12:00:00Z</datetime><delivery-notification><status>"
    b"<delivered/></status></delivery-notification></imdn>"
)


@flow("PM-17", "RFC 5438 6.5, 8", suite=Suite.PAGER, users=2)
async def receipt(lab: Lab) -> None:
    """A receipt of the recipient's device reaches the sender."""
    alice, bob = await lab.device(lab.alice), await lab.device(lab.bob)
    a, b, number = lab.alice.aor.encode(), lab.bob.aor.encode(), lab.unique("id").encode()
    expect_status(
        await alice.message(lab.bob.aor, _ASKED % (a, b, number), b"message/cpim"), 200, 202
    )
    got = (await bob.heard("MESSAGE", number)).request
    expect(number in got.body, "the message is another")
    told = _TOLD % (b, a, lab.unique("r").encode(), number)
    expect_status(await bob.message(lab.alice.aor, told, b"message/cpim"), 200, 202)
    back = await alice.heard("MESSAGE", lambda each: b"imdn+xml" in each.body)
    expect(number in back.request.body, "the receipt is about another message")
