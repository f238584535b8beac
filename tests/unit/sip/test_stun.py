"""STUN keep-alives among SIP datagrams (RFC 5626 8); the addresses are those of RFC 5769 2.2, 2.3."""

from __future__ import annotations

import pytest

from sip.stun import answer

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
REQUEST = bytes.fromhex("00010000 2112a442") + TRANSACTION


@pytest.mark.parametrize(
    ("source", "attribute"),
    [
        (("192.0.2.1", 32853), "00200008 0001a147 e112a643"),
        (
            ("2001:db8:1234:5678:11:2233:4455:6677", 32853),
            "00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9",
        ),
    ],
)
def test_the_source_is_told_how_it_is_seen(source: tuple[str, int], attribute: str) -> None:
    value = bytes.fromhex(attribute)
    head = b"\x01\x01" + len(value).to_bytes(2, "big") + REQUEST[4:]
    assert answer(REQUEST, source) == head + value


def with_attribute(kind: int, value: bytes, size: int | None = None) -> bytes:
    length = len(value) if size is None else size
    attribute = kind.to_bytes(2, "big") + length.to_bytes(2, "big") + value
    return REQUEST[:2] + len(attribute).to_bytes(2, "big") + REQUEST[4:] + attribute


def test_what_may_be_ignored_is() -> None:
    assert answer(with_attribute(0x8022, b"a client"), ("192.0.2.1", 1)) is not None


@pytest.mark.parametrize(
    "data",
    [
        REQUEST[:19],
        b"\x01\x01" + REQUEST[2:],  # a response
        REQUEST[:4] + b"\0\0\0\0" + TRANSACTION,  # RFC 3489
        REQUEST[:2] + b"\x00\x04" + REQUEST[4:],  # longer than it is
        with_attribute(0x0006, b"user"),  # USERNAME: wants credentials
        with_attribute(0x0003, b"\0\0\0\6"),  # CHANGE-REQUEST: wants an answer from elsewhere
        with_attribute(0x8022, b"cut ", 8),
    ],
)
def test_anything_else_is_not_answered(data: bytes) -> None:
    assert answer(data, ("192.0.2.1", 32853)) is None
