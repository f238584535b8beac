# SPDX-License-Identifier: Apache-2.0
"""The session description in a SIP body, alone or as a part of a multipart (RFC 5621 3.1)."""

from __future__ import annotations

from dataclasses import replace

from sip.bodies.mediatype import media_type
from sip.bodies.multipart import boundary_of, is_multipart, join_parts, parse_multipart
from sip.bodies.sdp import MEDIA_TYPE
from sip.errors import BadMessage
from sip.message import Request, Response

__all__ = ["describe", "description"]


def description(message: Request | Response) -> bytes:
    """Return the session description a message carries, empty without one that can be read."""
    body = message.body
    if not body:
        return b""
    kind = message.get("content-type") or b""
    if media_type(kind) == MEDIA_TYPE:
        return body
    if not is_multipart(kind):
        return b""
    try:
        parts = parse_multipart(kind, body)
    except BadMessage:
        return b""
    return next((part.content for part in parts if part.media_type == MEDIA_TYPE), b"")


def describe(message: Request | Response, text: bytes) -> None:
    """Put a session description in the place of the one that ``description`` found."""
    kind = message.get("content-type") or b""
    if media_type(kind) == MEDIA_TYPE:
        message.replace_body(text)
        return
    parts = list(parse_multipart(kind, message.body))
    at = next(at for at, part in enumerate(parts) if part.media_type == MEDIA_TYPE)
    parts[at] = replace(parts[at], content=text)
    # None of the parts had the boundary in it, and what changes is ours.
    message.replace_body(join_parts(parts, boundary_of(kind))[1])
