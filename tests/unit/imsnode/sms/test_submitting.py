"""Texts of phones: what is a repeat, and what is said again."""

from __future__ import annotations

import asyncio

from imsnode.sms.submitting import Submitting
from imsnode.storage import Part
from sip.bodies.rpdata import RpKind, RpMessage
from sip.bodies.segments import GSM7
from sip.bodies.tpdu import Submit


class Desk:
    """Takes everything."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def way_to(self, number: str) -> str:
        return f"sip:{number}@ims.test"

    async def deliver(self, sender: str, recipient: str, text: str, identity: str) -> int:
        self.names.append(identity)
        return 200

    async def keep_part(self, part: Part) -> list[Part] | None:
        raise AssertionError(part)

    async def forget_parts(self, part: Part) -> None:
        raise AssertionError(part)


def test_the_same_text_is_a_repeat_for_some_minutes_and_then_a_new_one() -> None:
    desk, clock = Desk(), [1000.0]
    submitting = Submitting("+491700000000", desk, lambda: clock[0])
    unit = Submit(7, "+491701111111", GSM7, b"ok").encode()
    data = RpMessage(RpKind.DATA_MS, 1, unit, "+491700000000")

    def say() -> str:
        asyncio.run(submitting.take(data, "sip:alice@ims.test", lambda answer: None))
        return desk.names[-1]

    first = say()
    clock[0] += 40.0
    assert say() == first
    clock[0] += 200.0
    assert say() != first
