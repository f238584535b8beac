# SPDX-License-Identifier: Apache-2.0
"""Publishing again."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status
from ..presence import publish_of, published


@flow("PR-02", "RFC 3903 4.1, 6", suite=Suite.PRESENCE)
async def every_answer_has_a_new_tag(lab: Lab) -> None:
    """Each refresh brings another SIP-ETag; the old one is worth nothing any more."""
    phone = await lab.phone(lab.alice)
    first = (await published(phone)).get("sip-etag") or b""
    fields = [(b"Event", b"presence"), (b"SIP-If-Match", first), (b"Expires", b"600")]
    again = await publish_of(phone, fields)
    expect_status(again, 200)
    expect(again.get("sip-etag") not in (None, first), "the refresh brings the same SIP-ETag")
    expect_status(await publish_of(phone, fields), 412)
