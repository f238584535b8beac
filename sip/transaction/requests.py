# SPDX-License-Identifier: Apache-2.0
"""The two requests a client transaction makes by itself: ACK for a failure, and CANCEL."""

from __future__ import annotations

from ..limits import Limits
from ..message import Request, Response
from ..parser import parse_message

__all__ = ["ack_for", "cancel_for"]

_LIMITS = Limits()


def _reread(invite: bytes) -> Request:
    message = parse_message(invite, _LIMITS)
    if not isinstance(message, Request):
        raise TypeError("a client transaction holds a request")
    return message


def _hop_request(invite: Request, method: bytes, to_value: bytes) -> bytes:
    """Make a request for the same hop: one Via, the INVITE's own, and its Route lines."""
    head = [
        method + b" " + invite.uri + b" SIP/2.0",
        b"Via: " + invite.via.raw,
        b"Max-Forwards: 70",
    ]
    head += [b"Route: " + value for value in invite.get_all("route")]
    head += [
        b"From: " + (invite.get("from") or b""),
        b"To: " + to_value,
        b"Call-ID: " + invite.call_id,
        b"CSeq: %d " % invite.cseq + method,
        b"Content-Length: 0",
        b"\r\n",
    ]
    return b"\r\n".join(head)


def ack_for(invite: bytes, response: Response) -> bytes:
    """Build the ACK for a 300-699 answer to ``invite``; To comes from the response.

    Spec: RFC 3261 17.1.1.3.
    """
    return _hop_request(_reread(invite), b"ACK", response.get("to") or b"")


def cancel_for(invite: bytes) -> bytes:
    """Build the CANCEL for ``invite``. Spec: RFC 3261 9.1."""
    request = _reread(invite)
    return _hop_request(request, b"CANCEL", request.get("to") or b"")
