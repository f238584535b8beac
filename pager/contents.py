# SPDX-License-Identifier: Apache-2.0
"""What the content of a message means to the node: is-composing notices, IMDN requests, IMDNs.

Everything else travels as it is and is not looked into.
"""

from __future__ import annotations

from typing import Final

from sip.bodies.cpim import parse_cpim
from sip.bodies.imdn import notifications
from sip.bodies.imdn_request import Glance, glance
from sip.bodies.iscomposing import MEDIA_TYPE as _COMPOSING
from sip.bodies.mediatype import CPIM, is_cpim, media_type
from sip.bodies.multipart import is_multipart, parse_multipart
from sip.errors import ParseError

from . import rules
from .values import Notice

# A longer Message-ID is passed on, but nobody will ask the ledger for it.
_ID_BYTES: Final = 256


def read_notice(content_type: bytes, body: bytes) -> Notice | None:
    """Return what a content means to the node, None for one that means nothing to it."""
    if is_cpim(content_type):
        return notice_of(glance(content_type, body), body)
    if media_type(content_type) == _COMPOSING:
        return Notice(rules.COMPOSING, b"")
    return None


def notice_of(seen: Glance | None, body: bytes) -> Notice | None:
    """Return what a CPIM message means to the node, of which ``glance`` has seen this."""
    if seen is None:
        return _wrapped(body)
    message_id = seen.message_id if len(seen.message_id) <= _ID_BYTES else b""
    if seen.notification:
        return Notice(rules.IMDN, message_id, 0, _told(body))
    if seen.composing:
        return Notice(rules.COMPOSING, message_id)
    return Notice("", message_id, seen.asked)


def cpim_within(content_type: bytes, body: bytes) -> bytes:
    """Return the octets of the CPIM message that a body is or has among its parts, b"" for none.

    Raises: ParseError for parts that cannot be read.
    """
    if is_cpim(content_type):
        return body
    if is_multipart(content_type) and CPIM in body.lower():
        for part in parse_multipart(content_type, body):
            if is_cpim(part.content_type):
                return part.content
    return b""


def stored_notice(head: bytes, body: bytes) -> Notice | None:
    """Return the same for a message as it is stored; ``head``: as in StoredMessage."""
    content_type = stored_cpim(head)
    return read_notice(content_type, body) if content_type else None


def stored_cpim(head: bytes) -> bytes:
    """Return the Content-Type among stored header lines if it is message/cpim, else b""."""
    if CPIM not in head.lower():
        return b""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip(b" \t").lower() in (b"content-type", b"c"):
            value = value.strip(b" \t")
            return value if is_cpim(value) else b""
    return b""


def told_of(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Return head and body of a stored message whose end its sender may want to hear of.

    Returns: b"" twice for any other.
    """
    return (head, body) if stored_cpim(head) else (b"", b"")


def _wrapped(body: bytes) -> Notice | None:
    """Read a CPIM message without headers of RFC 5438."""
    try:
        if _COMPOSING in body.lower() and parse_cpim(body).part.media_type == _COMPOSING:
            return Notice(rules.COMPOSING, b"")
    except ParseError:
        pass
    return None


def _told(body: bytes) -> tuple[tuple[bytes, str], ...]:
    """Return which messages a notification tells of, each with the rule that says what."""
    try:
        found = notifications(parse_cpim(body))
    except ParseError:
        return ()
    told = [(one.message_id.encode(), f"{one.kind}-{one.status}") for one in found]
    return tuple((i, says) for i, says in told if says in rules.RULES and len(i) <= _ID_BYTES)
