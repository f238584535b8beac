# SPDX-License-Identifier: Apache-2.0
"""A recipient who does not answer."""

from __future__ import annotations

from ..catalogue import Need, Suite, flow
from ..lab import Lab
from ..outcome import Failed, expect


@flow("PM-11", "RFC 4320 4.2", suite=Suite.PAGER, users=2, needs=(Need.TIME,))
async def never_408(lab: Lab) -> None:
    """Nobody answers 408 to a MESSAGE: the sender's own timer says as much."""
    bob, alice = await lab.device(lab.bob), await lab.phone(lab.alice)
    bob.answers = 0
    text = lab.unique("slow").encode()
    try:
        status = (await alice.message(lab.bob.aor, text, patience=36.0)).status
    except Failed:
        status = 0  # silence is what RFC 4320 leaves to the sender's timer
    held = await bob.perhaps("MESSAGE", text, 0.1)
    expect(held is not None, "the recipient gets no MESSAGE")
    if held is not None:
        held.answer(480)
    expect(status != 408, "a silent recipient is answered 408")
