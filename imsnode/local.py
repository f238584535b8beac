# SPDX-License-Identifier: Apache-2.0
"""Requests that the node itself makes: `imsnode message send`, the echo service.

They enter the pager like any other; what would be sent as the answer is handed to whoever asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b

from sip.ids import IdSource
from sip.limits import Limits
from sip.message import Request, build_request
from sip.parser import parse_message

LOCAL_HOST = b"localhost.invalid"


class Asked:
    """Whoever asked for a local message; stands where a server transaction stands.

    ``answered(status, reason)`` is called once, with the final answer.
    """

    __slots__ = ("answered", "final", "request")

    def __init__(self, request: Request, answered: Callable[[int, str], None]) -> None:
        self.request = request
        self.answered = answered
        self.final = False

    def respond(self, data: bytes, status: int, now: float) -> bool:
        """Take the answer; True when it was the first final one."""
        if status < 200 or self.final:
            return False
        self.final = True
        start = data[: data.find(b"\r\n")]
        self.answered(status, start.split(b" ", 2)[2].decode("utf-8", "replace"))
        return True


def local_message(
    ids: IdSource,
    sender: str,
    recipient: str,
    content_type: bytes,
    body: bytes,
    date: bytes,
    headers: Sequence[tuple[bytes, bytes]] = (),
    identity: str = "",
    limits: Limits | None = None,
) -> Request:
    """Build the MESSAGE of a local sender. Spec: RFC 3428 section 4.

    Args:
        sender, recipient: canonical AoRs. date: a complete Date header line.
        headers: further header lines. identity: secret words, the same whenever the same message
        is built, so that who has seen it recognises a repeat; "": it is built once.
        limits: bounds of the codec.
    Raises: ParseError when one of the values makes no SIP message.
    """
    name, _, value = date.partition(b":")
    tag, call_id = ids.tag(), ids.call_id()
    if identity:
        mark = blake2b(identity.encode(), digest_size=24).hexdigest().encode()
        tag, call_id = mark[:12], mark[12:]
    data = build_request(
        "MESSAGE",
        recipient.encode(),
        [
            (b"Via", b"SIP/2.0/TCP " + LOCAL_HOST + b";branch=" + ids.branch()),
            (b"Max-Forwards", b"70"),
            (b"From", b"<" + sender.encode() + b">;tag=" + tag),
            (b"To", b"<" + recipient.encode() + b">"),
            (b"Call-ID", call_id),
            (b"CSeq", b"1 MESSAGE"),
            (name, value.strip()),
            *headers,
            (b"Content-Type", content_type),
        ],
        body,
    )
    request = parse_message(data, limits or Limits())
    if not isinstance(request, Request):
        raise TypeError("a built MESSAGE is a request")
    return request
