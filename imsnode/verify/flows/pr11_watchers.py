# SPDX-License-Identifier: Apache-2.0
"""Who follows whom."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status
from ..presence import subscribe


@flow("PR-11", "RFC 3857 4; RFC 3858 3", suite=Suite.PRESENCE)
async def watchers(lab: Lab) -> None:
    """A user may follow who follows them: watcherinfo, version 0, state full."""
    phone = await lab.device(lab.alice)
    ok = await subscribe(phone, lab.alice.aor, event=b"presence.winfo",
                         accept=b"application/watcherinfo+xml")  # fmt: skip
    applies(ok.status not in (489, 405, 501), f"the server answers {ok.status}")
    expect_status(ok, 200)
    told = (await phone.heard("NOTIFY")).request
    expect(b"watcherinfo" in told.body, "the NOTIFY has no watcherinfo")
    expect(b'version="0"' in told.body, "its version does not start at 0")
    expect(b'state="full"' in told.body, "its first state is not full")
