# SPDX-License-Identifier: Apache-2.0
"""Following no more."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status
from ..presence import following, subscribe


@flow("PR-07", "RFC 6665 4.1.2.3, 4.2.2", suite=Suite.PRESENCE)
async def unsubscribe(lab: Lab) -> None:
    """Expires 0 ends it with a last NOTIFY: terminated, with no expires."""
    phone = await lab.device(lab.alice)
    dialog = following(await subscribe(phone, lab.alice.aor))
    await phone.heard("NOTIFY")
    fields = [(b"Event", b"presence"), (b"Expires", b"0"),
              (b"Contact", b"<" + phone.contact + b">")]  # fmt: skip
    expect_status(await phone.within(dialog, "SUBSCRIBE", fields), 200)
    ended = await phone.heard(
        "NOTIFY", lambda each: (each.get("subscription-state") or b"").startswith(b"terminated")
    )
    state = ended.request.get("subscription-state") or b""
    expect(b"expires=" not in state, "a subscription that ended has an expires")
    expect(b"reason=" in state, "the last NOTIFY gives no reason")
