"""Multipart bodies (RFC 2046 section 5.1)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.bodies.mime import Part, parameter, parse_fields
from sip.bodies.multipart import boundary_of, is_multipart, join_parts, parse_multipart
from sip.errors import ParseError

TYPE = b'multipart/mixed; boundary="b1"'


def contents(body: bytes) -> list[bytes]:
    return [part.content for part in parse_multipart(TYPE, body)]


def test_parts_with_their_octets() -> None:
    body = (
        b"to be ignored\r\n--b1\r\nContent-Type: Text/Plain; charset=utf-8\r\n"
        b"Content-Disposition: Recipient-List; handling=optional\r\n\r\none\r\n\r\n"
        b"--b1  \r\n\r\nno \x00 header\r\n--b1\r\nContent-ID: <a>\r\n--b1--\r\nignored too"
    )
    first, second, third = parse_multipart(TYPE, body)
    assert first.content == b"one\r\n"
    assert first.media_type == b"text/plain"
    assert first.disposition == b"recipient-list"
    assert first.get(b"content-type") == b"Text/Plain; charset=utf-8"
    assert (second.fields, second.content) == ((), b"no \x00 header")
    assert second.media_type == b"text/plain"
    assert (third.get(b"content-id"), third.content) == (b"<a>", b"")


def test_a_longer_boundary_is_none_of_ours() -> None:
    assert contents(b"--b1\r\n\r\nx\r\n--b12\r\ny\r\n--b1--") == [b"x\r\n--b12\r\ny"]


def test_empty_part() -> None:
    assert contents(b"--b1\r\n--b1--") == [b""]
    assert contents(b"--b1\r\n\r\n--b1--") == [b""]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "multipart does not end"),
        (b"--b1\r\n\r\nx", "multipart does not end"),
        (b"--b1\r\n\r\nx\r\n--b1", "multipart does not end"),
        (b"--b1\r\n\r\nx\r\n--b1\r\n", "multipart does not end"),
        (b"--b1--\r\n", "multipart has no parts"),
        (b"--b1\r\nX\r\n\r\nx\r\n--b1--", "multipart has a malformed header field"),
        (b"--b1\r\nX: a\nY: b\r\n\r\nx\r\n--b1--", "multipart has a control character"),
        (b"--b1\r\nX: " + b"y" * 17000 + b"\r\n\r\nx\r\n--b1--", "header that is too long"),
        (b"--b1\r\n" + b"X: y\r\n" * 65 + b"\r\nx\r\n--b1--", "too many header fields"),
        (b"--b1\r\n\r\nx\r\n" * 65 + b"--b1--", "multipart has too many parts"),
    ],
)
def test_refused(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse_multipart(TYPE, body)


@pytest.mark.parametrize(
    "value",
    [
        b"multipart/mixed",
        b"multipart/mixed;boundary=",
        b'multipart/mixed;boundary=""',
        b'multipart/mixed;boundary="a "',
        b'multipart/mixed;boundary="a*"',
        b"multipart/mixed;boundary=" + b"a" * 71,
        b"multipart/mixed;;",
    ],
)
def test_no_boundary(value: bytes) -> None:
    with pytest.raises(ParseError):
        boundary_of(value)


def test_content_type() -> None:
    assert is_multipart(b"Multipart/Mixed; boundary=x")
    assert not is_multipart(b"text/plain")
    assert boundary_of(b"multipart/mixed; Boundary = x.y ") == b"x.y"
    assert parameter(b'a/b; x="c\\"d"', b"x") == b'c"d'
    assert parameter(b"a/b", b"x") is None


def test_a_boundary_that_occurs_in_a_part_is_made_longer() -> None:
    parts = [Part(b"", (), b"a --b1 b --b1-1 c"), Part(b"", (), b"")]
    boundary, body = join_parts(parts, b"b1")
    assert boundary == b"b1-2"
    assert list(parse_multipart(b"multipart/mixed;boundary=" + boundary, body)) == parts


PARTS = st.builds(
    lambda head, content: Part(head, parse_fields(head, "x"), content),
    st.sampled_from([b"", b"Content-Type: text/plain", b"X: a\r\nContent-Type: a/b;\r\n c=d"]),
    st.binary(max_size=40) | st.sampled_from([b"\r\n", b"\r\n--b1", b"--b1--\r\n", b"\r\n--b1--"]),
)


@given(st.lists(PARTS, min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_what_is_joined_comes_apart_again(parts: list[Part]) -> None:
    boundary, body = join_parts(parts, b"b1")
    kind = b'multipart/mixed; boundary="%b"' % boundary
    again = parse_multipart(kind, body)
    assert list(again) == parts
    assert join_parts(again, boundary) == (boundary, body)
    for cut in range(len(body) - 2):
        with pytest.raises(ParseError):
            parse_multipart(kind, body[:cut])


@given(st.lists(st.sampled_from([b"--b1", b"--", b"\r\n", b"X: y", b" ", b"\x00"]), max_size=20))
@settings(max_examples=300, deadline=None)
def test_any_octets(pieces: list[bytes]) -> None:
    with contextlib.suppress(ParseError):
        assert parse_multipart(TYPE, b"".join(pieces))
