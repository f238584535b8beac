# SPDX-License-Identifier: Apache-2.0
"""A tag that is not of this server."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect_status
from ..presence import publish_of, published


@flow("PR-03", "RFC 3903 6 step 3", suite=Suite.PRESENCE)
async def stale_tag(lab: Lab) -> None:
    """A SIP-If-Match that matches nothing is 412; two of them are 400."""
    phone = await lab.phone(lab.alice)
    await published(phone)
    event = (b"Event", b"presence")
    made_up = (b"SIP-If-Match", lab.unique("tag").encode())
    expect_status(await publish_of(phone, [event, made_up]), 412)
    expect_status(await publish_of(phone, [event, made_up, (b"SIP-If-Match", b"b")]), 400)
