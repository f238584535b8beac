# SPDX-License-Identifier: Apache-2.0
"""A message to who is away."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status


@flow("PM-05", "RFC 3428 7; TS 24.341", suite=Suite.PAGER, users=2)
async def offline(lab: Lab) -> None:
    """What is answered 202 is delivered on the next registration, as it was written."""
    await lab.absent(lab.bob)
    alice = await lab.phone(lab.alice)
    texts = [lab.unique(f"later{number}").encode() for number in range(3)]
    for text in texts:
        taken = await alice.message(lab.bob.aor, text)
        applies(taken.status not in (480, 404), f"nothing is stored: {taken.status}")
        expect_status(taken, 202)
        expect(not taken.body, "the 202 has a body")
    bob = await lab.device(lab.bob)
    for text in texts:
        got = (
            await bob.heard("MESSAGE", lambda each: any(one in each.body for one in texts))
        ).request
        expect(got.body == text, f"{got.body!r} comes where {text!r} was next")
        expect(got.from_uri.aor == lab.alice.aor, "From is not the sender")
