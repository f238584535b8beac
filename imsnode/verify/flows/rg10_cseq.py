# SPDX-License-Identifier: Apache-2.0
"""A request that contradicts itself."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect_status


@flow("RG-10", "RFC 3261 8.1.1.5; RFC 4475 3.1.2.17", suite=Suite.REGISTRAR)
async def cseq_of_another_method(lab: Lab) -> None:
    """A CSeq that names another method is 400."""
    phone = await lab.phone(lab.alice)
    branch = phone.ids.branch()
    fields = phone.head("OPTIONS", f"sip:{lab.domain}")
    text = phone.printed("OPTIONS", f"sip:{lab.domain}".encode(), fields, b"", branch)
    text = text.replace(b"CSeq: 1 OPTIONS", b"CSeq: 1 INFO")
    expect_status(await phone.octets("INFO", text, branch), 400)
