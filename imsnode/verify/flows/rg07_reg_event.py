# SPDX-License-Identifier: Apache-2.0
"""The state of a registration."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status


@flow("RG-07", "RFC 3680 4, 5", suite=Suite.REGISTRAR)
async def reg_event(lab: Lab) -> None:
    """A user may follow their own registration: a NOTIFY with reginfo comes at once."""
    phone = await lab.device(lab.alice)
    fields = [
        (b"Event", b"reg"), (b"Expires", b"600"), (b"Accept", b"application/reginfo+xml"),
        (b"Contact", b"<" + phone.contact + b">"),
    ]  # fmt: skip
    ok = await phone.request("SUBSCRIBE", lab.alice.aor, fields)
    applies(ok.status not in (489, 405, 501, 404, 403), f"the server answers {ok.status}")
    expect_status(ok, 200)
    told = (await phone.heard("NOTIFY")).request
    expect((told.get("content-type") or b"").startswith(b"application/reginfo+xml"),
           "the NOTIFY has no reginfo document")  # fmt: skip
    expect(b'version="0"' in told.body, "its version does not start at 0")
    expect(phone.contact in told.body, "it does not have the contact")
