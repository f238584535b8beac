# SPDX-License-Identifier: Apache-2.0
"""A long message."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect
from ..sessions import call


@flow("MS-04", "RFC 4975 5.1, 7.1.1", suite=Suite.MSRP, users=2)
async def chunks(lab: Lab) -> None:
    """A message in many chunks arrives whole, and a word beside it is not lost."""
    body = bytes(range(256)) * 600
    async with call(lab) as talk:
        await talk.near.send(body, b"application/octet-stream")
        await talk.near.send(b"a word")
        got = [await talk.far.message(), await talk.far.message()]
        expect(body in [each.body for each in got], "the long message has changed on its way")
        expect(b"a word" in [each.body for each in got], "the short message is lost")
