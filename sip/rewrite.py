# SPDX-License-Identifier: Apache-2.0
"""A request that was received, with other header lines or another body, to leave as one's own."""

from __future__ import annotations

from collections.abc import Sequence

from .limits import Limits
from .message import Request
from .parser import parse_message

__all__ = ["rewrite"]


def rewrite(request: Request, lines: Sequence[bytes], body: bytes, limits: Limits) -> Request:
    """Return a request like this one with these header lines and this body, read anew.

    Raises: BadMessage when it is no request, or larger than the limits allow.
    """
    start = b"%b %b SIP/2.0" % (request.method.encode("ascii"), request.uri)
    written = parse_message(b"\r\n".join((start, *lines, b"", body)), limits)
    assert isinstance(written, Request)
    written.received_host = request.received_host
    written.received_port = request.received_port
    return written
