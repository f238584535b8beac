# SPDX-License-Identifier: Apache-2.0
"""Content-Length, the header that decides where a message ends (RFC 3261 18.3, 20.14)."""

from __future__ import annotations

from ..errors import LimitExceeded, ParseError


def parse_content_length(value: bytes, maximum: int) -> int:
    """Read a trimmed Content-Length: 1 to 10 digits, at most ``maximum`` octets.

    Raises: ParseError with ``close`` set, since on a stream nobody knows where the next message
        would start; LimitExceeded (413), after which that is known.
    """
    if not value.isdigit() or len(value) > 10:
        raise ParseError("Content-Length", "Content-Length is not a number", close=True)
    length = int(value)
    if length > maximum:
        raise LimitExceeded("body_bytes", maximum, "Body is too large", 413)
    return length
