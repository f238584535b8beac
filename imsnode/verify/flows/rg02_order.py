# SPDX-License-Identifier: Apache-2.0
"""Registrations that overtake each other."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status


@flow("RG-02", "RFC 3261 10.3 step 7", suite=Suite.REGISTRAR)
async def older_changes_nothing(lab: Lab) -> None:
    """With the same Call-ID and a CSeq that is not higher a binding stays as it is."""
    phone = await lab.phone(lab.alice)
    call_id = phone.ids.call_id()
    uri = f"sip:{lab.domain}"
    for cseq, expires in ((20, 600), (10, 0)):
        fields = [(b"Contact", b"<%b>;expires=%d" % (phone.contact, expires))]
        await phone.request("REGISTER", uri, fields, to=lab.alice.aor, call_id=call_id, cseq=cseq)
    ask = await phone.request("REGISTER", uri, to=lab.alice.aor)
    expect_status(ask, 200)
    there = any(phone.contact in each for each in ask.items("contact"))
    await phone.register(expires=0, cseq=90)
    expect(there, "the older request removed the binding of the newer one")
