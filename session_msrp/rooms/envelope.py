# SPDX-License-Identifier: Apache-2.0
"""What the message/cpim wrapper of a room message says: from whom, to whom, of which type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sip.bodies.cpim import address_uri, display_name, parse_cpim
from sip.bodies.mediatype import media_type
from sip.errors import ParseError
from sip.uri import Uri, parse_uri

from ..errors import BadChunk

__all__ = ["CPIM", "NOTICES", "AorOf", "Envelope", "canonical", "open_envelope"]

#: The address of record of a URI, as the node sees it.
AorOf = Callable[[Uri], str]

CPIM: Final = b"message/cpim"
#: Types of content about messages, not messages: nobody who was away wants them later.
NOTICES: Final = frozenset((b"message/imdn+xml", b"application/im-iscomposing+xml"))
#: How far the headers of a wrapper may reach before they end.
_HEAD_BYTES: Final = 16 * 1024
_BLANK: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Envelope:
    """senders, recipients: canonical URIs, as `canonical` makes them; kind: wrapped media type.

    senders: of every From that a reader could show (RFC 3862 has one). names: what stands in front
    of these URIs.
    """

    senders: frozenset[str]
    recipients: tuple[str, ...]
    kind: bytes
    names: tuple[str, ...] = ()


def open_envelope(octets: bytes, more: bool, aor_of: AorOf) -> Envelope | None:
    """Read the wrapper at the beginning of a message.

    Args: more: further octets follow. Returns: None while the headers are not all there.
    Raises: BadChunk: 400 for what is no wrapper, 403 for a sender and 404 for a recipient that no
        URI names.
    """
    if more and not _has_ended(octets):
        if len(octets) > _HEAD_BYTES:
            raise BadChunk("the wrapper's headers do not end")
        return None
    try:
        message = parse_cpim(octets)
    except ParseError as error:
        raise BadChunk(error.reason) from error
    try:
        named = [canonical(uri, aor_of) for uri in message.claimed_senders()]
    except ParseError as error:
        raise BadChunk(error.reason, 403) from error
    if not named:
        raise BadChunk("the wrapper names no sender", 403)
    try:
        recipients = tuple(canonical(address_uri(h.value), aor_of) for h in message.get_all(b"To"))
    except ParseError as error:
        raise BadChunk(error.reason, 404) from error
    kind = media_type(message.part.get(b"content-type") or b"")
    shown = (display_name(h.value) for h in message.headers if h.name == b"From")
    return Envelope(frozenset(named), recipients, kind, tuple(name for name in shown if name))


def canonical(uri: bytes, aor_of: AorOf) -> str:
    """Return a URI as it is compared here: an im: URI stands for the sip: URI of the same user.

    Raises: ParseError.
    """
    if uri[:3].lower() == b"im:":
        uri = b"sip:" + uri[3:].partition(b"?")[0]
    return aor_of(parse_uri(uri))


def _has_ended(octets: bytes) -> bool:
    """Say whether the headers of the wrapper and of its content are complete."""
    head, blank, rest = octets.partition(_BLANK)
    # Some write the content's headers without an empty line before them, as RFC 5438 does.
    return bool(blank) and (_BLANK in rest or b"\ncontent-type:" in head.lower())
