# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest

from pager import StoredMessage
from pager.replay import deadline, delivery_draft, is_composing, online_draft, stored_head
from sip.limits import Limits
from sip.message import Request
from sip.parser import parse_message
from tests.support.sip_messages import request_bytes

WALL = 1_289_690_940.5  # Sat, 13 Nov 2010 23:29:00 GMT
DAY = 86400.0
DATE = b"Date: Sat, 13 Nov 2010 23:28:00 GMT"


def request(*extra: bytes, body: bytes = b"x") -> Request:
    message = parse_message(request_bytes(extra=extra, body=body), Limits())
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ((), WALL + DAY),
        ((b"Expires: 60",), WALL + 60),
        ((b"Expires: 60", DATE), WALL - 0.5),
        ((b"Expires: 0",), WALL),
        ((b"Expires: 4294967295",), WALL + DAY),
        ((b"Expires: 4294967296",), WALL + DAY),
        ((b"Expires: soon",), WALL + DAY),
        ((b"Expires: 60", b"Date: yesterday"), WALL + 60),
        ((DATE,), WALL + DAY),
    ],
)
def test_deadline(extra: tuple[bytes, ...], expected: float) -> None:
    assert deadline(request(*extra), WALL, DAY) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"application/im-iscomposing+xml", True),
        (b"Application/IM-isComposing+XML;charset=utf-8", True),
        (b"text/plain", False),
    ],
)
def test_is_composing(value: bytes, expected: bool) -> None:
    assert is_composing(request(b"Content-Type: " + value)) is expected
    assert not is_composing(request())


def test_head_keeps_what_the_sender_wrote() -> None:
    head = stored_head(
        request(
            b"Subject:  two  blanks",
            b"X-Folded: a\r\n  b",
            b"Expires: 60",
            b"c: text/plain",
            b"Contact: <sip:x@y>",
            b"Route: <sip:r;lr>",
            b"Proxy-Authorization: Digest x=y",
            b"Authorization: Digest x=y",
            b"Max-Breadth: 10",
        ),
        WALL,
    )
    assert head.split(b"\r\n") == [
        b"From: <sip:alice@ims.test>;tag=from1",
        b"To: <sip:bob@ims.test>",
        b"Subject:  two  blanks",
        b"X-Folded: a b",
        b"Expires: 60",
        b"c: text/plain",
        b"Date: Sat, 13 Nov 2010 23:29:00 GMT",
    ]


def test_head_keeps_a_date() -> None:
    assert stored_head(request(DATE), WALL).count(b"Date:") == 1


def message() -> StoredMessage:
    head = stored_head(request(b"Content-Type: text/plain"), WALL)
    return StoredMessage(
        "m1", b"k" * 16, "sip:a", "sip:b", b"call-1", 7, WALL, WALL + DAY, head, b"\x00body"
    )


def test_delivery_has_an_identity_of_its_own_and_always_the_same() -> None:
    draft = delivery_draft(message(), "<a>")
    headers = dict(draft.headers)
    assert headers[b"CSeq"] == b"1 MESSAGE"
    assert headers[b"Call-ID"].startswith(b"m1-")
    assert headers[b"From"] == b"<sip:alice@ims.test>;tag=from1"
    assert headers[b"Content-Type"] == b"text/plain"
    assert (draft.method, draft.body) == ("MESSAGE", b"\x00body")
    assert delivery_draft(message(), "<a>").headers == draft.headers
    assert delivery_draft(message(), "<b>").headers != draft.headers


def test_a_device_that_saw_it_gets_it_under_the_identity_it_saw() -> None:
    stored = replace(message(), offered=("<a>", ""))
    for device in ("<a>", ""):
        headers = dict(delivery_draft(stored, device).headers)
        assert (headers[b"Call-ID"], headers[b"CSeq"]) == (b"call-1", b"7 MESSAGE")
    assert dict(delivery_draft(stored, "<b>").headers)[b"CSeq"] == b"1 MESSAGE"


def test_online_draft_leaves_the_transport_behind() -> None:
    draft = online_draft(request(b"Content-Type: text/plain"))
    assert draft.headers == [
        (b"Call-ID", b"call-1"),
        (b"CSeq", b"1 MESSAGE"),
        (b"From", b"<sip:alice@ims.test>;tag=from1"),
        (b"To", b"<sip:bob@ims.test>"),
        (b"Content-Type", b"text/plain"),
    ]
