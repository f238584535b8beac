# SPDX-License-Identifier: Apache-2.0
"""A name in a room."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect
from ..sessions import room


@flow("RM-05", "RFC 7701 7.1", suite=Suite.MSRP, users=2)
async def nickname(lab: Lab) -> None:
    """A nickname is granted once: 200, then 425 for another user; what is malformed is 424."""
    async with room(lab) as one, room(lab, one.uri, lab.bob) as two:
        applies(b"nickname" in one.answer, "the room knows no nicknames")
        expect(await one.end.nickname(b'"Verifier"') == 200, "a nickname is not granted")
        expect(await two.end.nickname(b'"VERIFIER"') == 425, "two users have the same nickname")
        expect(await two.end.nickname(b"no quotes") == 424, "a malformed nickname is not 424")
