# SPDX-License-Identifier: Apache-2.0
"""The queue of who was away."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status
from ..phone import Arrival


@flow("PM-07", "RFC 3428 8", suite=Suite.PAGER, users=2)
async def one_at_a_time(lab: Lab) -> None:
    """Of what was stored one MESSAGE is on its way to a device at a time."""
    await lab.absent(lab.bob)
    alice = await lab.phone(lab.alice)
    word = lab.unique("queue").encode()
    for number in (b"1", b"2"):
        taken = await alice.message(lab.bob.aor, word + number)
        applies(taken.status == 202, f"nothing is stored: {taken.status}")
    bob = await lab.phone(lab.bob)
    bob.answers = 0
    expect_status(await bob.register(), 200)
    first = await bob.heard("MESSAGE", word)
    second = await bob.perhaps("MESSAGE", lambda each: _is_next(each.body, word, first))
    first.answer(200)
    expect(second is None, "the next MESSAGE comes before the first is answered")
    bob.answers = 200
    await bob.heard("MESSAGE", lambda each: _is_next(each.body, word, first))
    await bob.register(expires=0, cseq=90)


def _is_next(body: bytes, word: bytes, first: Arrival) -> bool:
    return word in body and body != first.request.body
