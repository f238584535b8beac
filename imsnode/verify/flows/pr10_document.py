# SPDX-License-Identifier: Apache-2.0
"""What followers see."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status
from ..presence import published, subscribe


@flow("PR-10", "RFC 3856 6; RFC 3863", suite=Suite.PRESENCE)
async def document(lab: Lab) -> None:
    """What a user publishes reaches who follows them, as a valid PIDF document."""
    phone = await lab.device(lab.alice)
    note = lab.unique("note")
    expect_status(await published(phone, note), 200)
    expect_status(await subscribe(phone, lab.alice.aor), 200)
    told = (await phone.heard("NOTIFY", lambda each: each.body)).request
    state = told.get("subscription-state") or b""
    applies(not state.startswith(b"pending"), "a user may not follow themselves")
    expect((told.get("content-type") or b"").startswith(b"application/pidf+xml"), "it is no PIDF")
    expect(note.encode() in told.body, "the NOTIFY does not show what was published")
    again = lab.unique("note")
    expect_status(await published(phone, again), 200)
    await phone.heard("NOTIFY", lambda each: again.encode() in each.body, 2 * lab.patience)
