# SPDX-License-Identifier: Apache-2.0
"""Multipart bodies (RFC 2046 section 5.1): split, put together, reduced to a single part.

Preamble and epilogue mean nothing and are not kept. Parts are not entered: a part that is a
multipart itself is split by whoever wants to know, so nothing here nests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ..errors import ParseError
from .mime import Part, media_type, parameter, parse_fields

__all__ = ["PARTS", "boundary_of", "is_multipart", "join_parts", "parse_multipart"]

#: Parts of one body.
PARTS: Final = 64

_WHERE: Final = "multipart"
_BOUNDARY_OCTETS: Final = (
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'()+_,-./:=? "
)


def is_multipart(content_type: bytes) -> bool:
    """Say whether a Content-Type names a multipart of any kind."""
    return media_type(content_type).startswith(b"multipart/")


def boundary_of(content_type: bytes) -> bytes:
    """Return the boundary that a Content-Type names.

    Raises: ParseError when there is none, or none that RFC 2046 5.1.1 allows.
    """
    boundary = parameter(content_type, b"boundary")
    if (
        not boundary
        or len(boundary) > 70
        or boundary.endswith(b" ")
        or boundary.translate(None, _BOUNDARY_OCTETS)
    ):
        raise ParseError(_WHERE, "multipart has no usable boundary")
    return boundary


def parse_multipart(content_type: bytes, body: bytes, most: int = PARTS) -> tuple[Part, ...]:
    """Split a body into its parts; there is at least one.

    Raises: ParseError, also for a body whose last delimiter is missing: it was cut off, or two
        readers would disagree about where it ends. status_hint 413: more than ``most`` parts.
    """
    mark = b"\r\n--" + boundary_of(content_type)
    # The line end before a delimiter belongs to it; the first delimiter may open the body.
    text = b"\r\n" + body
    parts: list[Part] = []
    begin = -1
    at = text.find(mark)
    while at >= 0:
        after = at + len(mark)
        line_end = text.find(b"\r\n", after)
        rest = text[after : line_end if line_end >= 0 else len(text)].rstrip(b" \t")
        last = rest == b"--"
        if not last and (rest or line_end < 0):
            at = text.find(mark, after)  # the boundary of another multipart begins like ours
            continue
        if begin >= 0:
            if len(parts) >= most:
                raise ParseError(_WHERE, "multipart has too many parts", 413)
            # A part without header or content may share the line end of its two delimiters.
            parts.append(_part(text[begin : max(begin, at)]))
        if last:
            break
        begin = line_end + 2
        at = text.find(mark, line_end)
    if at < 0:
        raise ParseError(_WHERE, "multipart does not end")
    if not parts:
        raise ParseError(_WHERE, "multipart has no parts")
    return tuple(parts)


def join_parts(parts: Sequence[Part], boundary: bytes) -> tuple[bytes, bytes]:
    """Put parts together, their octets as they are.

    Args: boundary: a proposal of at most 60 octets; made longer when a part contains it.
    Returns: the boundary used and the body.
    """
    encoded = [part.encode() for part in parts]
    boundary = _unused(boundary, encoded)
    pieces = [b"--%b\r\n%b\r\n" % (boundary, part) for part in encoded]
    return boundary, b"".join(pieces) + b"--%b--\r\n" % boundary


def _unused(boundary: bytes, encoded: Iterable[bytes]) -> bytes:
    texts = tuple(encoded)
    count = 0
    candidate = boundary
    while any(b"--" + candidate in text for text in texts):
        count += 1
        candidate = b"%b-%d" % (boundary, count)
    return candidate


def _part(text: bytes) -> Part:
    if text.startswith(b"\r\n"):
        return Part(b"", (), text[2:])
    head, _, content = text.partition(b"\r\n\r\n")
    return Part(head, parse_fields(head, _WHERE), content)
