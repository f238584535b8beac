# SPDX-License-Identifier: Apache-2.0
"""What a CPIM message asks of those who carry it: the headers of RFC 5438 section 6.

``glance`` runs for every CPIM message that is relayed, so it looks once at each line of the header
and makes no objects of them. Wherever ``cpim.parse_cpim`` accepts a body, both find the same.
"""

from __future__ import annotations

from typing import Final

from .. import octets
from ..errors import ParseError
from ..grammar import only
from .cpim import CpimMessage, address_uri, parse_cpim
from .iscomposing import MEDIA_TYPE as COMPOSING
from .mediatype import is_cpim
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
_DECLARING: Final = b"NS: "
_MIME: Final = b"content-type:"
_NAME: Final = only(b"-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

# Requests repeat: the same clients ask for the same things in message after message.
_ASKED_ITEMS: Final = 256
_ASKED_BYTES: Final = 128
_asked: dict[bytes, int] = {}


class Glance:
    """What an intermediary has to know of a CPIM message.

    message_id: b"" when it has none. asked: the notifications asked for, 0 for a notification
    itself, which must not ask (RFC 5438 7.2.1). notification: it is an IMDN. composing: it says
    that somebody is writing. author: what its From says, when the message has a single one and is
    written as nearly everybody writes it; b"" says nothing.
    """

    __slots__ = ("asked", "author", "composing", "message_id", "notification")

    def __init__(
        self,
        message_id: bytes,
        asked: int,
        notification: bool,
        composing: bool,
        author: bytes = b"",
    ) -> None:
        self.message_id = message_id
        self.asked = asked
        self.notification = notification
        self.composing = composing
        self.author = author


def glance(content_type: bytes | None, body: bytes) -> Glance | None:
    """Look for IMDN headers in a body.

    Returns: None for what is not CPIM, has no such headers, or cannot be read.
    """
    if content_type is None or not is_cpim(content_type):
        return None
    end = body.find(b"\r\n\r\n", 0, HEAD_BYTES + 4)
    if end < 0 or body.find(_BRACKETED, 0, end) < 0:
        return None
    mime_end = octets.find(body, b"\r\n\r\n", end + 4)
    if mime_end >= 0:
        seen = _scan(body[:end], body[end + 4 : mime_end].lower())
        if seen is not None:
            return seen
    try:
        return read(parse_cpim(body))
    except ParseError:
        return None


def read(message: CpimMessage) -> Glance:
    """Return what a message asks of those who carry it."""
    notification = _is_notification(message.part)
    asked = 0
    for header in message.get_all(_REQUEST, NAMESPACE):
        asked |= _bits(header.value)
    message_id = message.get(_MESSAGE_ID, NAMESPACE) or b""
    composing = message.part.media_type == COMPOSING
    return Glance(message_id, 0 if notification else asked, notification, composing)


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

    That is: one name with one full stop for the name space, and a MIME header of its own, given
    in lower case, for a content that is neither a notification nor about writing.
    """
    lines = octets.text_lines(head, len(head))
    if (
        lines is None
        or octets.find(mime_head, b"notification", 0) >= 0
        or octets.find(mime_head, b"imdn+xml", 0) >= 0
        or octets.find(mime_head, b"iscomposing+xml", 0) >= 0
    ):
        return None
    prefix = message_id = author = b""
    identity = request = b""  # what the two lines begin with that are looked for
    asked = 0
    usual = True
    for line in lines:
        if octets.starts(line, _DECLARING, 0):
            declared = len(line) - len(_BRACKETED)
            if octets.starts(line, _BRACKETED, max(declared, 0)):
                if prefix:
                    return None
                prefix = line[4:declared].removesuffix(b" ")
                if not prefix or not octets.is_only(prefix, _NAME):
                    return None
                identity = prefix + b".Message-ID: "
                request = prefix + b".Disposition-Notification: "
            elif prefix and octets.starts(line, prefix, 4):
                return None
        elif prefix and octets.starts(line, identity, 0):
            if message_id:
                return None
            message_id = line[len(identity) :]
        elif prefix and octets.starts(line, request, 0):
            asked |= _bits(line[len(request) :])
        elif octets.starts(line, b"From: ", 0):
            author = line[6:]
        elif line[:13].lower() == _MIME:
            return None
        usual = usual and _is_usual(line)
    if not usual or not head.isascii() or head.count(b"From:") != 1:
        author = b""
    return Glance(message_id, asked, False, False, author)


def _is_usual(line: bytes) -> bool:
    """Say whether a line is a plain name, a value, and nothing that could be read two ways."""
    colon = octets.find(line, b": ", 0)
    return (
        0 < colon < len(line) - 2
        and octets.find(line, b"\t", 0) < 0
        and octets.is_only(line[:colon], _NAME)
    )


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
