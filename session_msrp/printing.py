# SPDX-License-Identifier: Apache-2.0
"""Requests, responses and reports as octets (RFC 4975 7.1, 7.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .chunk import ENDED, ByteRange, Chunk

__all__ = [
    "PHRASES",
    "print_end",
    "print_head",
    "print_report",
    "print_request",
    "print_response",
    "response_to",
]

#: RFC 4975 10, RFC 4976 9, RFC 7701 7.
PHRASES: Final = {
    200: b"OK",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"No Such Recipient",
    408: b"Timeout",
    413: b"Message Too Large",
    415: b"Unknown Content Type",
    423: b"Interval Out of Bounds",
    424: b"Malformed Nickname",
    425: b"Nickname Reserved Or In Use",
    428: b"Private Messages Not Supported",
    481: b"No Such Session",
    501: b"Unknown Method",
    506: b"Session Already in Use",
}


def print_request(
    tid: bytes,
    method: bytes,
    to_path: bytes,
    from_path: bytes,
    headers: Iterable[bytes],
    body: bytes | None = None,
    flag: bytes = ENDED,
) -> bytes:
    """Return a request; headers without line ends, Content-Type last where there is a body.

    The caller has seen to it that the end-line is not in the body.
    """
    head = print_head(tid, method, to_path, from_path, headers)
    if body is None:
        return head + print_end(tid, flag)
    return b"%b\r\n\r\n%b%b" % (head, body, print_end(tid, flag))


def print_head(
    tid: bytes, method: bytes, to_path: bytes, from_path: bytes, headers: Iterable[bytes]
) -> bytes:
    """Return what stands in front of the body, without the last line end and the empty line."""
    return b"\r\n".join(
        (
            b"MSRP %b %b" % (tid, method),
            b"To-Path: " + to_path,
            b"From-Path: " + from_path,
            *headers,
        )
    )


def print_end(tid: bytes, flag: bytes) -> bytes:
    """Return the end-line with the line end in front of it."""
    return b"\r\n-------%b%b\r\n" % (tid, flag)


def print_response(
    tid: bytes, status: int, to_path: bytes, from_path: bytes, headers: Iterable[bytes] = ()
) -> bytes:
    """Return a response; its flag is always "$" (7.2)."""
    start = b"%d %b" % (status, PHRASES.get(status, b"Failed"))
    return print_request(tid, start, to_path, from_path, headers)


def response_to(request: Chunk, status: int, own: bytes) -> bytes | None:
    """Return the answer to a request, None where the sender wants none (MS-05).

    Args: own: this end's URI, as the peer addressed it where there is no session.
    """
    if request.method == b"REPORT" or not request.from_path:
        return None
    if request.method == b"SEND":
        wanted = request.failure_report
        if wanted == b"no" or (wanted == b"partial" and status == 200):
            return None
        # To the previous hop only; other methods' answers go all the way (7.2).
        return print_response(request.tid, status, request.from_path.partition(b" ")[0], own)
    return print_response(request.tid, status, request.from_path, own)


def print_report(
    tid: bytes, to_path: bytes, from_path: bytes, message_id: bytes, span: ByteRange, status: int
) -> bytes:
    """Return a REPORT: what became of these octets of a message (7.1.2)."""
    return print_request(
        tid,
        b"REPORT",
        to_path,
        from_path,
        (
            b"Message-ID: " + message_id,
            b"Byte-Range: " + span.print(),
            b"Status: 000 %d %b" % (status, PHRASES.get(status, b"Failed")),
        ),
    )
