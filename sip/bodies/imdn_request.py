# SPDX-License-Identifier: Apache-2.0
"""What a CPIM message asks of those who carry it: the headers of RFC 5438 section 6.

``glance`` runs for every CPIM message that is relayed, so it searches octets and reads nothing
else. Wherever ``cpim.parse_cpim`` accepts a body, both find the same.
"""

from __future__ import annotations

from typing import Final

from ..errors import ParseError
from .cpim import CpimMessage, address_uri, is_cpim, parse_cpim
from .mime import HEAD_BYTES, Part

__all__ = [
    "DISPLAY",
    "NAMESPACE",
    "NEGATIVE_DELIVERY",
    "POSITIVE_DELIVERY",
    "PROCESSING",
    "Glance",
    "glance",
    "read",
    "top_route",
    "with_original_to",
    "with_record_route",
    "without_top_route",
]

NAMESPACE: Final = b"urn:ietf:params:imdn"

# What a sender may ask for, as bits of ``Glance.asked``.
POSITIVE_DELIVERY: Final = 1
NEGATIVE_DELIVERY: Final = 2
PROCESSING: Final = 4
DISPLAY: Final = 8

_BITS: Final = {
    b"positive-delivery": POSITIVE_DELIVERY,
    b"negative-delivery": NEGATIVE_DELIVERY,
    b"processing": PROCESSING,
    b"display": DISPLAY,
}
_BRACKETED: Final = b"<" + NAMESPACE + b">"
_MESSAGE_ID: Final = b"Message-ID"
_REQUEST: Final = b"Disposition-Notification"
_IMDN_XML: Final = b"message/imdn+xml"

# Requests repeat: the same clients ask for the same things in message after message.
_ASKED_ITEMS: Final = 256
_ASKED_BYTES: Final = 128
_asked: dict[bytes, int] = {}


class Glance:
    """What an intermediary has to know of a CPIM message.

    message_id: b"" when it has none. asked: the notifications asked for, 0 for a notification
    itself, which must not ask (RFC 5438 7.2.1). notification: it is an IMDN.
    """

    __slots__ = ("asked", "message_id", "notification")

    def __init__(self, message_id: bytes, asked: int, notification: bool) -> None:
        self.message_id = message_id
        self.asked = asked
        self.notification = notification


def glance(content_type: bytes | None, body: bytes) -> Glance | None:
    """Look for IMDN headers in a body.

    Returns: None for what is not CPIM, has no such headers, or cannot be read.
    """
    if content_type is None or not is_cpim(content_type):
        return None
    end = body.find(b"\r\n\r\n", 0, HEAD_BYTES + 4)
    if end < 0 or body.find(_BRACKETED, 0, end) < 0:
        return None
    mime_end = body.find(b"\r\n\r\n", end + 4)
    seen = _scan(body[:end], body[end + 4 : mime_end]) if mime_end >= 0 else None
    if seen is None:
        try:
            return read(parse_cpim(body))
        except ParseError:
            return None
    return seen


def read(message: CpimMessage) -> Glance:
    """Return what a message asks of those who carry it."""
    notification = _is_notification(message.part)
    asked = 0
    for header in message.get_all(_REQUEST, NAMESPACE):
        asked |= _bits(header.value)
    message_id = message.get(_MESSAGE_ID, NAMESPACE) or b""
    return Glance(message_id, 0 if notification else asked, notification)


def top_route(message: CpimMessage) -> bytes | None:
    """Return the URI of the topmost IMDN-Route; None when there is none.

    Raises: ParseError.
    """
    value = message.get(b"IMDN-Route", NAMESPACE)
    return None if value is None else address_uri(value)


def without_top_route(message: CpimMessage) -> CpimMessage:
    """Return the notification as it goes on behind the topmost IMDN-Route (RFC 5438 8)."""
    return message.without_first(b"IMDN-Route", NAMESPACE)


def with_record_route(message: CpimMessage, uri: bytes) -> CpimMessage:
    """Return the message with ``uri`` as its topmost IMDN-Record-Route (RFC 5438 6.5)."""
    return message.with_header(b"IMDN-Record-Route", b"<" + uri + b">", NAMESPACE, b"imdn")


def with_original_to(message: CpimMessage, uri: bytes) -> CpimMessage:
    """Return the message with an Original-To, which nobody may change (RFC 5438 6.4)."""
    if message.get(b"Original-To", NAMESPACE) is not None:
        return message
    return message.with_header(b"Original-To", b"<" + uri + b">", NAMESPACE, b"imdn")


def _scan(head: bytes, mime_head: bytes) -> Glance | None:
    """Find the headers of a message as nearly everybody writes it; None for any other.

    That is: one name with one full stop for the name space, and a MIME header of its own.
    """
    declared = head.find(_BRACKETED)
    line = head[head.rfind(b"\n", 0, declared) + 1 : declared]
    prefix = line[4:].removesuffix(b" ")
    if (
        not prefix
        or not line.startswith(b"NS: ")
        or head.find(_BRACKETED, declared + 1) >= 0
        or head.find(b"\nNS: " + prefix, declared) >= 0
        or b"\ncontent-type:" in head.lower()
    ):
        return None
    mark = b"\n%b.Message-ID: " % prefix
    at = head.find(mark, declared)
    message_id = b""
    if at >= 0:
        message_id = head[at + len(mark) :].partition(b"\r")[0]
        if head.find(mark, at + 1) >= 0:
            return None
    mark = b"\n%b.Disposition-Notification: " % prefix
    at = head.find(mark, declared)
    asked = 0
    while at >= 0:
        asked |= _bits(head[at + len(mark) :].partition(b"\r")[0])
        at = head.find(mark, at + 1)
    mime_low = mime_head.lower()
    if b"notification" in mime_low or b"imdn+xml" in mime_low:
        return None
    return Glance(message_id, asked, False)


def _is_notification(part: Part) -> bool:
    return part.media_type == _IMDN_XML or part.disposition == b"notification"


def _bits(value: bytes) -> int:
    """Return what a Disposition-Notification asks for; values nobody knows ask for nothing."""
    bits = _asked.get(value)
    if bits is None:
        bits = 0
        for item in value.split(b","):
            bits |= _BITS.get(item.partition(b";")[0].strip(b" "), 0)
        if len(value) <= _ASKED_BYTES:
            if len(_asked) >= _ASKED_ITEMS:
                _asked.clear()
            _asked[value] = bits
    return bits
