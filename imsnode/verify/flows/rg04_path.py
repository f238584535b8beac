# SPDX-License-Identifier: Apache-2.0
"""A registration by way of another proxy."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status

_PATH = (b"Path", b"<sip:edge.example.test;lr>")


@flow("RG-04", "RFC 3327 5.3", suite=Suite.REGISTRAR)
async def path(lab: Lab) -> None:
    """Path is kept and copied into the 200; without Supported: path it is 420, or taken as well."""
    phone = await lab.phone(lab.alice)
    kept = await phone.register(fields=[_PATH, (b"Supported", b"path")])
    if kept.status == 200:
        await phone.register(expires=0, cseq=90)
    applies(kept.status not in (420, 501), f"the server answers {kept.status}")
    expect_status(kept, 200)
    applies(kept.has("path"), "the 200 has no Path: it is not known, or not believed of a client")
    expect(_PATH[1] in kept.items("path"), "the Path of the 200 is another")
    refused = await phone.register(fields=[_PATH])
    if refused.status == 200:
        await phone.register(expires=0, cseq=95)
    expect_status(refused, 420, 200)  # a registrar may choose
