# SPDX-License-Identifier: Apache-2.0
"""Connections that a client keeps open."""

from __future__ import annotations

import uuid

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect_status

_OURS = b';+sip.instance="<urn:uuid:%b>";reg-id=1'


@flow("RG-05", "RFC 5626 6", suite=Suite.REGISTRAR)
async def outbound(lab: Lab) -> None:
    """A registration with reg-id and instance is 200 with Require: outbound, or 439."""
    phone = await lab.phone(lab.alice)
    instance = str(uuid.uuid4()).encode()
    answer = await phone.register(
        fields=[(b"Supported", b"path, outbound")], parameters=_OURS % instance
    )
    if answer.status == 200:
        await phone.register(expires=0, parameters=_OURS % instance, cseq=90)
    expect_status(answer, 200, 439)
    if answer.status == 200:
        applies(b"outbound" in answer.tokens("require"), "the server does not know outbound")
