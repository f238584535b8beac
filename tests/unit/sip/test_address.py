from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import ParseError
from sip.grammar import is_token
from sip.headers.address import (
    STAR,
    parse_address,
    parse_addresses,
    parse_contacts,
    parse_q,
    read_uri_and_tag,
)

GOOD = [
    (b"sip:a@b", b"", b"sip:a@b", []),
    (b"sip:a@b;tag=x", b"", b"sip:a@b", [(b"tag", b"x")]),
    (b"sip:a@b ; tag = x", b"", b"sip:a@b", [(b"tag", b"x")]),
    (b'sip:a@b;x="<y>"', b"", b"sip:a@b", [(b"x", b'"<y>"')]),
    (b"<sip:a@b;lr>;Tag=x", b"", b"sip:a@b;lr", [(b"tag", b"x")]),
    (b"caller<sip:a@b>", b"caller", b"sip:a@b", []),
    (b"A. User  <sip:a@b>", b"A. User", b"sip:a@b", []),
    ("Jürgen <sip:a@b>".encode(), "Jürgen".encode(), b"sip:a@b", []),
    (b'"a < b, \\"c\\"" <sip:a@b>;q=0.5', b'"a < b, \\"c\\""', b"sip:a@b", [(b"q", b"0.5")]),
    (b'"x"<tel:+1>', b'"x"', b"tel:+1", []),
    (b"<http://www.example.com>;tag=1", b"", b"http://www.example.com", [(b"tag", b"1")]),
]
BAD = [
    b"", b"a", b"<>", b"<a", b"sip:a@b>", b'"a <sip:a@b>', b'"a\\" <sip:a@b>', b'"a" sip:a@b',
    b'"a"', b"Bell, Al <sip:a@b>", b"sip:x@y <sip:a@b>", b"< sip:a@b >", b"sip:a@b, sip:c@d",
    b"sip:a@b?x=y", b"sip:a,b@c", b"<sip:a@b>, <sip:c@d>", b"<sip:a@b> x", b"<sip:a@b>;",
    b"<sip:a@b>;;tag=x", b"<sip:a@b>;tag=x;tag=y", b'"a" "b" <sip:a@b>', b"</>", b"a;b <sip:x@y>",
    b"<<sip:a@b>>", b"\x01 <sip:a@b>",
]  # fmt: skip


@pytest.mark.parametrize(("value", "display", "uri", "params"), GOOD)
def test_addresses(
    value: bytes, display: bytes, uri: bytes, params: list[tuple[bytes, bytes | None]]
) -> None:
    address = parse_address(value)
    assert (address.display, address.uri_raw, address.params) == (display, uri, params)
    assert repr(address) == f"Address({value!r})"


@pytest.mark.parametrize("value", BAD)
def test_malformed(value: bytes) -> None:
    with pytest.raises(ParseError):
        parse_address(value)
    with pytest.raises(ParseError):
        read_uri_and_tag(value, "From")


def test_params_by_name() -> None:
    address = parse_address(b'<sip:a@b>;ob;+sip.instance="<urn:uuid:1>";tag=t')
    assert address.param(b"ob") == b""
    assert address.param(b"+sip.instance") == b"<urn:uuid:1>"
    assert address.param(b"q") is None
    assert address.tag == b"t"
    assert parse_address(b"<sip:a@b>").tag == b""
    assert parse_address(b'"A \\"B\\"" <sip:a@b>').name == b'A "B"'


