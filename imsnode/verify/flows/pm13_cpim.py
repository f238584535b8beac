# SPDX-License-Identifier: Apache-2.0
"""A body in a wrapper."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status

_BODY = (
    b"From: MR SANDERS <%b>\r\nTo: Depressed Donkey <%b>\r\n"
    b"DateTime: 2000-12-13T13:40:00-08:00\r\nNS: MyFeatures <mid:MessageFeatures@id.foo.com>\r\n"
    b"MyFeatures.VitalMessageOption: Confirmation-requested\r\n\r\n"
    b"Content-type: text/xml; charset=utf-8\r\nContent-ID: <1234567890@foo.com>\r\n\r\n"
    b"<body>%b</body>\r\n"
)


@flow("PM-13", "RFC 3862 2.2, 3.1", suite=Suite.PAGER, users=2)
async def cpim(lab: Lab) -> None:
    """A message/cpim passes octet for octet."""
    bob, alice = await lab.device(lab.bob), await lab.phone(lab.alice)
    word = lab.unique("cpim").encode()
    body = _BODY % (lab.alice.aor.encode(), lab.bob.aor.encode(), word)
    expect_status(await alice.message(lab.bob.aor, body, b"message/cpim"), 200, 202)
    got = await bob.heard("MESSAGE", word)
    expect(got.request.body == body, "the body has changed on its way")
