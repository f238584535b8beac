# SPDX-License-Identifier: Apache-2.0
"""What a message centre delivers: messages of phones, and what became of ours.

Nothing is answered before it is on disk, or with its recipient.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Protocol

from imsnode.storage import Part, StorageError
from sip.bodies.segments import EIGHT_BIT, Place, coding_of, decode_text, split_header

from .pdu import ShortMessage, Status, Tag
from .receipt import Outcome, is_receipt, read_receipt

__all__ = ["Desk", "Incoming"]

_UDHI = 0x40
_ASCII, _LATIN_1 = 1, 3  # of data_coding; TS 23.038 means something else by these numbers


class Desk(Protocol):
    """What a node does with what centres deliver. All of it may raise StorageError."""

    def recipient(self, number: str) -> str:
        """Return the address of record of the user who has a number, "" for nobody."""
        ...

    async def submit(self, source: str, recipient: str, text: str, identity: str) -> int:
        """Give a user a message of a phone; returns the SIP status, once that is for good.

        Args: identity: the same whenever the same message is delivered again.
        """
        ...

    async def keep_part(self, part: Part) -> list[Part] | None:
        """Keep a part; returns all parts when none is missing, None without room for more."""
        ...

    async def forget_parts(self, part: Part) -> None:
        """Forget the parts of a message."""
        ...

    async def reported(self, smsc: str, outcome: Outcome) -> bool:
        """Take note of what became of a message of ours; False when it is not on disk yet."""
        ...


class Incoming:
    """Takes what one centre delivers (`imsnode.sms.link.Take`)."""

    def __init__(self, smsc: str, desk: Desk) -> None:
        self._smsc = smsc
        self._desk = desk

    async def take(self, message: ShortMessage) -> int:
        """Take one deliver_sm; returns the status that the centre hears."""
        try:
            if is_receipt(message):
                return await self._receipt(message)
            return await self._message(message)
        except StorageError:
            return Status.TEMPORARY

    async def _receipt(self, message: ShortMessage) -> int:
        outcome = read_receipt(message)
        if outcome is None:
            return Status.PERMANENT
        if outcome.final and not await self._desk.reported(self._smsc, outcome):
            return Status.TEMPORARY
        return Status.OK

    async def _message(self, message: ShortMessage) -> int:
        recipient = self._desk.recipient(message.destination.number)
        if not recipient:
            return Status.INVALID_DESTINATION
        try:
            place, data = _placed(message)
        except ValueError:
            return Status.PERMANENT
        coding = _coding(message.coding)
        source, destination = message.source.number, message.destination.number
        if place is None or place.total == 1:
            status = await self._desk.submit(source, recipient, decode_text(coding, [data]), "")
            return _answer(status)
        part = Part(source, destination, place, coding, data)
        parts = await self._desk.keep_part(part)
        if parts is None:
            return Status.QUEUE_FULL
        if not parts:
            return Status.OK
        datas = [one.data for one in parts]
        identity = _identity(self._smsc, source, destination, str(place.reference), *datas)
        text = decode_text(parts[0].coding, datas)
        answer = _answer(await self._desk.submit(source, recipient, text, identity))
        if answer != Status.TEMPORARY:
            await self._desk.forget_parts(part)
        return answer


def _placed(message: ShortMessage) -> tuple[Place | None, bytes]:
    """Return where a part belongs, by either way to say so, and its text. Raises: ValueError."""
    if message.esm_class & _UDHI:
        place, data, _ = split_header(message.text)
        return place, data
    optional = message.optional
    if not {Tag.SAR_REFERENCE, Tag.SAR_TOTAL, Tag.SAR_NUMBER} <= optional.keys():
        return None, message.text
    numbers = [
        int.from_bytes(optional[tag], "big")
        for tag in (Tag.SAR_REFERENCE, Tag.SAR_TOTAL, Tag.SAR_NUMBER)
    ]
    reference, total, number = numbers
    if not (0 < number <= total <= 0xFF and reference <= 0xFFFF):
        return None, message.text
    return Place(reference, total, number), message.text


def _coding(scheme: int) -> int:
    """Return the alphabet that a data_coding names (SMPP 3.4 5.2.19)."""
    return EIGHT_BIT if scheme in (_ASCII, _LATIN_1) else coding_of(scheme)


def _identity(*words: str | bytes) -> str:
    mark = blake2b(digest_size=16)
    for word in words:
        octets = word.encode() if isinstance(word, str) else word
        mark.update(len(octets).to_bytes(4, "big") + octets)
    return mark.hexdigest()


def _answer(status: int) -> int:
    """Return what the centre hears of a message that got this status."""
    if 200 <= status < 300:
        return Status.OK
    if status in (404, 604, 410):
        return Status.INVALID_DESTINATION
    if status in (408, 480, 486, 500, 503, 504):
        return Status.TEMPORARY
    return Status.REJECTED
