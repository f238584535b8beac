"""MSRP URIs: grammar and comparison (RFC 4975 6)."""

from __future__ import annotations

import pytest

from session_msrp.errors import BadChunk
from session_msrp.uri import parse_path, parse_uri


def test_the_parts() -> None:
    uri = parse_uri(b"msrps://bob@Host.Example:9/a+b=c/~d;tcp;x=1")
    assert uri.secure
    assert (uri.host, uri.port, uri.session) == ("host.example", 9, b"a+b=c/~d")
    assert uri.transport == b"tcp"
    assert parse_uri(b"msrp://h/s;tcp").address == ("h", 2855)
    assert parse_uri(b"msrp://[2001:DB8::0:1]:7/s;tcp").address == ("2001:db8::1", 7)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"msrp://a.test:1/s;tcp", b"MSRP://A.TEST:1/s;TCP"),
        (b"msrp://a.test:1/s;tcp", b"msrp://bob@a.test:1/s;tcp"),
        (b"msrp://a.test:1/s;tcp", b"msrp://a.test:1/s;tcp;x=y"),
        (b"msrp://[::1]:1/s;tcp", b"msrp://[0:0::1]:1/s;tcp"),
    ],
)
def test_equivalent(one: bytes, other: bytes) -> None:
    assert parse_uri(one).key == parse_uri(other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"msrp://a.test:1/s;tcp", b"msrps://a.test:1/s;tcp"),
        (b"msrp://a.test:1/s;tcp", b"msrp://a.test:2/s;tcp"),
        (b"msrp://a.test:2855/s;tcp", b"msrp://a.test/s;tcp"),
        (b"msrp://a.test:1/s;tcp", b"msrp://a.test:1/S;tcp"),
        (b"msrp://a.test:1/s;tcp", b"msrp://a.test:1;tcp"),
        (b"msrp://a.test:1/s;tcp", b"msrp://a.test:1/s;ws"),
    ],
)
def test_not_equivalent(one: bytes, other: bytes) -> None:
    assert parse_uri(one).key != parse_uri(other).key


@pytest.mark.parametrize(
    "text",
    [b"", b"msrp:a", b"msrp://a.test:1/s", b"sip:a@b;tcp", b"msrp://a.test:0/s;tcp",
     b"msrp://a.test:65536/s;tcp", b"msrp://a b:1/s;tcp", b"msrp://a.test:1/s?x;tcp",
     b"msrp://[::g]:1/s;tcp", b"msrp://[1:2]:1/s;tcp", b"msrp://a\r\n:1/s;tcp",
     b"msrp://" + b"a" * 2000 + b":1/s;tcp", b"msrp://a.test:1/s;tcp;"],
)  # fmt: skip
def test_no_uri(text: bytes) -> None:
    with pytest.raises(BadChunk):
        parse_uri(text)


def test_a_path_has_a_bound() -> None:
    one = b"msrp://a.test:1/s;tcp"
    assert len(parse_path(b" ".join([one] * 8), 8)) == 8
    with pytest.raises(BadChunk, match="too long"):
        parse_path(b" ".join([one] * 9), 8)
    with pytest.raises(BadChunk):
        parse_path(one + b"  " + one, 8)
