# SPDX-License-Identifier: Apache-2.0
"""A report of success."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect
from ..sessions import call


@flow("MS-06", "RFC 4975 7.1.2-7.1.4", suite=Suite.MSRP, users=2)
async def report(lab: Lab) -> None:
    """A REPORT of the recipient reaches the sender, with the Message-ID and all octets."""
    async with call(lab) as talk:
        await talk.near.send(b"did it arrive?", success_report=True)
        await talk.far.message()
        expect(await talk.near.reported(), "no REPORT comes back")
