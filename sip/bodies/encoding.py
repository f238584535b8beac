# SPDX-License-Identifier: Apache-2.0
"""Compressed bodies: Content-Encoding (RFC 3261 section 20.12), unpacked within a bound."""

from __future__ import annotations

import zlib
from typing import Final

from ..errors import ParseError

__all__ = ["ACCEPTED", "decode_body"]

#: Value of Accept-Encoding: what `decode_body` reads.
ACCEPTED: Final = b"deflate, gzip, identity"

_WHERE: Final = "Content-Encoding"
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
_RAW: Final = -zlib.MAX_WBITS


def decode_body(encoding: bytes, body: bytes, most: int) -> bytes:
    """Return the octets of a body before it was compressed.

    deflate is read with its zlib frame (RFC 1950) and without one, as clients differ.

    Args: encoding: the value of Content-Encoding. most: octets it may unpack to.
    Raises: ParseError; status_hint 415 for another encoding, 413 for more than ``most`` octets.
    """
    name = encoding.strip().lower()
    if name in (b"", b"identity"):
        return body
    if name not in (b"deflate", b"gzip", b"x-gzip"):
        raise ParseError(_WHERE, "body has an encoding that is not known", 415)
    try:
        return _unpack(body, _GZIP_OR_ZLIB, most)
    except zlib.error:
        pass
    try:
        return _unpack(body, _RAW, most)
    except zlib.error:
        raise ParseError(_WHERE, "compressed body cannot be unpacked") from None


def _unpack(body: bytes, window: int, most: int) -> bytes:
    unpacker = zlib.decompressobj(window)
    text = unpacker.decompress(body, most + 1)
    if len(text) > most:
        raise ParseError(_WHERE, "body is too large once it is unpacked", 413)
    if not unpacker.eof or unpacker.unused_data:
        raise ParseError(_WHERE, "compressed body is cut off or goes on after its end")
    return text
