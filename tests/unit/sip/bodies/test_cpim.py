"""Reading, changing and writing CPIM (RFC 3862)."""

from __future__ import annotations

import pytest

from sip.bodies.cpim import CPIM, address_uri, compose, escape, is_cpim, parse_cpim, unescape
from sip.errors import ParseError

TAIL = b"\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
IMDN = b"urn:ietf:params:imdn"


def lines(*texts: bytes) -> bytes:
    return b"".join([text + b"\r\n" for text in texts]) + TAIL


@pytest.mark.parametrize(
    ("content_type", "answer"),
    [
        (b"message/cpim", True),
        (b"Message/CPIM; charset=utf-8", True),
        (b"message/cpimx", False),
        (b"text/plain", False),
    ],
)
def test_is_cpim(content_type: bytes, answer: bool) -> None:
    assert is_cpim(content_type) is answer


def test_names_are_case_sensitive_and_language_is_a_parameter() -> None:
    message = parse_cpim(lines(b"from: <sip:a@b>", b"Subject:;lang=fr beau temps", b"Subject: x"))
    assert message.get(b"From") is None
    assert message.get(b"from") == b"<sip:a@b>"
    assert [(h.params, h.value) for h in message.get_all(b"Subject")] == [
        (b";lang=fr", b"beau temps"),
        (b"", b"x"),
    ]


def test_a_quoted_parameter_may_hold_spaces() -> None:
    message = parse_cpim(lines(b'Subject:;note="a b" text of it'))
    assert message.headers[0].params == b';note="a b"'
    assert message.headers[0].value == b"text of it"


def test_a_prefix_means_what_its_declaration_before_it_says() -> None:
    message = parse_cpim(
        lines(b"x.Message-ID: early", b"NS: x <urn:ietf:params:imdn>", b"x.Message-ID: one",
              b"NS: x <urn:other>", b"x.Message-ID: other")
    )  # fmt: skip
    assert [h.namespace for h in message.headers] == [b"", CPIM, IMDN, CPIM, b"urn:other"]
    assert message.get(b"Message-ID", IMDN) == b"one"


