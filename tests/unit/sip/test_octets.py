"""Both forms of sip/octets: compiled the callers have them in line, so they are asked through them."""

from __future__ import annotations

import pytest

from sip import octets
from sip.errors import ParseError
from sip.grammar import TOKEN, is_token, parse_uint, split_commas
from sip.head import split_head
from sip.limits import Limits

LIMITS = Limits()


def cut(head: bytes) -> list[bytes] | None:
    """Return the lines of a header block, None when it is refused."""
    data = head + b"\r\n\r\nbody"
    try:
        return split_head(data, len(head), LIMITS)
    except ParseError:
        return None


@pytest.mark.parametrize("place", range(20))
def test_every_octet_at_every_place_of_a_word(place: int) -> None:
    for octet in range(256):
        line = b"x" * place + bytes((octet,)) + b"y" * (19 - place)
        good = octet == 0x09 or (octet >= 0x20 and octet != 0x7F)
        assert cut(b"start\r\n" + line) == ([b"start", line] if good else None)
        lines = octets.text_lines(line, len(line))
        assert lines == ([line] if good else None)


@pytest.mark.parametrize(
    ("head", "lines"),
    [
        (b"a", [b"a"]),
        (b"a\r\nb", [b"a", b"b"]),
        (b"a\r\n\tb: \xff", [b"a", b"\tb: \xff"]),
        (b"a\r", None),
        (b"a\r\r\nb", None),
        (b"a\n\r\nb", None),
        (b"a\nb", None),
        (b'a\r\nb: "\\\x01"', [b"a", b'b: "\\\x01"']),
    ],
)
def test_lines(head: bytes, lines: list[bytes] | None) -> None:
    assert cut(head) == lines


def test_tokens() -> None:
    for octet in range(256):
        assert is_token(b"a" + bytes((octet,))) == (octet in TOKEN)
    assert not is_token(b"")


@pytest.mark.parametrize("text", [b"", b"-1", b"+1", b" 1", b"1 ", b"1x", b"\xb2", b"4294967296"])
def test_no_number(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_uint(text, 2**32 - 1, "CSeq")


@pytest.mark.parametrize(
    ("text", "value"), [(b"0", 0), (b"4294967295", 2**32 - 1), (b"00000000000000000007", 7)]
)
def test_number(text: bytes, value: int) -> None:
    assert parse_uint(text, 2**32 - 1, "CSeq") == value


def test_items() -> None:
    assert split_commas(b"") == [b""]
    assert split_commas(b" \t") == [b""]
    assert split_commas(b",") == [b"", b""]
    assert split_commas(b" a ,\tb\t, c d ") == [b"a", b"b", b"c d"]


def test_many_texts_become_one() -> None:
    assert octets.concat_all(()) == b""
    assert octets.concat_all((b"one", b"", b" two")) == b"one two"
