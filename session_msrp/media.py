# SPDX-License-Identifier: Apache-2.0
"""What an m=message section says of a session, read and written (RFC 4975 8).

Who connects is a=setup (RFC 6135); where to is the path, or with a=msrp-cema on both sides the c=
and m= lines, which a border controller may have changed (RFC 6714).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

from sip.bodies.sdp import Media, Sdp

from .errors import BadChunk, MediaError
from .uri import MsrpUri, parse_path

__all__ = [
    "ACTIVE",
    "ACTPASS",
    "PASSIVE",
    "PLAIN",
    "SECURE",
    "Description",
    "answer_setup",
    "is_session",
    "new_media",
    "read_media",
    "we_connect",
]

ACTIVE: Final = b"active"
PASSIVE: Final = b"passive"
ACTPASS: Final = b"actpass"

#: Protocols of an m= line; WebSocket has none of its own (RFC 7977 5.2.2).
PLAIN: Final = b"TCP/MSRP"
SECURE: Final = b"TCP/TLS/MSRP"
_PATH_URIS = 8
#: Transports that a path may name: of the second nobody connects to a client (RFC 7977 5.1).
_TRANSPORTS: Final = (b"tcp", b"ws")
_DIRECTIONS: Final = (b"sendrecv", b"sendonly", b"recvonly", b"inactive")


@dataclass(frozen=True, slots=True)
class Description:
    """One side of a session as its SDP has it. port 0: refused, or no more (RFC 3264 6, 8.2).

    path: its URIs, the nearest first. host: of the c= line, None for a name. setup: b"" when the
    side does not know RFC 6135. types and wrapped: as a=accept-types and a=accept-wrapped-types
    have them. max_size: octets of a message, None without a limit. direction: sendrecv and so on.
    """

    secure: bool
    port: int
    host: str | None
    path: tuple[MsrpUri, ...]
    setup: bytes
    types: tuple[bytes, ...]
    wrapped: tuple[bytes, ...]
    max_size: int | None
    cema: bool
    direction: bytes
    fingerprint: bytes

    @property
    def target(self) -> tuple[str, int] | None:
        """Where to connect to reach this side: IP address and port, None when it is not known.

        Of a name in the path the c= line says the address. Without one there the name itself is to
        be looked up, and where it is what the certificate has to say (RFC 4975 14.2).
        """
        host, port = self.path[0].address
        if self.websocket:
            return None
        if self.cema and self.host is not None:
            return (self.host, self.port)  # RFC 6714 4.2.2; a relay in the path rules CEMA out
        try:
            return (str(ipaddress.ip_address(host)), port)
        except ValueError:
            trusted = bool(self.fingerprint) or not self.secure
            return (self.host, port) if self.host is not None and trusted else (host, port)

    @property
    def websocket(self) -> bool:
        """True for a side that opens a WebSocket and can be reached in no other way."""
        return bool(self.path) and self.path[0].transport == _TRANSPORTS[1]

    def accepts(self, kind: bytes) -> bool:
        """Say whether a media type, in lower case, may be sent to this side."""
        wanted = {each.lower() for each in self.types}
        return bool(wanted & {b"*", kind, kind.partition(b"/")[0] + b"/*"})


def is_session(media: Media) -> bool:
    """Say whether a medium is an MSRP session."""
    return media.kind == b"message" and media.protocol.upper() in (PLAIN, SECURE)


def read_media(sdp: Sdp, media: Media) -> Description:
    """Read a section for which ``is_session`` holds. Raises: MediaError."""
    path: tuple[MsrpUri, ...] = ()
    secure = media.protocol.upper() == SECURE
    text = media.attribute(b"path")
    if media.port or text is not None:
        if text is None:
            raise MediaError("no a=path")
        try:
            path = tuple(parse_path(text.strip(b" "), _PATH_URIS))
        except BadChunk as error:
            raise MediaError(f"a=path: {error.reason}") from error
        if path[-1].secure != secure:
            raise MediaError("the scheme in a=path is not that of the m= line")
        if path[0].transport not in _TRANSPORTS:
            raise MediaError("a=path names a transport that does not exist here")
    setup = media.attribute(b"setup") or sdp.session.attribute(b"setup") or b""
    size = (media.attribute(b"max-size") or b"").strip(b" ")
    cema = media.attribute(b"msrp-cema") is not None and len(path) == 1
    return Description(
        secure,
        media.port,
        sdp.connection(media),
        path,
        setup.strip(b" ").lower(),
        tuple((media.attribute(b"accept-types") or b"").split()),
        tuple((media.attribute(b"accept-wrapped-types") or b"").split()),
        int(size) if size.isdigit() and len(size) < 16 else None,
        cema,
        _direction(sdp, media),
        media.attribute(b"fingerprint") or sdp.session.attribute(b"fingerprint") or b"",
    )


def _direction(sdp: Sdp, media: Media) -> bytes:
    for section in (media, sdp.session):
        for direction in _DIRECTIONS:
            if section.attribute(direction) is not None:
                return direction
    return _DIRECTIONS[0]


def new_media(
    own: MsrpUri,
    host: str,
    types: bytes,
    setup: bytes,
    *,
    wrapped: bytes = b"",
    max_size: int | None = None,
    cema: bool = False,
    direction: bytes = b"sendrecv",
) -> Media:
    """Return an m=message section for a session whose messages come to `own` (8.1).

    Args: host: for the c= line. setup: ACTPASS or ACTIVE in an offer, never PASSIVE (RFC 6135 4).
    """
    protocol = SECURE if own.secure else PLAIN
    media = Media([(b"m", b"message %d %b *" % (own.address[1], protocol))])
    media.set_connection(host)
    media.set_attribute(b"accept-types", types)
    if wrapped:
        media.set_attribute(b"accept-wrapped-types", wrapped)
    if max_size is not None:
        media.set_attribute(b"max-size", b"%d" % max_size)
    media.set_attribute(b"path", own.raw)
    media.set_attribute(b"setup", setup)
    if cema:
        media.set_attribute(b"msrp-cema", b"")
    if direction != _DIRECTIONS[0]:
        media.set_attribute(direction, b"")
    return media


def answer_setup(offered: bytes) -> bytes:
    """Return the answer's a=setup: whoever offered connects, unless it cannot (RFC 6135 4.2.2)."""
    return ACTIVE if offered == PASSIVE else PASSIVE


def we_connect(ours: bytes, theirs: bytes, offered: bool) -> bool:
    """Say whether this side opens the connection.

    Args: ours, theirs: a=setup of both, b"" where a side does not have it; offered: we offered.
    Without RFC 6135 on both sides whoever offered connects (RFC 4975 5.4).
    """
    if not ours or not theirs:
        return offered
    if offered:
        return theirs == PASSIVE
    return ours == ACTIVE
