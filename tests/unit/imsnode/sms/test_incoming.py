"""What a centre delivers: its alphabets, parts with numbers that cannot be, repeats."""

from __future__ import annotations

import pytest

from imsnode.sms.incoming import Incoming
from imsnode.sms.pdu import ShortMessage, Status, Tag, address_of
from imsnode.sms.receipt import Outcome
from imsnode.storage import Part


class Desk:
    """Takes everything (`imsnode.sms.incoming.Desk`); a message is whole with its last part."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.identities: list[str] = []
        self.parts: list[Part] = []

    def recipient(self, number: str) -> str:
        return f"sip:{number}@ims.test"

    async def submit(self, source: str, recipient: str, text: str, identity: str) -> int:
        self.texts.append(text)
        self.identities.append(identity)
        return 202

    async def keep_part(self, part: Part) -> list[Part]:
        self.parts.append(part)
        return self.parts if part.place.number == part.place.total else []

    async def forget_parts(self, part: Part) -> None:
        self.parts = []

    async def reported(self, smsc: str, outcome: Outcome) -> bool:
        raise AssertionError(outcome)


def short(text: bytes, coding: int = 0, **optional: bytes) -> ShortMessage:
    tags: dict[int, bytes] = {Tag[name]: value for name, value in optional.items()}
    source, destination = address_of("+491"), address_of("+492")
    return ShortMessage(source, destination, text, coding=coding, optional=tags)


def placed(text: bytes, reference: bytes, total: bytes, number: bytes) -> ShortMessage:
    return short(text, SAR_REFERENCE=reference, SAR_TOTAL=total, SAR_NUMBER=number)


@pytest.mark.parametrize(
    ("coding", "octets", "text"),
    [
        (0, b"\0\x05", "@é"),
        (1, b"a@b_$[]", "a@b_$[]"),
        (3, b"caf\xe9 @", "café @"),
        (8, "ж€".encode("utf-16-be"), "ж€"),
    ],
)
async def test_the_alphabets_of_data_coding(coding: int, octets: bytes, text: str) -> None:
    desk = Desk()
    assert await Incoming("centre", desk).take(short(octets, coding)) == Status.OK
    assert desk.texts == [text]


@pytest.mark.parametrize(
    ("reference", "total", "number"),
    [
        (b"\0\1", b"\1\0", b"\1"),  # more parts than there can be
        (b"\xff" * 10, b"\2", b"\1"),  # a number that no store holds
        (b"\0\1", b"\2", b"\3"),
    ],
)
async def test_a_place_that_cannot_be_makes_a_message_of_its_own(
    reference: bytes, total: bytes, number: bytes
) -> None:
    desk = Desk()
    taken = await Incoming("centre", desk).take(placed(b"hi", reference, total, number))
    assert (taken, desk.texts, desk.parts) == (Status.OK, ["hi"], [])


async def test_the_same_long_text_sent_twice_is_two_messages() -> None:
    desk = Desk()
    incoming = Incoming("centre", desk)
    for reference in (b"\0\1", b"\0\2", b"\0\2"):
        for number, text in ((b"\1", b"a"), (b"\2", b"b")):
            await incoming.take(placed(text, reference, b"\2", number))
    assert desk.texts == ["ab"] * 3
    first, second, again = desk.identities
    assert first != second == again