def test_another_default_name_space_hides_no_sender() -> None:
    message = parse_cpim(lines(b"NS: <urn:other>", b"From: Boss <sip:boss@b>"))
    assert message.get(b"From") is None
    assert message.claimed_senders() == [b"sip:boss@b"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"Subject:x", "CPIM header has no space behind its colon"),
        (b"Subject:lang=fr x", "CPIM header has no space behind its colon"),
        (b"Subject:  x", "CPIM header has more than one space around its value"),
        (b"Subject: x ", "CPIM header has more than one space around its value"),
        (b" folded", "CPIM has a malformed header name"),
        (b"Sub ject: x", "CPIM has a malformed header name"),
        (b".x: y", "CPIM has a malformed header name"),
        (b"a.b.c: y", "CPIM has a malformed header name"),
        (b"Subject: a\tb", "CPIM header has a control character"),
        (b"Subject: a\x7fb", "CPIM header has a control character"),
        (b"Subject: \xff", "CPIM header is not UTF-8"),
        (b"NS: a", "CPIM address has no URI in angle brackets"),
        (b"NS: a b <urn:x>", "CPIM NS header has a malformed prefix"),
        (b"NS:;x=y a <urn:x>", "CPIM NS takes no parameters"),
        (b"X: y\r\n" * 129 + b"X: y", "CPIM has too many headers"),
        (b"X: " + b"y" * 17000, "CPIM has a header that is too long"),
    ],
)
def test_refused_with_a_reason(line: bytes, reason: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_cpim(lines(line))
    assert caught.value.reason == reason


@pytest.mark.parametrize("name", [b"From: <sip:a@b>", b"DateTime: 2026-01-02T03:04:05Z"])
def test_what_must_stand_once_may_not_stand_twice(name: bytes) -> None:
    with pytest.raises(ParseError, match="more than one"):
        parse_cpim(lines(name, name))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"From: <sip:a@b>\r\n", "CPIM message headers do not end"),
        (b"From: <sip:a@b>\r\n\r\nContent-Type: a/b\r\n", "CPIM has no content"),
        (b"From: <sip:a@b>\r\n\r\nContent-ID: a\r\n\r\nx", "CPIM content has no Content-Type"),
        (b"\r\nContent-Type: a/b\r\nContent-type: c/d\r\n\r\nx", "more than one Content-Type"),
        (b"\r\nContent-Type a/b\r\n\r\nx", "CPIM has a malformed header field"),
    ],
)
def test_incomplete(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse_cpim(body)


def test_folded_mime_headers() -> None:
    body = b'\r\nContent-type: multipart/mixed;\r\n\tboundary="b"\r\n\r\nx'
    message = parse_cpim(body)
    assert message.part.content_type == b'multipart/mixed; boundary="b"'
    assert message.encode() == body


def test_a_header_is_added_on_top_of_its_kind_with_the_prefix_that_is_there() -> None:
    body = lines(b"NS: q <urn:ietf:params:imdn>", b"To: <sip:b@b>", b"q.R: <sip:1@b>", b"X: y")
    changed = parse_cpim(body).with_header(b"R", b"<sip:2@b>", IMDN, b"imdn")
    assert changed.encode() == lines(
        b"NS: q <urn:ietf:params:imdn>", b"To: <sip:b@b>", b"q.R: <sip:2@b>", b"q.R: <sip:1@b>",
        b"X: y",
    )  # fmt: skip
    assert changed.without_first(b"R", IMDN).encode() == body
    assert changed.without_first(b"R") is changed


def test_a_name_space_that_is_missing_is_declared_under_a_free_prefix() -> None:
    changed = parse_cpim(lines(b"NS: imdn <urn:other>")).with_header(b"R", b"v", IMDN, b"imdn")
    assert changed.encode() == lines(
        b"NS: imdn <urn:other>", b"NS: imdnx <urn:ietf:params:imdn>", b"imdnx.R: v"
    )


def test_what_is_changed_leaves_in_canonical_form() -> None:
    body = b"To: <sip:b@b>\r\nContent-Type: text/plain\r\n\r\nhi"
    message = parse_cpim(body)
    assert message.encode() == body
    assert message.with_header(b"cc", b"<sip:c@b>").encode() == (
        b"To: <sip:b@b>\r\ncc: <sip:c@b>\r\n\r\nContent-Type: text/plain\r\n\r\nhi"
    )


def test_nothing_is_smuggled_into_a_header() -> None:
    with pytest.raises(ParseError):
        parse_cpim(lines()).with_header(b"X", b"a\r\nFrom: <sip:boss@b>")
    with pytest.raises(ParseError):
        compose([(b"X", b"a\r\nY: b")], [(b"Content-Type", b"text/plain")], b"")


def test_compose() -> None:
    message = compose([(b"From", b"<sip:a@b>")], [(b"Content-Type", b"text/plain")], b"hello\r\n")
    assert message.encode() == lines(b"From: <sip:a@b>")
    assert parse_cpim(message.encode()) == message


@pytest.mark.parametrize(
    ("value", "uri"),
    [
        (b"<sip:a@b>", b"sip:a@b"),
        (b"Alice <im:a@b>", b"im:a@b"),
        (b'"<sip:evil@b>" <im:a@b>', b"im:a@b"),
    ],
)
def test_address(value: bytes, uri: bytes) -> None:
    assert address_uri(value) == uri


@pytest.mark.parametrize("value", [b"", b"sip:a@b", b"<>", b"<sip:a@b", b"<sip:a b>", b"<a> x"])
def test_no_address(value: bytes) -> None:
    with pytest.raises(ParseError):
        address_uri(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"A\\u0042C", "ABC"),
        (b"\\b\\t\\n\\r\\\\\\\"\\'\\x", "\b\t\n\r\\\"'x"),
        (b"\\ud83d\\ude00", "\U0001f600"),
        (b"\\u12", "u12"),
        (b"end\\", "end"),
        ("grüß".encode(), "grüß"),
    ],
)
def test_unescape(value: bytes, text: str) -> None:
    assert unescape(value) == text


@pytest.mark.parametrize("text", ["a\r\nb", "\\u0041", "\x00\x7f", "grüß \U0001f600", ""])
def test_escape_is_undone_and_fits_a_header(text: str) -> None:
    value = escape(text)
    assert unescape(value) == text
    parse_cpim(lines(b"X: " + value))
