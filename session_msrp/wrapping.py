# SPDX-License-Identifier: Apache-2.0
"""A message in the form its recipient takes: alone, or within message/cpim (RFC 4975 8.6)."""

from __future__ import annotations

from typing import Final

from sip.bodies.cpim import compose, is_cpim, parse_cpim
from sip.bodies.mediatype import CPIM, media_type
from sip.errors import ParseError
from sip.headers.date import format_timestamp

from .media import Description

__all__ = ["fitted"]

_DEFAULT: Final = b"text/plain"


def fitted(
    kind: bytes, body: bytes, described: Description, sender: bytes, recipient: bytes, sent: float
) -> tuple[bytes, bytes] | None:
    """Return Content-Type and octets of a message as the peer takes it, None when it takes none.

    What is wrapped is said to be from `sender` to `recipient`, URIs, at the epoch seconds `sent`.
    """
    types = [each.lower() for each in described.types]
    if is_cpim(kind):
        return (kind, body) if described.accepts(CPIM) else _unwrapped(body, described)
    # Whoever names message/cpim first wants nothing else as long as that can be had (8.6).
    wrap = types[:1] == [CPIM] or not described.accepts(media_type(kind))
    if not wrap:
        return kind, body
    if not _may_wrap(media_type(kind) or _DEFAULT, described):
        return (kind, body) if described.accepts(media_type(kind)) else None
    headers = [
        (b"From", b"<" + sender + b">"),
        (b"To", b"<" + recipient + b">"),
        (b"DateTime", format_timestamp(sent)),
    ]
    return CPIM, compose(headers, [(b"Content-Type", kind)], body).encode()


def _may_wrap(inner: bytes, described: Description) -> bool:
    """Say whether the peer takes a type within message/cpim.

    Whoever takes nothing but message/cpim and does not say what is in it takes anything.
    """
    if not described.accepts(CPIM):
        return False
    wrapped = {each.lower() for each in (*described.wrapped, *described.types)}
    anything = wrapped == {CPIM}
    return anything or bool(wrapped & {b"*", inner, inner.partition(b"/")[0] + b"/*"})


def _unwrapped(body: bytes, described: Description) -> tuple[bytes, bytes] | None:
    """Return the content of a message for a peer that does not know CPIM."""
    try:
        part = parse_cpim(body).part
    except ParseError:
        return None
    if not described.accepts(part.media_type):
        return None
    return part.content_type, part.content
