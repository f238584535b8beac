# SPDX-License-Identifier: Apache-2.0
"""Disposition notifications: message/imdn+xml and the CPIM message around it (RFC 5438)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ..errors import ParseError
from .cpim import CpimMessage, compose
from .imdn_request import NAMESPACE as HEADERS
from .multipart import is_multipart, parse_multipart
from .xml import add, child, new_root, parse_xml, text_of, write_xml

__all__ = [
    "MEDIA_TYPE",
    "NAMESPACE",
    "Notification",
    "build_imdn",
    "notifications",
    "parse_imdn",
    "wrap_imdn",
]

MEDIA_TYPE: Final = b"message/imdn+xml"
NAMESPACE: Final = "urn:ietf:params:xml:ns:imdn"

_WHERE: Final = "IMDN"
# What is remembered of documents that were read: of at most so many octets, at most so many.
_SHORT_OCTETS: Final = 4_096
_REMEMBERED: Final = 512
_NS: Final = f"{{{NAMESPACE}}}"
# What each kind may say (RFC 5438 11.1.7); an extension says something else.
_STATUS: Final = {
    "delivery": ("delivered", "failed", "forbidden", "error"),
    "display": ("displayed", "forbidden", "error"),
    "processing": ("processed", "stored", "forbidden", "error"),
}


@dataclass(frozen=True, slots=True)
class Notification:
    """What became of a message.

    kind: delivery, display or processing. status: one RFC 5438 11.1.7 names for the kind; "" when
    only an extension says more. message_id, datetime: of the message, as it had them.
    """

    kind: str
    status: str
    message_id: str
    datetime: str
    recipient_uri: str = ""
    original_recipient_uri: str = ""
    subject: str = ""


def parse_imdn(body: bytes) -> Notification:
    """Read one message/imdn+xml document; elements of other name spaces are passed over.

    A short one that was read a moment ago is not read again.

    Raises: ParseError.
    """
    return _parse(body) if len(body) > _SHORT_OCTETS else _remembered(body)


def _parse(body: bytes) -> Notification:
    root = parse_xml(body, _WHERE)
    if root.tag != _NS + "imdn":
        raise ParseError(_WHERE, "IMDN document has another root element")
    message_id = text_of(child(root, _NS + "message-id"))
    if not message_id:
        raise ParseError(_WHERE, "IMDN document names no message")
    kinds = [kind for kind in _STATUS if root.find(f"{_NS}{kind}-notification") is not None]
    if len(kinds) != 1:
        raise ParseError(_WHERE, "IMDN document is not one notification")
    kind = kinds[0]
    outer = child(root, f"{_NS}{kind}-notification")
    status = None if outer is None else child(outer, _NS + "status")
    if status is None:
        raise ParseError(_WHERE, "IMDN document has no status")
    said = [str(one.tag).removeprefix(_NS) for one in status if str(one.tag).startswith(_NS)]
    if len(said) > 1 or (said and said[0] not in _STATUS[kind]):
        raise ParseError(_WHERE, f"IMDN document has a status that no {kind} notification has")
    return Notification(
        kind,
        said[0] if said else "",
        message_id,
        text_of(child(root, _NS + "datetime")),
        text_of(child(root, _NS + "recipient-uri")),
        text_of(child(root, _NS + "original-recipient-uri")),
        text_of(child(root, _NS + "subject")),
    )


_remembered = lru_cache(_REMEMBERED)(_parse)


def build_imdn(notification: Notification) -> bytes:
    """Write one message/imdn+xml document; what has no value is left out where it may be."""
    root = new_root(NAMESPACE, "imdn")
    optional = (
        ("recipient-uri", notification.recipient_uri),
        ("original-recipient-uri", notification.original_recipient_uri),
        ("subject", notification.subject),
    )
    add(root, "message-id", notification.message_id)
    add(root, "datetime", notification.datetime)
    for name, text in optional:
        if text:
            add(root, name, text)
    status = add(add(root, f"{notification.kind}-notification"), "status")
    add(status, notification.status)
    return write_xml(root)


def notifications(message: CpimMessage) -> list[Notification]:
    """Return what a CPIM message notifies of: one, several when aggregated, or nothing.

    Raises: ParseError for one that cannot be read (RFC 5438 8.3, 9).
    """
    part = message.part
    if part.media_type == MEDIA_TYPE:
        return [parse_imdn(part.content)]
    if part.disposition == b"notification" and is_multipart(part.content_type):
        inner = parse_multipart(part.content_type, part.content)
        return [parse_imdn(one.content) for one in inner if one.media_type == MEDIA_TYPE]
    return []


def wrap_imdn(
    document: bytes,
    message_id: bytes,
    sender: bytes,
    recipient: bytes,
    routes: Iterable[bytes] = (),
) -> CpimMessage:
    """Put a document into the CPIM message that carries it (RFC 5438 7.2.1).

    Args:
        message_id: a new one, of the notification itself. sender, recipient: URIs.
        routes: URIs for IMDN-Route, the topmost first: what the message recorded.
    Raises: ParseError for a URI or id that cannot be written.
    """
    headers = [
        (b"From", b"<" + sender + b">"),
        (b"To", b"<" + recipient + b">"),
        (b"NS", b"imdn <" + HEADERS + b">"),
        (b"imdn.Message-ID", message_id),
    ]
    headers += [(b"imdn.IMDN-Route", b"<" + uri + b">") for uri in routes]
    mime = [
        (b"Content-Type", MEDIA_TYPE),
        (b"Content-Disposition", b"notification"),
        (b"Content-Length", b"%d" % len(document)),
    ]
    return compose(headers, mime, document)
