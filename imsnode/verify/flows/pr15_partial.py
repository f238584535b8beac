# SPDX-License-Identifier: Apache-2.0
"""State in pieces."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status
from ..presence import published, subscribe


@flow("PR-15", "RFC 5263 4.2, 4.4", suite=Suite.PRESENCE)
async def partial(lab: Lab) -> None:
    """Who takes pidf-diff gets pidf-full with version 1 first, then pidf-diff with version 2."""
    phone = await lab.device(lab.alice)
    expect_status(await published(phone, lab.unique("note")), 200)
    ok = await subscribe(phone, lab.alice.aor,
                         accept=b"application/pidf+xml, application/pidf-diff+xml;q=1")  # fmt: skip
    expect_status(ok, 200)
    told = (await phone.heard("NOTIFY", lambda each: each.body)).request
    kind = told.get("content-type") or b""
    applies(kind.startswith(b"application/pidf-diff+xml"), "the server sends whole documents")
    expect(b"pidf-full" in told.body and b'version="1"' in told.body, "it does not begin in full")
    again = lab.unique("note")
    expect_status(await published(phone, again), 200)
    later = await phone.heard("NOTIFY", again.encode(), 2 * lab.patience)
    expect(b'version="2"' in later.request.body, "the next version is not 2")
