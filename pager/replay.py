# SPDX-License-Identifier: Apache-2.0
"""From a submitted request to what is stored, and from there to what a device gets.

What the sender wrote travels unchanged: From, To, Content-Type, Expires, headers nobody here
understood, the body octet for octet. What belongs to one hop or to the first transaction stays
behind (RFC 3428 7 and 8).
"""

from __future__ import annotations

from typing import Final

from sip import octets
from sip.bodies.mediatype import media_type
from sip.errors import ParseError
from sip.grammar import parse_uint
from sip.headers.address import parse_address
from sip.headers.date import format_date, parse_date
from sip.message import Request, trim
from sip.privacy import ANONYMOUS, ANONYMOUS_HOST
from sip.proxy import Draft

from .identity import delivery_call_id
from .values import StoredMessage

_NOBODY: Final = ANONYMOUS_HOST.encode()
_COMPOSING: Final = b"application/im-iscomposing+xml"
_EXPIRES_MAX: Final = 2**32 - 1
_CHARGING: Final = b"\r\nP-Charging-Vector: "  # as the gate prints it

# Hop by hop, of the first transaction, or proof of identity toward this node alone.
LEFT_BEHIND: Final = frozenset(
    (
        "authorization",
        "call-id",
        "contact",
        "content-length",
        "cseq",
        "max-breadth",
        "max-forwards",
        "p-access-network-info",
        "p-charging-function-addresses",
        "p-served-user",
        "p-visited-network-id",
        "path",
        "proxy-authorization",
        "proxy-require",
        "record-route",
        "route",
        "via",
    )
)

# The lines that are stored, by the headers of a request; emptied when full.
_KEPT: Final = 256
_kept: dict[tuple[str, ...], tuple[int, ...]] = {}


def is_composing(request: Request) -> bool:
    """Say whether the request is an is-composing notice (RFC 3994)."""
    value = request.get("content-type")
    return value is not None and len(value) >= len(_COMPOSING) and media_type(value) == _COMPOSING


def deadline(request: Request, received_wall: float, lifetime_s: float) -> float:
    """Return the wall time after which the message must not be delivered.

    Expires counts from Date when there is one, else from receipt (RFC 3428 7); a malformed
    Expires or Date counts as absent; nothing stays longer than ``lifetime_s``.
    """
    latest = received_wall + lifetime_s
    value = request.get("expires")
    if value is None:
        return latest
    try:
        expires = parse_uint(value, _EXPIRES_MAX, "Expires")
    except ParseError:
        return latest
    date = request.get("date")
    start = parse_date(date) if date is not None else None
    return min(latest, (received_wall if start is None else start) + expires)


def stored_head(request: Request, received_wall: float) -> bytes:
    """Return the header lines that will be replayed, unfolded, joined by CRLF.

    A Date is added when the sender gave none: Expires counts from it, so the lines keep
    meaning the same however late they are replayed.
    """
    names = request.names
    places = _kept.get(names)
    if places is None:
        places = _keep(names)
    lines = [request.line_at(at) for at in places]
    if not request.has("date"):
        lines.append(b"Date: " + format_date(int(received_wall)))
    head = b"\r\n".join(lines)
    if octets.find(head, b"\r\n ", 0) >= 0 or octets.find(head, b"\r\n\t", 0) >= 0:
        head = b"\r\n".join([trim(line) for line in lines])
    return head


def _keep(names: tuple[str, ...]) -> tuple[int, ...]:
    """Return which lines of a request with these headers are stored, and know it from now on."""
    if len(_kept) >= _KEPT:
        _kept.clear()
    places = tuple(at for at, name in enumerate(names) if name not in LEFT_BEHIND)
    _kept[names] = places
    return places


def stored_charging(head: bytes) -> bytes | None:
    """Return the P-Charging-Vector with which a stored message came, None without one."""
    at = octets.find(head, _CHARGING, 0)
    if at < 0:
        return None
    return head[at + len(_CHARGING) :].partition(b"\r\n")[0]


def shown_sender(sender: str, head: bytes) -> str:
    """Return who the recipient of a stored message is told it is from: not a sender who hides."""
    if octets.find(head, _NOBODY, 0) < 0:
        return sender
    for line in head.split(b"\r\n"):
        name, value = _split(line)
        if name.lower() in (b"from", b"f"):
            hidden = parse_address(value, "From").uri.host == ANONYMOUS_HOST
            return ANONYMOUS if hidden else sender
    return sender


def online_draft(request: Request) -> Draft:
    """Return a request of this node's own making for forwarding under its own identity.

    What the transport before it wrote stays behind: there was none.
    """
    identity = [
        (b"Call-ID", request.call_id),
        (b"CSeq", b"%d %b" % (request.cseq, request.method.encode())),
    ]
    lines = [
        trim(line)
        for name, line in zip(request.names, request.lines, strict=True)
        if name not in LEFT_BEHIND
    ]
    return Draft(request.method, [*identity, *map(_split, lines)], request.body)


def delivery_draft(message: StoredMessage, device: str) -> Draft:
    """Return the MESSAGE that brings a stored message to a device.

    The identity is the same at every attempt: the original one when the device was offered the
    message under it, else one of our own (RFC 3261 8.2.2.2).
    """
    if device in message.offered:
        call_id, cseq = message.call_id, message.cseq
    else:
        call_id, cseq = delivery_call_id(message.id, device), 1
    identity = [(b"Call-ID", call_id), (b"CSeq", b"%d MESSAGE" % cseq)]
    lines = message.head.split(b"\r\n")
    return Draft("MESSAGE", [*identity, *map(_split, lines)], message.body)


def with_content(draft: Draft, content_type: bytes, body: bytes) -> Draft:
    """Return a request with another content."""
    headers = [
        (name, value)
        for name, value in draft.headers
        if name.lower() != b"c" and not name.lower().startswith(b"content-")
    ]
    return Draft(draft.method, [*headers, (b"Content-Type", content_type)], body)


def _split(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.rstrip(b" \t"), value.strip(b" \t")
