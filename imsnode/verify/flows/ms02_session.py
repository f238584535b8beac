# SPDX-License-Identifier: Apache-2.0
"""A session from the first word to the last."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect
from ..sessions import call


@flow("MS-02", "RFC 4975 5.4, 8", suite=Suite.MSRP, users=2)
async def session(lab: Lab) -> None:
    """An INVITE with m=message is answered, the session opens, words go both ways."""
    async with call(lab) as talk:
        for near, far, text in (
            (talk.near, talk.far, b"hello"), (talk.far, talk.near, "schön".encode()),
        ):  # fmt: skip
            await near.send(text)
            expect((await far.message()).body == text, "a message has changed on its way")
            expect(await near.delivered(), "a message that arrived is not answered 200")
