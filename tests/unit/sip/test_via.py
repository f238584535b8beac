from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import ParseError
from sip.headers.via import parse_via


def test_usual_shape() -> None:
    via = parse_via(b"SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc;rport")
    assert (via.transport, via.host, via.port) == ("UDP", "192.0.2.1", 5070)
    assert via.sent_by == b"192.0.2.1:5070"
    assert via.branch == b"z9hG4bKabc"
    assert via.rport
    assert via.received is None
    assert repr(via) == f"Via({via.raw!r})"


def test_white_space_and_case_where_allowed() -> None:
    via = parse_via(
        b"sip / 2.0\t/ tcp \t Host.Example : 5071 ; BRANCH = z9 ; rport = 1 ;maddr=1.2.3.4"
    )
    assert (via.transport, via.host, via.port) == ("TCP", "host.example", 5071)
    assert via.sent_by == b"host.example:5071"
    assert via.branch == b"z9"
    assert via.rport
    assert via.maddr == b"1.2.3.4"


def test_nothing_but_the_hop() -> None:
    via = parse_via(b"SIP/2.0/TLS [2001:db8::1]")
    assert (via.host, via.port, via.branch, via.rport) == ("2001:db8::1", None, b"", False)


@pytest.mark.parametrize("received", [b"192.0.2.9", b"2001:db8::9:255", b"[2001:db8::9:255]"])
def test_received(received: bytes) -> None:
    assert parse_via(b"SIP/2.0/UDP a;received=" + received).received == received


@pytest.mark.parametrize(
    "value",
    [
        b"", b"SIP/2.0", b"SIP/2.0/UDP", b"SIP/3.0/UDP a", b"HTTP/2.0/UDP a", b"SIP/2.0/ a",
        b"SIP/2.0/U(P a", b"SIP/2.0/UDP a b", b"SIP/2.0/UDP ;branch=x", b"SIP/2.0/UDP a:0",
        b"SIP/2.0/UDP a:99999", b"SIP/2.0/UDP 2001:db8::1", b"SIP/2.0/UDP a;;", b"SIP/2.0/UDP a;",
        b"SIP/2.0/UDP a;branch", b"SIP/2.0/UDP a;branch=", b"SIP/2.0/UDP a;branch=a;branch=b",
        b"SIP/2.0/UDP a;branch=a b", b"SIP/2.0/UDP a;branch=a=b", b"SIP/2.0/UDP a;rport;rport",
        b"SIP/2.0/UDP a;rport;RPORT=1", b"SIP/2.0/UDP a;received=1.2.3.4;received=1.2.3.5",
        b"SIP/2.0/UDP a;received=<b>", b"SIP/2.0/UDP a;x=", b'SIP/2.0/UDP a;x="b',
        b"SIP/2.0/UDP a,b",
    ],
)  # fmt: skip
def test_malformed(value: bytes) -> None:
    with pytest.raises(ParseError):
        parse_via(value)


class TestStamp:
    """RFC 3261 18.2.1 and RFC 3581 section 4."""

    def test_same_source_without_rport_changes_nothing(self) -> None:
        raw = b"SIP/2.0/UDP 192.0.2.1:5070;branch=z9"
        assert parse_via(raw).stamped("192.0.2.1", 9999) == raw

    def test_other_source_adds_received(self) -> None:
        raw = b"SIP/2.0/UDP pc.example:5070;branch=z9"
        assert parse_via(raw).stamped("192.0.2.1", 9999) == raw + b";received=192.0.2.1"

    @pytest.mark.parametrize(
        ("raw", "out"),
        [
            (b"SIP/2.0/UDP a;rport;branch=z9", b"SIP/2.0/UDP a;rport=7;received=::1;branch=z9"),
            (b"SIP/2.0/UDP a;branch=z9;rport", b"SIP/2.0/UDP a;branch=z9;rport=7;received=::1"),
            (
                b"SIP/2.0/UDP a;rportx=1;branch=z9;rport",
                b"SIP/2.0/UDP a;rportx=1;branch=z9;received=::1;rport=7",
            ),
            (
                b'SIP/2.0/UDP a;x=";rport;";rport',
                b'SIP/2.0/UDP a;x=";rport;";received=::1;rport=7',
            ),
            (b"SIP/2.0/UDP a ;rport= 5 ;b=c", b"SIP/2.0/UDP a;b=c;received=::1;rport=7"),
            (b"SIP/2.0/UDP a;received=6.6.6.6;b=c", b"SIP/2.0/UDP a;b=c;received=::1"),
            (
                b"SIP/2.0/UDP a;RECEIVED=6.6.6.6;rport=66;b=c",
                b"SIP/2.0/UDP a;b=c;received=::1;rport=7",
            ),
        ],
    )
    def test_what_the_sender_wrote_is_overwritten(self, raw: bytes, out: bytes) -> None:
        assert parse_via(raw).stamped("::1", 7) == out
        assert parse_via(out).received == b"::1"

    @given(
        st.lists(
            st.sampled_from(
                [b"rport", b"rport=1", b"received=9.9.9.9", b"branch=z9", b"x", b'y=";rport"',
                 b"ttl=1", b"Rport", b"rportx"]
            ),
            unique_by=lambda piece: piece.partition(b"=")[0].lower(),
        )
    )  # fmt: skip
    def test_the_truth_stands_once(self, pieces: list[bytes]) -> None:
        raw = b";".join([b"SIP/2.0/UDP client.example", *pieces])
        via = parse_via(raw)
        again = parse_via(via.stamped("10.0.0.1", 4711))
        assert again.received == b"10.0.0.1"
        assert (again.branch, again.sent_by) == (via.branch, via.sent_by)
        names = [piece.partition(b"=")[0].strip().lower() for piece in again.params]
        assert names.count(b"received") == 1
        assert names.count(b"rport") == (1 if via.rport else 0)
        assert (b"rport=4711" in again.params) == via.rport


def test_hops_stay_bounded() -> None:
    from sip.headers import via as module

    for number in range(module._HOPS + 10):
        parse_via(b"SIP/2.0/UDP h%d.test" % number)
    assert len(module._hops) <= module._HOPS
