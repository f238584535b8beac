# SPDX-License-Identifier: Apache-2.0
"""Who is in a room."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status
from ..presence import subscribe
from ..sessions import room


@flow("RM-02", "RFC 4575 3, 5; RFC 4579 5.10", suite=Suite.MSRP)
async def roster(lab: Lab) -> None:
    """Who follows the event package conference is told at once, in full."""
    async with room(lab) as there:
        phone = await lab.device(lab.alice)
        ok = await subscribe(phone, there.uri, event=b"conference",
                             accept=b"application/conference-info+xml")  # fmt: skip
        applies(ok.status not in (405, 489, 501), f"the server answers {ok.status}")
        expect_status(ok, 200)
        told = (await phone.heard("NOTIFY", lambda each: each.body)).request
        kind = told.get("content-type") or b""
        expect(kind.startswith(b"application/conference-info+xml"), "it is no conference-info")
        expect(b'state="full"' in told.body, "the first state is not full")
        expect(lab.alice.aor.encode() in told.body, "who is there is not shown")
