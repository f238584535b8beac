# SPDX-License-Identifier: Apache-2.0
"""An address of one device."""

from __future__ import annotations

import uuid

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status

_OURS = b';+sip.instance="<urn:uuid:%b>"'


@flow("RG-06", "RFC 5627 5.3", suite=Suite.REGISTRAR)
async def gruu(lab: Lab) -> None:
    """Who supports gruu gets pub-gruu in the 200, the same at every refresh."""
    phone = await lab.phone(lab.alice)
    ours = _OURS % str(uuid.uuid4()).encode()
    found = []
    for cseq in (1, 5):
        ok = await phone.register(fields=[(b"Supported", b"gruu")], parameters=ours, cseq=cseq)
        expect_status(ok, 200)
        mine = [each for each in ok.items("contact") if phone.contact in each]
        found.append([each.partition(b'pub-gruu="')[2].partition(b'"')[0] for each in mine])
    await phone.register(expires=0, parameters=ours, cseq=90)
    applies(any(found[0]), "the server makes no GRUUs")
    expect(found[0] == found[1], "the public GRUU changes")
    expect(b";gr=" in b"".join(found[0]), "the public GRUU has no gr parameter")
