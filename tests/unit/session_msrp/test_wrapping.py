"""Messages in the form their recipient takes (RFC 4975 8.6, MS-08)."""

from __future__ import annotations

import pytest

from session_msrp.party import read_offer
from session_msrp.wrapping import fitted
from sip.bodies.cpim import parse_cpim

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    b"m=message 7777 TCP/MSRP *\r\na=path:msrp://192.0.2.7:7777/tsrqponmlkji;tcp\r\n"
)
ALICE, BOB = b"sip:alice@ims.test", b"sip:bob@ims.test"
WRAPPED = (
    b"From: <sip:alice@ims.test>\r\nTo: <sip:bob@ims.test>\r\nDateTime: 1970-01-01T00:00:05Z\r\n"
    b"\r\nContent-Type: text/plain\r\n\r\nhello"
)


def fit(kind: bytes, body: bytes, types: bytes, wrapped: bytes = b"") -> tuple[bytes, bytes] | None:
    more = b"a=accept-types:%b\r\n" % types
    if wrapped:
        more += b"a=accept-wrapped-types:%b\r\n" % wrapped
    return fitted(kind, body, read_offer(SDP + more).description, ALICE, BOB, 5.0)


@pytest.mark.parametrize(
    ("types", "wrapped", "what"),
    [
        (b"text/plain", b"", b"hello"),
        (b"text/plain message/cpim", b"*", b"hello"),
        (b"message/cpim text/plain", b"", WRAPPED),
        (b"message/cpim", b"", WRAPPED),
        (b"message/cpim", b"text/*", WRAPPED),
        (b"message/cpim text/plain", b"image/png", WRAPPED),
        (b"message/cpim", b"image/png", None),
        (b"image/png", b"", None),
    ],
)
def test_a_plain_text_for_those_who_take_this(
    types: bytes, wrapped: bytes, what: bytes | None
) -> None:
    content = fit(b"text/plain", b"hello", types, wrapped)
    assert (None if content is None else content[1]) == what


def test_what_is_wrapped_can_be_read() -> None:
    content = fit(b"text/plain;charset=utf-8", "grüß".encode(), b"message/cpim")
    assert content is not None
    message = parse_cpim(content[1])
    assert message.part.content_type == b"text/plain;charset=utf-8"
    assert message.part.content == "grüß".encode()


def test_cpim_stays_as_it_is_or_is_taken_off() -> None:
    assert fit(b"message/cpim", WRAPPED, b"message/cpim") == (b"message/cpim", WRAPPED)
    assert fit(b"message/cpim", WRAPPED, b"text/*") == (b"text/plain", b"hello")
    assert fit(b"message/cpim", WRAPPED, b"image/png") is None
    assert fit(b"message/cpim", b"no cpim", b"text/plain") is None
