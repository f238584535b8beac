"""Compressed bodies."""

from __future__ import annotations

import gzip
import zlib

import pytest

from sip.bodies.encoding import decode_body
from sip.errors import ParseError

TEXT = b"<resource-lists/>" * 40


def raw(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(text) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"", TEXT),
        (b"identity", TEXT),
        (b"deflate", zlib.compress(TEXT)),
        (b"Deflate ", raw(TEXT)),
        (b"gzip", gzip.compress(TEXT, mtime=0)),
        (b"x-gzip", gzip.compress(TEXT, mtime=0)),
    ],
)
def test_bodies_are_unpacked(encoding: bytes, body: bytes) -> None:
    assert decode_body(encoding, body, len(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        (b"br", TEXT, 415),
        (b"deflate, gzip", zlib.compress(TEXT), 415),
        (b"deflate", TEXT, 400),
        (b"deflate", zlib.compress(TEXT)[:-2], 400),
        (b"deflate", zlib.compress(TEXT) + b"more", 400),
        (b"deflate", zlib.compress(bytes(50_000_000), 9), 413),
        (b"deflate", raw(bytes(1_000_000)), 413),
    ],
)
def test_what_cannot_be_unpacked_is_refused(encoding: bytes, body: bytes, status: int) -> None:
    with pytest.raises(ParseError) as caught:
        decode_body(encoding, body, len(TEXT))
    assert caught.value.status_hint == status
