"""Requests that the node itself makes: `imsnode message send`, the echo service.

They enter the pager like any other, behind a server transaction that has no network on its other
side: what would be sent as the answer is handed to whoever asked.
"""

from __future__ import annotations

from collections.abc import Callable

from sip.flow import Flow
from sip.ids import IdSource
from sip.limits import Limits
from sip.message import Request, build_request
from sip.parser import parse_message

LOCAL_HOST = b"localhost.invalid"


class LocalTransaction:
    """Stands where a server transaction stands, for a request that came from no socket.

    `answered(status, reason)` is called once, with the final answer.
    """

    __slots__ = ("answered", "created", "final_status", "flow", "invite", "key", "method",
                 "request", "state", "user")

    def __init__(
        self, request: Request, flow: Flow, answered: Callable[[int, str], None], now: float
    ) -> None:
        self.request = request
        self.flow = flow
        self.method = request.method
        self.invite = False
        self.key = b""
        self.state = 0
        self.final_status = 0
        self.user: object | None = None
        self.created = now
        self.answered = answered

    def respond(self, data: bytes, status: int, now: float) -> bool:
        """Take the answer; True when it was the first final one."""
        if status < 200 or self.final_status:
            return False
        self.final_status = status
        line = data[: data.find(b"\r\n")]
        reason = line.split(b" ", 2)[2].decode("utf-8", "replace")
        self.answered(status, reason)
        return True


def local_message(
    ids: IdSource, sender: str, recipient: str, content_type: bytes, body: bytes, date: bytes
) -> Request:
    """Build the MESSAGE of a local sender. Spec: RFC 3428 section 4.

    Args: sender, recipient: canonical AoRs. date: a complete Date header line.
    """
    name, _, value = date.partition(b":")
    data = build_request(
        "MESSAGE",
        recipient.encode(),
        [
            (b"Via", b"SIP/2.0/TCP " + LOCAL_HOST + b";branch=" + ids.branch()),
            (b"Max-Forwards", b"70"),
            (b"From", b"<" + sender.encode() + b">;tag=" + ids.tag()),
            (b"To", b"<" + recipient.encode() + b">"),
            (b"Call-ID", ids.call_id()),
            (b"CSeq", b"1 MESSAGE"),
            (name, value.strip()),
            (b"Content-Type", content_type),
        ],
        body,
    )
    request = parse_message(data, Limits())
    if not isinstance(request, Request):
        raise TypeError("a built MESSAGE is a request")
    return request
