# SPDX-License-Identifier: Apache-2.0
"""Messages of the short message relay layer: application/vnd.3gpp.sms.

Spec: 3GPP TS 24.011 7.3 (messages), 8.2 (elements); TS 24.341 (their way in SIP).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

__all__ = ["MEDIA_TYPE", "RpKind", "RpMessage", "parse_rp", "read_number", "write_number"]

MEDIA_TYPE: Final = b"application/vnd.3gpp.sms"

_USER_DATA: Final = 0x41
_INTERNATIONAL: Final = 0x91
_UNKNOWN: Final = 0x81
_DIGITS: Final = "0123456789*#abc"


class RpKind(IntEnum):
    """Message type with its direction: _MS from the phone, _NET to it (8.2.2)."""

    DATA_MS = 0
    DATA_NET = 1
    ACK_MS = 2
    ACK_NET = 3
    ERROR_MS = 4
    ERROR_NET = 5
    SMMA = 6


@dataclass(frozen=True, slots=True)
class RpMessage:
    """One message. originator, destination: numbers of RP-DATA, "" for none. cause: of RP-ERROR.

    reference: what the answer to it repeats.
    """

    kind: RpKind
    reference: int
    user_data: bytes = b""
    originator: str = ""
    destination: str = ""
    cause: int = 0

    def encode(self) -> bytes:
        """Return its octets."""
        head = bytes((self.kind, self.reference))
        if self.kind in (RpKind.DATA_MS, RpKind.DATA_NET):
            addresses = _address(self.originator) + _address(self.destination)
            return head + addresses + _counted(self.user_data)
        if self.kind == RpKind.SMMA:
            return head
        if self.kind in (RpKind.ERROR_MS, RpKind.ERROR_NET):
            head += bytes((1, self.cause))
        if self.user_data:
            head += bytes((_USER_DATA,)) + _counted(self.user_data)
        return head


def parse_rp(body: bytes) -> RpMessage:
    """Read a message. Raises: ValueError for what is none."""
    try:
        return _parse(body)
    except IndexError:
        raise ValueError("RP message ends too early") from None


def _parse(body: bytes) -> RpMessage:
    try:
        kind = RpKind(body[0] & 7)
    except ValueError:
        raise ValueError("no such RP message") from None
    reference = body[1]
    if kind in (RpKind.DATA_MS, RpKind.DATA_NET):
        originator, at = _read_counted(body, 2)
        destination, at = _read_counted(body, at)
        user_data, _ = _read_counted(body, at)
        numbers = _read_address(originator), _read_address(destination)
        return RpMessage(kind, reference, user_data, *numbers)
    if kind == RpKind.SMMA:
        return RpMessage(kind, reference)
    at, cause = 2, 0
    if kind in (RpKind.ERROR_MS, RpKind.ERROR_NET):
        causes, at = _read_counted(body, at)
        cause = causes[0] & 0x7F
    user_data = b""
    if len(body) > at:
        if body[at] != _USER_DATA:
            raise ValueError("RP message has an element that is not known")
        user_data, _ = _read_counted(body, at + 1)
    return RpMessage(kind, reference, user_data, cause=cause)


def _counted(octets: bytes) -> bytes:
    if len(octets) > 255:
        raise ValueError("more than an RP message holds")
    return bytes((len(octets),)) + octets


def _read_counted(body: bytes, at: int) -> tuple[bytes, int]:
    end = at + 1 + body[at]
    if end > len(body):
        raise ValueError("RP message ends inside an element")
    return body[at + 1 : end], end


def _address(number: str) -> bytes:
    return _counted(write_number(number)) if number else b"\0"


def _read_address(octets: bytes) -> str:
    return read_number(octets) if octets else ""


def write_number(number: str) -> bytes:
    """Return type of number and digits, two to an octet; + is an international number.

    Raises: ValueError for what is no number.
    """
    digits = number.removeprefix("+")
    if not digits or any(digit not in _DIGITS for digit in digits):
        raise ValueError("no number")
    nibbles = [_DIGITS.index(digit) for digit in digits] + [0xF] * (len(digits) % 2)
    pairs = zip(nibbles[::2], nibbles[1::2], strict=True)
    kind = _INTERNATIONAL if number.startswith("+") else _UNKNOWN
    return bytes((kind, *(low | high << 4 for low, high in pairs)))


def read_number(octets: bytes, count: int | None = None) -> str:
    """Return a number; count: its digits, by default as far as they go.

    Raises: ValueError for digits that are none.
    """
    nibbles = [nibble for octet in octets[1:] for nibble in (octet & 0xF, octet >> 4)]
    if count is None and nibbles and nibbles[-1] == 0xF:
        nibbles.pop()
    try:
        digits = "".join(_DIGITS[nibble] for nibble in nibbles[:count])
    except IndexError:
        raise ValueError("a digit is none") from None
    return f"+{digits}" if octets[0] & 0x70 == 0x10 else digits
