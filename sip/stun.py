# SPDX-License-Identifier: Apache-2.0
"""The answer to a STUN Binding Request among SIP datagrams: a keep-alive (RFC 5626 section 8).

A request is answered by where it came from and nothing else, so nobody gets back more than about
what they sent; credentials, other methods and other messages are not for a SIP port.
Spec: RFC 5389 sections 6, 7.3 and 15.2.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

__all__ = ["answer"]

_HEADER: Final = 20
_COOKIE: Final = b"\x21\x12\xa4\x42"
_BINDING_REQUEST: Final = b"\x00\x01"
_BINDING_RESPONSE: Final = b"\x01\x01"
_XOR_MAPPED_ADDRESS: Final = b"\x00\x20"
_COMPREHENSION_REQUIRED: Final = 0x8000  # attributes below it must be understood


def answer(data: bytes, source: tuple[str, int]) -> bytes | None:
    """Return the Binding Response to a datagram from `source`; None when it is no such request.

    A request with attributes that must be understood gets none: they ask for credentials, or for
    an answer from or to somewhere else.
    """
    if len(data) < _HEADER or data[:2] != _BINDING_REQUEST or data[4:8] != _COOKIE:
        return None
    if int.from_bytes(data[2:4], "big") != len(data) - _HEADER or not _is_plain(data):
        return None
    address = ip_address(source[0]).packed
    port = source[1].to_bytes(2, "big")
    mask = data[4:_HEADER]  # cookie and transaction id
    value = b"%b%b%b" % (
        b"\x00\x01" if len(address) == 4 else b"\x00\x02",
        _xor(port, mask),
        _xor(address, mask),
    )
    attribute = _XOR_MAPPED_ADDRESS + len(value).to_bytes(2, "big") + value
    return _BINDING_RESPONSE + len(attribute).to_bytes(2, "big") + mask + attribute


def _is_plain(data: bytes) -> bool:
    """Say whether every attribute is whole and may be ignored."""
    at = _HEADER
    while at < len(data):
        if len(data) - at < 4:
            return False
        kind = int.from_bytes(data[at : at + 2], "big")
        if kind < _COMPREHENSION_REQUIRED:
            return False
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        at += 4 + (size + 3) // 4 * 4
    return at == len(data)


def _xor(octets: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(octets, mask, strict=False))
