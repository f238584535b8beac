# SPDX-License-Identifier: Apache-2.0
"""Something said in a room."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect
from ..sessions import room


@flow("RM-03", "RFC 7701 6.1, 6.3", suite=Suite.MSRP, users=2)
async def said_to_all(lab: Lab) -> None:
    """The others get it as it is; what has no wrapper is 415, a sender who is another 403."""
    async with room(lab) as one, room(lab, one.uri, lab.bob) as two:
        await one.tell(b"hello all")
        got = await two.end.message()
        expect(got.body.endswith(b"hello all"), "what is said in a room changes on its way")
        await one.end.send(b"no wrapper")
        expect(await one.end.refused() == 415, "a message without a wrapper is taken")
        await one.tell(b"I am bob", sender=lab.bob.aor)
        expect(await one.end.refused() == 403, "a message in the name of another is taken")
