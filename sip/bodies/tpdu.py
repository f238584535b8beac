# SPDX-License-Identifier: Apache-2.0
"""Short messages between phone and service centre: SUBMIT, DELIVER, STATUS-REPORT, reports.

Spec: 3GPP TS 23.040 9.2.2 (units), 9.2.3 (elements).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from .gsm import decode_septets, encode_septets, pack, unpack
from .rpdata import read_number, write_number
from .segments import GSM7, UCS2, Place, coding_of, place_header, split_header

__all__ = [
    "Deliver",
    "StatusReport",
    "Submit",
    "deliver_report",
    "parse_deliver",
    "parse_status_report",
    "parse_submit",
    "submit_report",
]

_DELIVER: Final = 0
_SUBMIT: Final = 1
_STATUS_REPORT: Final = 2
_NO_MORE: Final = 0x04
_REPORT: Final = 0x20
_UDHI: Final = 0x40
_ALPHANUMERIC: Final = 0x50
_VALIDITY_OCTETS: Final = {0: 0, 1: 7, 2: 1, 3: 7}


@dataclass(frozen=True, slots=True)
class Submit:
    """SMS-SUBMIT: what a phone sends. text: septets one to an octet, or octets, by its coding."""

    reference: int
    destination: str
    coding: int
    text: bytes
    place: Place | None = None
    wants_report: bool = False

    def encode(self) -> bytes:
        """Return its octets, without a validity period."""
        flags = _SUBMIT | _REPORT * self.wants_report | _UDHI * (self.place is not None)
        number = _number(self.destination)
        scheme = bytes((0, 8 if self.coding == UCS2 else self.coding))
        return bytes((flags, self.reference)) + number + scheme + _user_data(self)


@dataclass(frozen=True, slots=True)
class Deliver:
    """SMS-DELIVER: what a phone gets. at: epoch seconds; more: others wait."""

    originator: str
    coding: int
    text: bytes
    at: float
    place: Place | None = None
    more: bool = False

    def encode(self) -> bytes:
        """Return its octets."""
        flags = _DELIVER | _NO_MORE * (not self.more) | _UDHI * (self.place is not None)
        scheme = bytes((0, 8 if self.coding == UCS2 else self.coding))
        return (
            bytes((flags,)) + _number(self.originator) + scheme + _time(self.at) + _user_data(self)
        )


@dataclass(frozen=True, slots=True)
class StatusReport:
    """SMS-STATUS-REPORT: what became of a message. status: TP-Status, below 32 it was delivered."""

    reference: int
    recipient: str
    sent_at: float
    at: float
    status: int

    def encode(self) -> bytes:
        """Return its octets."""
        flags = bytes((_STATUS_REPORT | _NO_MORE, self.reference))
        times = _time(self.sent_at) + _time(self.at)
        return flags + _number(self.recipient) + times + bytes((self.status,))


def parse_submit(octets: bytes) -> Submit:
    """Read an SMS-SUBMIT. Raises: ValueError."""
    reader = _Reader(octets)
    flags = reader.octet()
    if flags & 3 != _SUBMIT:
        raise ValueError("no SMS-SUBMIT")
    reference = reader.octet()
    destination = reader.number()
    reader.octet()  # protocol identifier
    coding = coding_of(reader.octet())
    reader.take(_VALIDITY_OCTETS[flags >> 3 & 3])
    text, place = reader.user_data(coding, bool(flags & _UDHI))
    return Submit(reference, destination, coding, text, place, bool(flags & _REPORT))


def parse_deliver(octets: bytes) -> Deliver:
    """Read an SMS-DELIVER. Raises: ValueError."""
    reader = _Reader(octets)
    flags = reader.octet()
    if flags & 3 != _DELIVER:
        raise ValueError("no SMS-DELIVER")
    originator = reader.number()
    reader.octet()  # protocol identifier
    coding = coding_of(reader.octet())
    at = reader.time()
    text, place = reader.user_data(coding, bool(flags & _UDHI))
    return Deliver(originator, coding, text, at, place, not flags & _NO_MORE)


def parse_status_report(octets: bytes) -> StatusReport:
    """Read an SMS-STATUS-REPORT. Raises: ValueError."""
    reader = _Reader(octets)
    if reader.octet() & 3 != _STATUS_REPORT:
        raise ValueError("no SMS-STATUS-REPORT")
    reference, recipient = reader.octet(), reader.number()
    return StatusReport(reference, recipient, reader.time(), reader.time(), reader.octet())


def submit_report(at: float, cause: int | None = None) -> bytes:
    """Return the answer to an SMS-SUBMIT: taken at a time, or not, for a cause (TP-FCS)."""
    failure = b"" if cause is None else bytes((cause,))
    return bytes((_SUBMIT,)) + failure + b"\0" + _time(at)


def deliver_report(cause: int | None = None) -> bytes:
    """Return a phone's answer to an SMS-DELIVER."""
    failure = b"" if cause is None else bytes((cause,))
    return bytes((_DELIVER,)) + failure + b"\0"


