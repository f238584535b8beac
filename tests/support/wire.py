"""A plain request and response as octets, and ways to spoil them."""

from __future__ import annotations

from sip.errors import BadMessage
from sip.limits import Limits
from sip.message import Request, Response
from sip.parser import parse_message

REQUEST = (
    b"MESSAGE sip:bob@ims.test SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Alice" <sip:alice@ims.test>;tag=f1\r\n'
    b"To: <sip:bob@ims.test>\r\n"
    b"Call-ID: call-1@192.0.2.1\r\n"
    b"CSeq: 1 MESSAGE\r\n"
    b"X-Unknown:  kept ,as;it=is \r\n"
    b"Content-Type: text/plain;charset=UTF-8\r\n"
    b"Content-Length: 5\r\n"
    b"\r\n"
    b"hello"
)

RESPONSE = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.200:5060;branch=z9hG4bKown;received=192.0.2.200\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc;rport=5070;received=192.0.2.1\r\n"
    b'From: "Alice" <sip:alice@ims.test>;tag=f1\r\n'
    b"To: <sip:bob@ims.test>;tag=t1\r\n"
    b"Call-ID: call-1@192.0.2.1\r\n"
    b"CSeq: 1 MESSAGE\r\n"
    b"Content-Length: 0\r\n"
    b"\r\n"
)


def outcome(data: bytes, stream: bool = False) -> Request | Response | BadMessage:
    """Parse with the usual limits; return the message or the error."""
    try:
        return parse_message(data, Limits(), stream)
    except BadMessage as error:
        return error


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    """Replace the one place where ``old`` stands."""
    assert data.count(old) == 1, old
    return data.replace(old, new)


def with_line(line: bytes, data: bytes = REQUEST) -> bytes:
    """Put one more header line before the empty line."""
    return data.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n", 1)


def without(name: bytes, data: bytes = REQUEST) -> bytes:
    """Leave out the header lines of one name."""
    head, empty, body = data.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(name + b":")]
    return b"\r\n".join(lines) + empty + body
