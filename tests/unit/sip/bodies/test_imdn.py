"""Disposition notifications (RFC 5438)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.bodies.cpim import compose, parse_cpim
from sip.bodies.imdn import (
    MEDIA_TYPE,
    Notification,
    build_imdn,
    notifications,
    parse_imdn,
    wrap_imdn,
)
from sip.bodies.imdn_request import NAMESPACE, glance, top_route
from sip.bodies.mime import Part, parse_fields
from sip.bodies.multipart import join_parts
from sip.bodies.schema import validate
from sip.bodies.xml import parse_xml
from sip.errors import ParseError

DELIVERED = Notification(
    "delivery", "delivered", "34jk324j", "2008-04-04T12:16:49-05:00", "im:bob@example.com",
    "im:list@example.com", "lunch & more",
)  # fmt: skip
OPEN = '<imdn xmlns="urn:ietf:params:xml:ns:imdn">'
HEAD = OPEN + "<message-id>1</message-id><datetime>2</datetime>"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("delivery", "delivered"), ("delivery", "failed"), ("delivery", "forbidden"),
        ("delivery", "error"), ("display", "displayed"), ("display", "forbidden"),
        ("display", "error"), ("processing", "processed"), ("processing", "stored"),
        ("processing", "forbidden"), ("processing", "error"),
    ],
)  # fmt: skip
def test_every_status_of_every_kind(kind: str, status: str) -> None:
    said = Notification(kind, status, "id", "2008-04-04T12:16:49Z", "sip:a@b", "sip:c@d")
    document = build_imdn(said)
    validate(parse_xml(document, "IMDN"), "IMDN")
    assert parse_imdn(document) == said


def test_without_what_is_optional() -> None:
    said = Notification("display", "displayed", "id", "2008-04-04T12:16:49Z")
    document = build_imdn(said)
    validate(parse_xml(document, "IMDN"), "IMDN")
    assert parse_imdn(document) == said


TEXTS = st.text(min_size=1).filter(lambda text: text == text.strip() and "\r" not in text)


@given(TEXTS, TEXTS)
def test_any_text_can_be_written(message_id: str, subject: str) -> None:
    again = parse_imdn(
        build_imdn(Notification("display", "displayed", message_id, "t", subject=subject))
    )
    legal = [c for c in message_id if c.isprintable()]
    assert [c for c in again.message_id if c.isprintable() and c != "\ufffd"] == [
        c for c in legal if c != "\ufffd"
    ]


def test_extensions_are_passed_over() -> None:
    text = HEAD + (
        '<x:y xmlns:x="urn:x"/><delivery-notification><status><x:z xmlns:x="urn:x"/></status>'
        "</delivery-notification></imdn>"
    )
    assert parse_imdn(text.encode()) == Notification("delivery", "", "1", "2")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<imdn/>", "another root"),
        (OPEN + "</imdn>", "names no message"),
        (OPEN + "<message-id>1</message-id><message-id>2</message-id></imdn>", "names no message"),
        (HEAD + "</imdn>", "not one notification"),
        (HEAD + "<delivery-notification/><display-notification/></imdn>", "not one notification"),
        (HEAD + "<delivery-notification/></imdn>", "no status"),
        (
            HEAD
            + "<delivery-notification><status><displayed/></status></delivery-notification></imdn>",
            "a status that no delivery",
        ),
        (
            HEAD
            + "<display-notification><status><displayed/><error/></status></display-notification></imdn>",
            "a status that no display",
        ),
    ],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse_imdn(text.encode())


def test_wrapped() -> None:
    message = wrap_imdn(
        build_imdn(DELIVERED), b"new", b"sip:bob@b", b"sip:alice@a", [b"sip:one@b", b"sip:two@c"]
    )
    body = message.encode()
    again = parse_cpim(body)
    assert again == message
    assert notifications(again) == [DELIVERED]
    assert (again.get(b"From"), again.get(b"To")) == (b"<sip:bob@b>", b"<sip:alice@a>")
    assert again.part.disposition == b"notification"
    assert again.get(b"Message-ID", NAMESPACE) == b"new"
    assert top_route(again) == b"sip:one@b"
    seen = glance(b"message/cpim", body)
    assert seen is not None
    assert (seen.notification, seen.asked) == (True, 0)


def test_aggregated() -> None:
    head = b"Content-Type: " + MEDIA_TYPE
    parts = [Part(head, parse_fields(head, "x"), build_imdn(DELIVERED))] * 2
    boundary, body = join_parts(parts, b"imdn")
    mime = [
        (b"Content-Type", b"multipart/mixed;boundary=" + boundary),
        (b"Content-Disposition", b"notification"),
    ]
    assert notifications(compose([], mime, body)) == [DELIVERED, DELIVERED]


def test_a_plain_message_notifies_of_nothing() -> None:
    assert notifications(compose([], [(b"Content-Type", b"text/plain")], b"hi")) == []


def test_nothing_is_smuggled_into_the_wrapping() -> None:
    with pytest.raises(ParseError):
        wrap_imdn(b"", b"id\r\nFrom: <sip:boss@b>", b"sip:bob@b", b"sip:alice@a")