class TestFromAndTo:
    """The short way must see exactly what the long way sees, first time and every time after."""

    @pytest.mark.parametrize("value", [good[0] for good in GOOD])
    def test_same_as_address(self, value: bytes) -> None:
        for _ in range(3):
            uri, tag = read_uri_and_tag(value, "To")
            address = parse_address(value)
            assert uri.raw == address.uri_raw
            assert tag == address.tag

    @pytest.mark.parametrize(
        "tail",
        [b";tag=", b";tag", b";tag=a b", b";tag=a,b", b';tag="a b"', b"x", b" x", b";tag=a;tag=b",
         b";tag=a;TAG=b", b";tag=a>", b",<sip:c@d>", b";tag=a;"],
    )  # fmt: skip
    def test_a_known_front_excuses_nothing(self, tail: bytes) -> None:
        front = b'"Known" <sip:known@ims.test>'
        read_uri_and_tag(front + b";tag=ok", "From")
        with pytest.raises(ParseError):
            read_uri_and_tag(front + tail, "From")

    def test_a_known_front_without_its_bracket(self) -> None:
        read_uri_and_tag(b"<sip:known@ims.test>;tag=ok", "From")
        with pytest.raises(ParseError):
            read_uri_and_tag(b"<sip:known@ims.test", "From")

    def test_more_parameters(self) -> None:
        uri, tag = read_uri_and_tag(b"<sip:a@b>;x=y;tag=t;z", "From")
        assert (uri.raw, tag) == (b"sip:a@b", b"t")

    @given(st.text(alphabet='"\\<>;,=: tagsip@b', max_size=30))
    def test_agreement(self, text: str) -> None:
        value = text.encode().strip(b" ")
        try:
            address = parse_address(value)
        except ParseError:
            with pytest.raises(ParseError):
                read_uri_and_tag(value, "From")
            return
        if address.param(b"tag") is None or is_token(address.tag):
            assert read_uri_and_tag(value, "From") == (address.uri, address.tag)
        else:
            with pytest.raises(ParseError):
                read_uri_and_tag(value, "From")

    def test_more_fronts_than_are_remembered(self) -> None:
        for number in range(40000):  # more than are remembered
            user = b"<sip:u%d@ims.test" % number
            assert read_uri_and_tag(user + b">;tag=1", "To")[0].raw == user[1:]
            assert read_uri_and_tag(user + b">;tag=2", "To")[0].raw == user[1:]


class TestLists:
    def test_lines_and_commas(self) -> None:
        values = [b"<sip:a@b>, <sip:c@d;x=1,2>", b'"x, y" <sip:e@f>']
        assert [a.uri_raw for a in parse_addresses(values, "Route")] == [
            b"sip:a@b",
            b"sip:c@d;x=1,2",
            b"sip:e@f",
        ]

    @pytest.mark.parametrize("value", [b"", b"<sip:a@b>,", b",<sip:a@b>", b"<sip:a@b>,,<sip:c@d>"])
    def test_empty_items(self, value: bytes) -> None:
        with pytest.raises(ParseError):
            parse_addresses([value], "Route")


class TestContacts:
    def test_star(self) -> None:
        assert parse_contacts([b" * "]) is STAR

    @pytest.mark.parametrize(
        "values", [[b"*", b"<sip:a@b>"], [b"*, <sip:a@b>"], [b"*;expires=0"], [b"*", b"*"]]
    )
    def test_star_stands_alone(self, values: list[bytes]) -> None:
        with pytest.raises(ParseError):
            parse_contacts(values)

    def test_expires(self) -> None:
        # RFC 3261 20.10: malformed expires is the registrar's to replace; a sign is an error.
        contacts = parse_contacts([b"<sip:a@b>;expires=99999999999999;q=0.5"])
        assert contacts is not STAR
        assert contacts[0].param(b"expires") == b"99999999999999"
        with pytest.raises(ParseError):
            parse_contacts([b"<sip:a@b>;expires=-1"])

    @pytest.mark.parametrize(
        ("text", "q"),
        [(b"0", 0), (b"1", 1000), (b"0.5", 500), (b"0.333", 333), (b"1.000", 1000), (b"0.", 0)],
    )
    def test_q(self, text: bytes, q: int) -> None:
        assert parse_q(text) == q

    @pytest.mark.parametrize("text", [b"", b"2", b"1.1", b"1.001", b"0.1234", b"-0", b".5", b"0,5"])
    def test_bad_q(self, text: bytes) -> None:
        with pytest.raises(ParseError):
            parse_q(text)
        if text:
            with pytest.raises(ParseError):
                parse_contacts([b"<sip:a@b>;q=" + text])
