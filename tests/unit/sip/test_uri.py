from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import ParseError
from sip.uri import aor_of, parse_host, parse_hostport, parse_port, parse_uri


class TestParts:
    def test_all_of_them(self) -> None:
        uri = parse_uri(b"SIPS:al%69ce:pass;word@Atlanta.COM:5071;Transport=tcp;lr?a=b&c=")
        assert uri.scheme == "sips"
        assert uri.secure
        assert uri.user == b"al%69ce"
        assert uri.password == b"pass;word"
        assert (uri.host, uri.port) == ("atlanta.com", 5071)
        assert uri.params == {"transport": b"tcp", "lr": None}
        assert uri.headers == b"a=b&c="
        assert uri.param("transport") == b"tcp"
        assert uri.param("lr") == b""
        assert uri.param("ttl") is None
        assert uri.hostport(5060) == ("atlanta.com", 5071)
        assert repr(uri) == f"Uri({uri.raw!r})"

    def test_host_alone(self) -> None:
        uri = parse_uri(b"sip:ims.test")
        assert (uri.user, uri.host, uri.port) == (None, "ims.test", None)
        assert uri.hostport(5060) == ("ims.test", 5060)
        assert not uri.secure

    def test_ipv6(self) -> None:
        uri = parse_uri(b"sip:a@[2001:DB8:0::10]:5070;lr")
        assert (uri.host, uri.port) == ("2001:db8::10", 5070)
        assert uri.aor == "sip:a@[2001:db8::10]"

    def test_tel(self) -> None:
        uri = parse_uri(b"tel:+1-201-555-0123;phone-context=example.com")
        assert not uri.is_sip
        assert uri.user == b"+1-201-555-0123"
        assert uri.aor == "tel:+12015550123"
        assert aor_of(b"tel:7042;phone-context=Example.com") == "tel:7042;phone-context=example.com"

    def test_other_schemes_are_kept_whole(self) -> None:
        uri = parse_uri(b"im:fred@example.com")
        assert (uri.scheme, uri.is_sip, uri.host) == ("im", False, "")
        assert uri.aor == "im:fred@example.com"

    def test_long_uris_are_parsed_afresh(self) -> None:
        raw = b"sip:" + b"u" * 300 + b"@ims.test"
        assert parse_uri(raw) is not parse_uri(raw)
        assert parse_uri(b"sip:a@ims.test") is parse_uri(b"sip:a@ims.test")


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"sip", b"sip:", b"/", b":a", b"1sip:a", b"sip:@host", b"sip:a@", b"sip:a@b@c",
        b"sip:a@b:", b"sip:a@b:0", b"sip:a@b:65536", b"sip:a@b:-1", b"sip:a@b:5060x",
        b"sip:a@b:00005060", b"sip:a@[::1", b"sip:a@[::::]", b"sip:a@[::1]x", b"sip:a@[::1%25eth0]",
        b"sip:a@2001:db8::1", b"sip:a@1.2.3", b"sip:a@1.2.3.256", b"sip:a@1.2.3.4.5",
        b"sip:a@host..name", b"sip:a@.host", b"sip:a@ho st", b"sip:a b@host", b"sip:a@host;",
        b"sip:a@host;;lr", b"sip:a@host;lr;lr", b"sip:a@host;lr;%6Cr", b"sip:a@host;a=",
        b"sip:a@host;=b", b"sip:a@host?", b"sip:a@host?a", b"sip:a@host?=b", b"sip:a@host?a=b&",
        b"sip:a%@host", b"sip:a%4@host", b"sip:a%zz@host", b"<sip:a@host>", b'sip:"a"@host',
        b"sip:\xc3\xa9@host", b"sip:a\x00@host", b"sip:a[b]@host", b"tel:", b"tel:+1;;x",
        b"sip:" + b"h" * 256,
    ],
)  # fmt: skip
def test_malformed(raw: bytes) -> None:
    with pytest.raises(ParseError):
        parse_uri(raw)


