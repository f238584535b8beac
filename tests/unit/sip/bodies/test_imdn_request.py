"""What a CPIM message asks of those who carry it (RFC 5438 section 6)."""

from __future__ import annotations

import pytest

from sip.bodies import imdn_request as imdn
from sip.bodies.cpim import parse_cpim

CPIM = b"message/cpim"
TAIL = b"\r\nContent-Type: text/plain\r\n\r\nhello"
NS = b"NS: imdn <urn:ietf:params:imdn>\r\n"
ASKING = NS + b"imdn.Message-ID: id1\r\nimdn.Disposition-Notification: %b\r\n" + TAIL


def seen(body: bytes, content_type: bytes = CPIM) -> tuple[bytes, int, bool] | None:
    glance = imdn.glance(content_type, body)
    return None if glance is None else (glance.message_id, glance.asked, glance.notification)


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        (b"", 0),
        (b"positive-delivery", imdn.POSITIVE_DELIVERY),
        (b"negative-delivery, display", imdn.NEGATIVE_DELIVERY | imdn.DISPLAY),
        (b"processing ,display", imdn.PROCESSING | imdn.DISPLAY),
        (b"processing;x=y", imdn.PROCESSING),
        (b"Display, something-new", 0),
    ],
)
def test_what_is_asked(value: bytes, asked: int) -> None:
    assert seen(ASKING % value) == (b"id1", asked, False)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (b"text/plain", ASKING % b"display"),
        (CPIM, b"From: <sip:a@b>\r\n" + TAIL),
        (CPIM, NS + b"imdn.Message-ID: id1\r\n"),
        (CPIM, NS + b"imdn.Message-ID: id1\r\n\r\nContent-Type: text/plain\r\n"),
        (CPIM, NS + b"imdn.Message-ID: 1\r\nimdn.Message-ID: 2\r\n" + TAIL),
        (CPIM, b"X: " + b"y" * 17000 + b"\r\n" + ASKING % b"display"),
        (CPIM, b""),
    ],
)
def test_nothing_to_see(content_type: bytes, body: bytes) -> None:
    assert seen(body, content_type) is None
    assert imdn.glance(None, body) is None


@pytest.mark.parametrize(
    "body",
    [
        b"NS: x <urn:ietf:params:imdn>\r\nx.Message-ID: id1\r\n" + TAIL,
        b"NS: <urn:ietf:params:imdn>\r\nMessage-ID: id1\r\n" + TAIL,
        b"NS: x <urn:a>\r\nNS: x <urn:ietf:params:imdn>\r\nx.Message-ID: id1\r\n" + TAIL,
        b"NS: y<urn:ietf:params:imdn>\r\ny.Message-ID: id1\r\nNS: y <urn:a>\r\n"
        b"y.Message-ID: 2\r\n" + TAIL,
        NS + b"imdn.Message-ID: id1\r\nContent-Type: text/plain\r\n\r\njoined",
    ],
)
def test_any_prefix(body: bytes) -> None:
    assert seen(body) == (b"id1", 0, False)


@pytest.mark.parametrize(
    "mime",
    [b"content-type: Message/IMDN+XML", b"Content-Type: a/b\r\nContent-Disposition: notification"],
)
def test_a_notification_asks_for_nothing(mime: bytes) -> None:
    body = (ASKING % b"display").replace(b"Content-Type: text/plain", mime)
    assert seen(body) == (b"id1", 0, True)


def test_routes() -> None:
    message = parse_cpim(ASKING % b"display")
    assert imdn.top_route(message) is None
    first = imdn.with_record_route(message, b"sip:one@a")
    second = imdn.with_record_route(first, b"sip:two@a")
    records = second.get_all(b"IMDN-Record-Route", imdn.NAMESPACE)
    assert [header.value for header in records] == [b"<sip:two@a>", b"<sip:one@a>"]
    body = second.encode().replace(b"IMDN-Record-Route", b"IMDN-Route")
    notification = parse_cpim(body)
    assert imdn.top_route(notification) == b"sip:two@a"
    rest = imdn.without_top_route(notification)
    assert imdn.top_route(rest) == b"sip:one@a"
    assert imdn.without_top_route(rest).encode() == message.encode()


def test_original_to_is_never_changed() -> None:
    once = imdn.with_original_to(parse_cpim(ASKING % b"display"), b"sip:list@a")
    assert once.get(b"Original-To", imdn.NAMESPACE) == b"<sip:list@a>"
    assert imdn.with_original_to(once, b"sip:other@a") is once
