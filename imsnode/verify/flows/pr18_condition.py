# SPDX-License-Identifier: Apache-2.0
"""State that a follower has already."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect_status
from ..presence import following, subscribe


@flow("PR-18", "RFC 5839 6", suite=Suite.PRESENCE)
async def condition(lab: Lab) -> None:
    """A refresh with the SIP-ETag of the last NOTIFY is 204, and no NOTIFY follows."""
    phone = await lab.device(lab.alice)
    dialog = following(await subscribe(phone, lab.alice.aor))
    tag = (await phone.heard("NOTIFY")).request.get("sip-etag")
    applies(tag, "the server does not know conditions")
    assert tag is not None
    fields = [(b"Event", b"presence"), (b"Expires", b"600"), (b"Suppress-If-Match", tag),
              (b"Contact", b"<" + phone.contact + b">")]  # fmt: skip
    expect_status(await phone.within(dialog, "SUBSCRIBE", fields), 204)
    await phone.silent("NOTIFY", "a NOTIFY follows all the same")
