from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import ParseError
from sip.grammar import (
    check_escapes,
    check_param_value,
    is_token,
    normalise_escapes,
    parse_params,
    parse_uint,
    quote,
    skip_quoted,
    split_commas,
    split_list,
    unescape,
    unquote,
)


@pytest.mark.parametrize("value", [b"a", b"MESSAGE", b"-.!%*_+`'~", b"0"])
def test_tokens(value: bytes) -> None:
    assert is_token(value)


@pytest.mark.parametrize("value", [b"", b" ", b"a b", b"a:b", b"\xe9", b"a\x00", b'"a"', b"a@b"])
def test_not_tokens(value: bytes) -> None:
    assert not is_token(value)


class TestNumbers:
    @pytest.mark.parametrize(
        ("text", "number"),
        [(b"0", 0), (b"0068", 68), (b"4294967295", 4294967295), (b"0" * 5000 + b"7", 7)],
    )
    def test_digits(self, text: bytes, number: int) -> None:
        assert parse_uint(text, 2**32 - 1, "n") == number

    @pytest.mark.parametrize(
        "text",
        [b"", b"+1", b"-1", b"1_0", b" 1", b"1 ", b"0x1", b"1.0", b"1e3", b"\xef\xbc\x91",
         b"\xb2", b"1\x00", b"1,1", b"4294967296", b"9" * 5000],
    )  # fmt: skip
    def test_everything_else(self, text: bytes) -> None:
        with pytest.raises(ParseError):
            parse_uint(text, 2**32 - 1, "n")


class TestLists:
    @pytest.mark.parametrize(
        ("value", "items"),
        [
            (b"a", [b"a"]),
            (b" a , b\t", [b"a", b"b"]),
            (b"a,,b", [b"a", b"", b"b"]),
            (b'"a, b" <sip:c>, d', [b'"a, b" <sip:c>', b"d"]),
            (b'"\\", x", y', [b'"\\", x"', b"y"]),
            (b"<sip:a,b@c>,<sip:d>", [b"<sip:a,b@c>", b"<sip:d>"]),
            (b'<sip:a>;x="<,>",<sip:b>', [b'<sip:a>;x="<,>"', b"<sip:b>"]),
        ],
    )
    def test_split(self, value: bytes, items: list[bytes]) -> None:
        assert split_commas(value) == items

    @pytest.mark.parametrize("value", [b'"a,', b"<sip:a,", b'a,"b\\"', b'"\\",'])
    def test_unbalanced(self, value: bytes) -> None:
        with pytest.raises(ParseError):
            split_commas(value)

    @given(st.binary(max_size=60))
    def test_nothing_is_lost(self, value: bytes) -> None:
        try:
            items = split_list(value, b";")
        except ParseError:
            return
        joined = b"".join(items).translate(None, b" \t")
        assert joined == value.translate(None, b" \t;") or b'"' in value or b"<" in value


class TestParams:
    def test_shapes(self) -> None:
        assert parse_params(b' ; A = b ;c; d="x;y" ;e=[::1]') == [
            (b"a", b"b"),
            (b"c", None),
            (b"d", b'"x;y"'),
            (b"e", b"[::1]"),
        ]
        assert parse_params(b"  ") == []

    @pytest.mark.parametrize(
        "value",
        [b";", b";;a", b";a;", b"a", b";a=", b";=b", b";a b", b";a=b c", b';a="b"c', b';a="b',
         b";a=1;A=2", b";a=<b>", b";a,b"],
    )  # fmt: skip
    def test_malformed(self, value: bytes) -> None:
        with pytest.raises(ParseError):
            parse_params(value)

    @pytest.mark.parametrize("value", [b"", b'"', b'"a" ', b"a,b", b"a;b", b"\x01"])
    def test_values(self, value: bytes) -> None:
        with pytest.raises(ParseError):
            check_param_value(value, "x")


class TestQuoting:
    @pytest.mark.parametrize(
        ("value", "end"),
        [(b'""', 2), (b'"a"b', 3), (b'"\\""', 4), (b'"\\\\"', 4), (b'"\\\\\\""', 6)],
    )
    def test_ends(self, value: bytes, end: int) -> None:
        assert skip_quoted(value, 0) == end

    @pytest.mark.parametrize("value", [b'"', b'"\\"', b'"\\\\\\"', b'"a'])
    def test_never_ends(self, value: bytes) -> None:
        assert skip_quoted(value, 0) == -1

    @given(st.binary(max_size=40).map(lambda b: b.translate(None, b"\r\n")))
    def test_round_trip(self, value: bytes) -> None:
        quoted = quote(value)
        assert skip_quoted(quoted, 0) == len(quoted)
        assert unquote(quoted) == value

    def test_line_ends_can_not_be_quoted(self) -> None:
        assert quote(b"a\r\nb") == b'"a  b"'

    def test_unquoted_text_stays(self) -> None:
        assert unquote(b"a") == b"a"
        assert unquote(b'"') == b'"'


class TestEscapes:
    def test_once(self) -> None:
        assert unescape(b"a%2541%62") == b"a%41b"

    def test_normal_form(self) -> None:
        assert normalise_escapes(b"%61%2f%0d%00%3B") == b"a%2F%0D%00%3B"

    @pytest.mark.parametrize("value", [b"%", b"a%4", b"%zz", b"%%41", b"%4g"])
    def test_broken(self, value: bytes) -> None:
        with pytest.raises(ParseError):
            check_escapes(value, "x")

    @given(st.binary(max_size=30))
    def test_normal_form_is_stable(self, value: bytes) -> None:
        text = b"".join(b"%%%02x" % octet for octet in value)
        normal = normalise_escapes(text)
        assert normalise_escapes(normal) == normal
        assert unescape(normal) == value
