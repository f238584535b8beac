# SPDX-License-Identifier: Apache-2.0
"""Offers and answers of a session whose one party is this node itself (RFC 4975 8, RFC 3264)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sip.bodies.sdp import Media, Sdp, Section, parse_sdp

from .errors import MediaError
from .media import ACTPASS, Description, answer_setup, is_session, new_media, read_media
from .uri import MsrpUri

__all__ = [
    "Agreed",
    "MediaWish",
    "Origin",
    "answer",
    "offer",
    "read_answer",
    "read_offer",
]

Attribute = tuple[bytes, bytes]
#: Of the o= line: what stays the same in a dialog, and what counts its descriptions (RFC 3264 8).
Origin = tuple[int, int]

#: What an offer's direction leaves to whoever answers (RFC 3264 6.1).
_MIRRORED: Final = {b"sendonly": b"recvonly", b"recvonly": b"sendonly"}


@dataclass(frozen=True, slots=True)
class MediaWish:
    """What this node says of a session. types, wrapped: as in a=accept-types; attributes: more.

    direction: what this node is ready for; an answer keeps to what the offer leaves.
    """

    types: bytes = b"*"
    wrapped: bytes = b""
    attributes: Sequence[Attribute] = ()
    direction: bytes = b"sendrecv"
    max_size: int | None = None


@dataclass(frozen=True, slots=True)
class Agreed:
    """The peer's description. index: of its section among all; section: as it came."""

    sdp: Sdp
    index: int
    section: Media
    description: Description


def offer(own: MsrpUri, host: str, wish: MediaWish, fingerprint: bytes, origin: Origin) -> bytes:
    """Return an offer of one session. Args: host: for o= and c=."""
    media = _section(own, host, wish, fingerprint, ACTPASS, wish.direction)
    return Sdp(_session_part(host, origin), [media]).print()


def read_offer(body: bytes) -> Agreed:
    """Find the session that an offer has. Raises: ParseError, MediaError when it has none."""
    return _read(body, "no m=message that can be taken")


def read_answer(body: bytes) -> Agreed:
    """Find the session in an answer. Raises: ParseError, MediaError when it is refused."""
    return _read(body, "the session was refused")


def _read(body: bytes, otherwise: str) -> Agreed:
    sdp = parse_sdp(body)
    for index, media in enumerate(sdp.media):
        if is_session(media) and media.port:
            return Agreed(sdp, index, media, read_media(sdp, media))
    raise MediaError(otherwise)


def answer(
    agreed: Agreed, own: MsrpUri, host: str, wish: MediaWish, fingerprint: bytes, origin: Origin
) -> bytes:
    """Return the answer that takes one session of an offer and refuses every other medium."""
    setup = answer_setup(agreed.description.setup) if agreed.description.setup else b""
    direction = _mirrored(agreed.description.direction, wish.direction)
    media = [_refused(each) for each in agreed.sdp.media]
    media[agreed.index] = _section(own, host, wish, fingerprint, setup, direction)
    return Sdp(_session_part(host, origin), media).print()


def _mirrored(offered: bytes, ready: bytes) -> bytes:
    left = _MIRRORED.get(offered, offered)
    if b"inactive" in (left, ready):
        return b"inactive"
    if left == b"sendrecv" or left == ready:
        return ready
    return left if ready == b"sendrecv" else b"inactive"


def _section(
    own: MsrpUri, host: str, wish: MediaWish, fingerprint: bytes, setup: bytes, direction: bytes
) -> Media:
    media = new_media(
        own, host, wish.types, setup or ACTPASS, wrapped=wish.wrapped, max_size=wish.max_size,
        direction=direction,
    )  # fmt: skip
    if not setup:  # the peer does not know RFC 6135
        media.remove_attributes(b"setup")
    for name, value in wish.attributes:
        media.set_attribute(name, value)
    if own.secure and fingerprint:
        media.set_attribute(b"fingerprint", fingerprint)
    return media


def _refused(media: Media) -> Media:
    none = Media([media.lines[0]])
    none.set_port(0)
    return none


def _session_part(host: str, origin: Origin) -> Section:
    family = b"IP6" if ":" in host else b"IP4"
    return Section(
        [
            (b"v", b"0"),
            (b"o", b"- %d %d IN %b %b" % (*origin, family, host.encode())),
            (b"s", b"-"),
            (b"c", b"IN %b %b" % (family, host.encode())),
            (b"t", b"0 0"),
        ]
    )
