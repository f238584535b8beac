# SPDX-License-Identifier: Apache-2.0
"""A room on demand."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect
from ..sessions import room


@flow("RM-01", "RFC 4579 5.4; RFC 7701 5.2", suite=Suite.MSRP)
async def conference(lab: Lab) -> None:
    """An INVITE to the factory makes a room: isfocus in Contact, message/cpim and a=chatroom."""
    async with room(lab) as there:
        expect(";isfocus" in there.contact, "the Contact has no isfocus")
        expect(
            b"a=accept-types:message/cpim" in there.answer, "the room does not take message/cpim"
        )
        expect(b"a=chatroom" in there.answer, "the answer has no a=chatroom")