def _number(number: str) -> bytes:
    """Return an address: the count of its digits, then the digits; or a name."""
    if not number.isalpha():  # a, b and c are digits as well, "cab" is a name
        with suppress(ValueError):
            return bytes((len(number.removeprefix("+")),)) + write_number(number)
    septets = (encode_septets(number) or b"?")[:11]
    packed = pack(septets)
    return bytes((len(packed) * 2 - (len(septets) * 7 % 8 in range(1, 5)), 0xD0)) + packed


def _user_data(unit: Submit | Deliver) -> bytes:
    header = b"" if unit.place is None else place_header(unit.place)
    if unit.coding != GSM7:
        return _counted(len(header) + len(unit.text), header + unit.text)
    filled = -(-len(header) * 8 // 7)
    fill = filled * 7 - len(header) * 8
    return _counted(filled + len(unit.text), header + pack(unit.text, fill))


def _counted(count: int, octets: bytes) -> bytes:
    if len(octets) > 140:
        raise ValueError("more than a short message holds")
    return bytes((count,)) + octets


def _time(at: float) -> bytes:
    """Return a time stamp, in UTC."""
    stamp = datetime.fromtimestamp(at, UTC).strftime("%y%m%d%H%M%S") + "00"
    return bytes(int(stamp[i + 1] + stamp[i], 16) for i in range(0, 14, 2))


class _Reader:
    """Takes one element after the other."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._octets):
            raise ValueError("short message ends too early")
        taken = self._octets[self._at : end]
        self._at = end
        return taken

    def octet(self) -> int:
        return self.take(1)[0]

    def number(self) -> str:
        count = self.octet()
        octets = self.take(1 + (count + 1) // 2)
        if octets[0] & 0x70 == _ALPHANUMERIC:
            return decode_septets(unpack(octets[1:], count * 4 // 7))
        return read_number(octets, count)

    def time(self) -> float:
        """Read a time stamp; one that is no date is 0.0."""
        stamp = self.take(7)
        year, month, day, hour, minute, second = (
            (octet & 0xF) * 10 + (octet >> 4) for octet in stamp[:6]
        )
        # The zone counts quarters of an hour; its highest digit bears the sign.
        quarters = (stamp[6] & 7) * 10 + (stamp[6] >> 4)
        if stamp[6] & 8:
            quarters = -quarters
        try:
            local = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            return 0.0
        return (local - timedelta(minutes=15 * quarters)).timestamp()

    def user_data(self, coding: int, headed: bool) -> tuple[bytes, Place | None]:
        count = self.octet()
        octets = self._octets[self._at :]
        size = (count * 7 + 7) // 8 if coding == GSM7 else count
        if size > len(octets) or size > 140:
            raise ValueError("user data is longer than the message")
        octets = octets[:size]
        place, rest, header = split_header(octets) if headed else (None, octets, 0)
        if coding != GSM7:
            return rest, place
        filled = -(-header * 8 // 7)
        return unpack(rest, max(0, count - filled), filled * 7 - header * 8), place
