# SPDX-License-Identifier: Apache-2.0
"""Texts cut into short messages, and put together again.

Spec: 3GPP TS 23.040 9.2.3.24 (user data headers), 9.2.3.24.1 and 9.2.3.24.8 (concatenation with
8 and 16 bit reference).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .gsm import decode_septets, encode_septets

__all__ = [
    "EIGHT_BIT",
    "GSM7",
    "UCS2",
    "Place",
    "coding_of",
    "cut",
    "decode_text",
    "place_header",
    "split_header",
]

GSM7: Final = 0
EIGHT_BIT: Final = 4
UCS2: Final = 8

_LONGEST = {GSM7: (160, 153), UCS2: (140, 134)}  # alone, and with a header of concatenation
_CONCATENATED_8 = 0x00
_CONCATENATED_16 = 0x08
_ESCAPE = 0x1B
_MOST_PARTS = 255


@dataclass(frozen=True, slots=True)
class Place:
    """Which part of which message: number counts from 1."""

    reference: int
    total: int
    number: int


def cut(text: str) -> tuple[int, list[bytes]]:
    """Return the coding of a text and its parts: septets one to an octet, or UCS2 octets.

    Raises: ValueError when it takes more than 255 parts.
    """
    septets = encode_septets(text)
    coding = UCS2 if septets is None else GSM7
    whole = text.encode("utf-16-be") if septets is None else septets
    alone, each = _LONGEST[coding]
    if len(whole) <= alone:
        return coding, [whole]
    parts = list(_slices(whole, each, coding))
    if len(parts) > _MOST_PARTS:
        raise ValueError("the text takes more than 255 short messages")
    return coding, parts


def _slices(whole: bytes, each: int, coding: int) -> Iterator[bytes]:
    """Cut between letters: never inside an extended one or a pair of surrogates."""
    at = 0
    while at < len(whole):
        end = min(at + each, len(whole))
        if end < len(whole):
            if coding == GSM7 and whole[end - 1] == _ESCAPE:
                end -= 1
            elif coding == UCS2 and 0xD8 <= whole[end - 2] <= 0xDB:
                end -= 2
        yield whole[at:end]
        at = end


def place_header(place: Place) -> bytes:
    """Return the user data header that says where a part belongs, with its length in front."""
    tail = bytes((place.total, place.number))
    if place.reference > 0xFF:
        return b"\x06\x08\x04" + place.reference.to_bytes(2, "big") + tail
    return b"\x05\x00\x03" + bytes((place.reference,)) + tail


def split_header(data: bytes) -> tuple[Place | None, bytes, int]:
    """Return what a user data header says of concatenation, the rest, and the header's octets.

    Raises: ValueError for a header that is longer than the data or ends inside an element.
    """
    size = data[0] + 1 if data else 0
    if not data or size > len(data):
        raise ValueError("user data header is longer than the user data")
    place = None
    at = 1
    while at < size:
        element, length = data[at], data[at + 1] if at + 1 < size else 0
        value = data[at + 2 : at + 2 + length]
        if at + 2 + length > size:
            raise ValueError("user data header ends inside an element")
        if element == _CONCATENATED_8 and length == 3:
            place = Place(value[0], value[1], value[2])
        elif element == _CONCATENATED_16 and length == 4:
            place = Place(int.from_bytes(value[:2], "big"), value[2], value[3])
        at += 2 + length
    if place is not None and not 0 < place.number <= place.total:
        place = None  # to be taken for a message of its own (TS 23.040 9.2.3.24.1)
    return place, data[size:], size


def coding_of(scheme: int) -> int:
    """Return the alphabet that a data coding scheme names (TS 23.038 4)."""
    if scheme & 0xF0 == 0xF0:
        return EIGHT_BIT if scheme & 0x04 else GSM7
    if scheme & 0xF0 == 0xE0:
        return UCS2
    if scheme & 0x80:
        return GSM7
    return {0: GSM7, 1: EIGHT_BIT, 2: UCS2}.get(scheme >> 2 & 3, GSM7)


def decode_text(coding: int, parts: Sequence[bytes]) -> str:
    """Return the text of parts in their order."""
    whole = b"".join(parts)
    if coding == UCS2:
        return whole.decode("utf-16-be", "replace")
    if coding == EIGHT_BIT:
        return whole.decode("latin-1")
    return decode_septets(whole)