class TestAor:
    @pytest.mark.parametrize(
        ("raw", "aor"),
        [
            (b"sip:alice@ims.test", "sip:alice@ims.test"),
            (b"SIP:%61lice:pw@IMS.test:5060;lr?x=y", "sip:alice@ims.test"),
            (b"sips:alice@ims.test", "sip:alice@ims.test"),
            (b"sip:Alice@ims.test", "sip:Alice@ims.test"),
            (b"sip:a%2fb@ims.test", "sip:a%2Fb@ims.test"),
            (b"sip:a%0d%0ab@ims.test", "sip:a%0D%0Ab@ims.test"),
            (b"sip:a%00@ims.test", "sip:a%00@ims.test"),
            (b"sip:ims.test;transport=udp", "sip:ims.test"),
        ],
    )
    def test_canonical(self, raw: bytes, aor: str) -> None:
        assert aor_of(raw) == aor
        assert parse_uri(raw).aor is parse_uri(raw).aor


class TestComparison:
    """The examples of RFC 3261 19.1.4."""

    @pytest.mark.parametrize(
        ("one", "two"),
        [
            (b"sip:%61lice@atlanta.com;transport=TCP", b"sip:alice@AtLanTa.CoM;Transport=tcp"),
            (b"sip:carol@chicago.com", b"sip:carol@chicago.com;newparam=5"),
            (b"sip:carol@chicago.com", b"sip:carol@chicago.com;security=on"),
            (
                b"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                b"sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                b"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                b"sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            (b"tel:+1-201-555-0123", b"tel:+12015550123"),
        ],
    )
    def test_equal(self, one: bytes, two: bytes) -> None:
        assert parse_uri(one).equals(parse_uri(two))
        assert parse_uri(two).equals(parse_uri(one))

    @pytest.mark.parametrize(
        ("one", "two"),
        [
            (b"SIP:ALICE@AtLanTa.CoM;Transport=udp", b"sip:alice@AtLanTa.CoM;Transport=UDP"),
            (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com:5060"),
            (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com;transport=udp"),
            (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com:6000;transport=tcp"),
            (b"sip:carol@chicago.com", b"sip:carol@chicago.com?Subject=next%20meeting"),
            (b"sip:carol@chicago.com;security=on", b"sip:carol@chicago.com;security=off"),
            (b"sip:carol@chicago.com", b"sips:carol@chicago.com"),
            (b"sip:carol@chicago.com", b"sip:carol:pw@chicago.com"),
            (b"sip:carol@chicago.com", b"sip:chicago.com"),
            (b"sip:carol@chicago.com;maddr=1.2.3.4", b"sip:carol@chicago.com"),
            (b"sip:+12@x", b"tel:+12"),
        ],
    )
    def test_different(self, one: bytes, two: bytes) -> None:
        assert not parse_uri(one).equals(parse_uri(two))
        assert not parse_uri(two).equals(parse_uri(one))


class TestHostport:
    def test_shapes(self) -> None:
        assert parse_hostport(b"Host:1", "x") == ("host", 1)
        assert parse_hostport(b"[::1]", "x") == ("::1", None)
        assert parse_hostport(b"10.0.0.1:65535", "x") == ("10.0.0.1", 65535)
        assert parse_host(b"a_b-c.example.", "x") == "a_b-c.example."
        assert parse_port(b"05060", "x") == 5060

    def test_the_place_is_named(self) -> None:
        with pytest.raises(ParseError) as caught:
            parse_port(b"65536", "Via")
        assert caught.value.where == "Via"
        assert caught.value.reason == "Via has a port outside 1 to 65535"


@given(st.binary(max_size=40))
def test_only_parse_errors(raw: bytes) -> None:
    for text in (raw, b"sip:" + raw, b"sip:a@" + raw, b"tel:" + raw):
        try:
            uri = parse_uri(text)
        except ParseError:
            continue
        assert uri.raw == text
        assert uri.aor.isascii()
        assert uri.equals(parse_uri(bytes(text)))


def test_caches_stay_bounded() -> None:
    from sip import uri as module

    for number in range(module._CACHE_ITEMS + 10):
        parse_uri(b"sip:u%d@h%d.test" % (number, number))
    assert len(module._uris) <= module._CACHE_ITEMS
    assert len(module._hosts) <= module._CACHE_ITEMS


def test_only_a_small_uri_is_remembered() -> None:
    for size, remembered in ((8, True), (9, False)):
        text = b"sip:a@b" + b"".join([b";p%d" % number for number in range(size)])
        assert (parse_uri(text) is parse_uri(text)) is remembered
