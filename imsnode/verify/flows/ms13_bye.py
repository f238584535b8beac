# SPDX-License-Identifier: Apache-2.0
"""The end of a session."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect
from ..sessions import call


@flow("MS-13", "RFC 3261 15; RFC 4975 5.4", suite=Suite.MSRP, users=2)
async def bye(lab: Lab) -> None:
    """A BYE of the caller reaches the callee, and its answer the caller."""
    async with call(lab) as talk:
        await talk.near.send(b"bye")
        await talk.far.message()
        expect(await talk.hang_up(), "the BYE does not reach the other side")
