# SPDX-License-Identifier: Apache-2.0
"""A word to one alone."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect
from ..sessions import room


@flow("RM-04", "RFC 7701 6.2", suite=Suite.MSRP, users=2)
async def private_message(lab: Lab) -> None:
    """A message to one participant reaches them; to who is not there it is 404."""
    async with room(lab) as one, room(lab, one.uri, lab.bob) as two:
        applies(b"private-messages" in one.answer, "the room knows no private messages")
        await one.tell(b"psst", to=lab.bob.aor)
        expect((await two.end.message()).body.endswith(b"psst"), "a private message is lost")
        await one.tell(b"psst", to=f"sip:nobody@{lab.domain}")
        expect(await one.end.refused() == 404, "a message to nobody is not 404")
