# SPDX-License-Identifier: Apache-2.0
"""The protocol data units of SMPP 3.4 that a client of a message centre needs.

Spec: SMPP 3.4 issue 1.2: 3.2 (format), 4 (operations), 5 (parameters).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct
from typing import Final

__all__ = [
    "BadPdu",
    "Command",
    "Head",
    "Pdu",
    "ShortMessage",
    "Status",
    "Tag",
    "bind_transceiver",
    "message_id",
    "read_head",
]

RESPONSE: Final = 0x80000000
HEAD: Final = Struct(">IIII")
LONGEST: Final = 70_000  # a message_payload of 64 KiB and what stands around it
_VERSION: Final = 0x34


class Command(IntEnum):
    """command_id (5.1.2.1)."""

    GENERIC_NACK = 0x80000000
    SUBMIT_SM = 0x00000004
    SUBMIT_SM_RESP = 0x80000004
    DELIVER_SM = 0x00000005
    DELIVER_SM_RESP = 0x80000005
    UNBIND = 0x00000006
    UNBIND_RESP = 0x80000006
    BIND_TRANSCEIVER = 0x00000009
    BIND_TRANSCEIVER_RESP = 0x80000009
    ENQUIRE_LINK = 0x00000015
    ENQUIRE_LINK_RESP = 0x80000015


class Status(IntEnum):
    """command_status (5.1.3), those that are told apart."""

    OK = 0x00
    INVALID_COMMAND = 0x03
    ALREADY_BOUND = 0x05
    SYSTEM_ERROR = 0x08
    INVALID_DESTINATION = 0x0B
    QUEUE_FULL = 0x14
    THROTTLED = 0x58
    TEMPORARY = 0x64  # ESME_RX_T_APPN: the message centre tries again
    PERMANENT = 0x65  # ESME_RX_P_APPN: it does not
    REJECTED = 0x66  # ESME_RX_R_APPN


class Tag(IntEnum):
    """Tags of optional parameters (5.3.2)."""

    RECEIPTED_MESSAGE_ID = 0x001E
    SAR_REFERENCE = 0x020C
    SAR_TOTAL = 0x020E
    SAR_NUMBER = 0x020F
    MESSAGE_PAYLOAD = 0x0424
    MESSAGE_STATE = 0x0427


class BadPdu(Exception):
    """What came is no PDU, or not one of its kind."""


@dataclass(frozen=True, slots=True)
class Head:
    """The four numbers in front. command: any number, known or not."""

    length: int
    command: int
    status: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Pdu:
    """One unit as it goes over the wire."""

    command: int
    sequence: int
    status: int = 0
    body: bytes = b""

    def encode(self) -> bytes:
        """Return its octets."""
        size = HEAD.size + len(self.body)
        return HEAD.pack(size, self.command, self.status, self.sequence) + self.body


def read_head(octets: bytes) -> Head:
    """Read 16 octets. Raises: BadPdu for a length that cannot be."""
    head = Head(*HEAD.unpack(octets))
    if not HEAD.size <= head.length <= LONGEST:
        raise BadPdu(f"command_length {head.length}")
    return head


@dataclass(frozen=True, slots=True)
class Address:
    """An address with its type of number and numbering plan (5.2.5, 5.2.6)."""

    digits: str
    ton: int = 1
    npi: int = 1

    @property
    def number(self) -> str:
        """The address as people write it: with + when it is international."""
        return f"+{self.digits}" if self.ton == 1 and self.digits.isdigit() else self.digits


def address_of(number: str) -> Address:
    """Return the address of a number, with + for an international one, or of a name."""
    if number.startswith("+"):
        return Address(number[1:], 1, 1)
    if number.isdigit():
        return Address(number, 0, 1)
    return Address(number, 5, 0)


@dataclass(frozen=True, slots=True)
class ShortMessage:
    """The body of submit_sm and deliver_sm (4.4.1, 4.6.1).

    esm_class: 0x40 says that the text begins with a user data header, 0x04 that it is a receipt.
    registered: 1 asks for a receipt. text: of either field that may hold it.
    """

    source: Address
    destination: Address
    text: bytes = b""
    esm_class: int = 0
    coding: int = 0
    registered: int = 0
    service_type: str = ""
    validity: str = ""
    optional: Mapping[int, bytes] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return its octets; a text beyond 254 goes into message_payload."""
        short = self.text if len(self.text) <= 254 else b""
        optional = dict(self.optional)
        if not short and self.text:
            optional[Tag.MESSAGE_PAYLOAD] = self.text
        parts = [
            _string(self.service_type),
            bytes((self.source.ton, self.source.npi)),
            _string(self.source.digits),
            bytes((self.destination.ton, self.destination.npi)),
            _string(self.destination.digits),
            bytes((self.esm_class, 0, 0)),  # protocol_id, priority_flag
            _string(""),  # schedule_delivery_time
            _string(self.validity),
            bytes((self.registered, 0, self.coding, 0, len(short))),
            short,
        ]
        for tag, value in optional.items():
            parts.append(tag.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value)
        return b"".join(parts)

    @classmethod
    def decode(cls, body: bytes) -> ShortMessage:
        """Read a body. Raises: BadPdu."""
        reader = _Reader(body)
        service_type = reader.string()
        source = reader.address()
        destination = reader.address()
        esm_class = reader.octet()
        reader.octet()  # protocol_id
        reader.octet()  # priority_flag
        reader.string()  # schedule_delivery_time
        validity = reader.string()
        registered = reader.octet()
        reader.octet()  # replace_if_present_flag
        coding = reader.octet()
        reader.octet()  # sm_default_msg_id
        text = reader.take(reader.octet())
        optional = reader.optional()
        text = text or optional.get(Tag.MESSAGE_PAYLOAD, b"")
        return cls(
            source,
            destination,
            text,
            esm_class,
            coding,
            registered,
            service_type,
            validity,
            optional,
        )


def bind_transceiver(system_id: str, password: str, system_type: str) -> bytes:
    """Return the body of bind_transceiver (4.1.5)."""
    parts = (_string(system_id), _string(password), _string(system_type))
    return b"".join(parts) + bytes((_VERSION, 0, 0)) + _string("")


def message_id(body: bytes) -> str:
    """Return the message_id of a submit_sm_resp, "" where it has none. Raises: BadPdu."""
    return _Reader(body).string() if body else ""


def _string(text: str) -> bytes:
    return text.encode("latin-1", "replace").replace(b"\0", b"") + b"\0"


class _Reader:
    """Takes one parameter after the other."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._body):
            raise BadPdu("ends too early")
        taken = self._body[self._at : end]
        self._at = end
        return taken

    def octet(self) -> int:
        return self.take(1)[0]

    def string(self) -> str:
        end = self._body.find(b"\0", self._at)
        if end < 0:
            raise BadPdu("a string does not end")
        taken = self._body[self._at : end]
        self._at = end + 1
        return taken.decode("latin-1")

    def address(self) -> Address:
        ton, npi = self.octet(), self.octet()
        return Address(self.string(), ton, npi)

    def optional(self) -> dict[int, bytes]:
        found = {}
        while self._at < len(self._body):
            tag = int.from_bytes(self.take(2), "big")
            found[tag] = self.take(int.from_bytes(self.take(2), "big"))
        return found
