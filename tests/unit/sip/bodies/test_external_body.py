"""Content that lies elsewhere (RFC 4483)."""

from __future__ import annotations

import pytest

from sip.bodies.external_body import build_external_body
from sip.bodies.mime import media_type, parameter, parse_fields
from sip.errors import LocalProtocolError


def test_the_parameters_and_headers_that_rfc_4483_asks_for() -> None:
    kind, body = build_external_body(b"https://a/b;c", b"image/jpeg", 52723, 0.0, b"id@a")
    assert media_type(kind) == b"message/external-body"
    assert parameter(kind, b"access-type") == b"URL"
    assert parameter(kind, b"url") == b"https://a/b;c"
    assert parameter(kind, b"expiration") == b"Thu, 01 Jan 1970 00:00:00 GMT"
    assert parameter(kind, b"size") == b"52723"
    head, blank, rest = body.partition(b"\r\n\r\n")
    assert (blank, rest) == (b"\r\n\r\n", b"")
    assert dict(parse_fields(head, "x")) == {
        b"content-type": b"image/jpeg",
        b"content-id": b"<id@a>",
        b"content-disposition": b"render",
    }


def test_nothing_is_smuggled_into_the_headers() -> None:
    with pytest.raises(LocalProtocolError):
        build_external_body(b"https://a", b"a/b\r\nX: y", 1, 0.0, b"id")
