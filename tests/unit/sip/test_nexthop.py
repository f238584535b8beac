# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sip.nexthop import NextHopPolicy, next_hop
from sip.uri import parse_uri


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:a@192.0.2.9", ("UDP", "192.0.2.9", 5060)),
        ("sip:a@192.0.2.9:5080", ("UDP", "192.0.2.9", 5080)),
        ("sip:a@192.0.2.9;transport=TCP", ("TCP", "192.0.2.9", 5060)),
        ("sip:a@192.0.2.9;transport=tls", ("TLS", "192.0.2.9", 5061)),
        ("sips:a@192.0.2.9", ("TLS", "192.0.2.9", 5061)),
        ("sips:a@192.0.2.9;transport=tcp", ("TLS", "192.0.2.9", 5061)),
        ("sip:a@192.0.2.9;transport=ws", ("WS", "192.0.2.9", 80)),
        ("sips:a@192.0.2.9;transport=ws", ("WSS", "192.0.2.9", 443)),
        ("sip:a@[2001:db8::9]:5062", ("UDP", "2001:db8::9", 5062)),
        ("sip:a@example.com;maddr=192.0.2.10", ("UDP", "192.0.2.10", 5060)),
        ("sip:a@example.com;maddr=[2001:DB8::1]", ("UDP", "2001:db8::1", 5060)),
    ],
)
def test_next_hop(uri: str, hop: tuple[str, str, int]) -> None:
    found = next_hop(parse_uri(uri.encode()))
    assert found is not None
    assert (found.transport, found.host, found.port) == hop


@pytest.mark.parametrize(
    "uri", ["tel:+15551234", "http://192.0.2.1", "sip:a@b;transport=sctp", "sips:a@b;transport=udp"]
)
def test_no_hop(uri: str) -> None:
    assert next_hop(parse_uri(uri.encode())) is None


def test_a_sips_request_stays_secure_whatever_the_hop_says() -> None:
    hop = next_hop(parse_uri(b"sip:proxy@192.0.2.9:5061"), secure=True)
    assert hop is not None
    assert (hop.transport, hop.secure) == ("TLS", True)


OWN = [("192.0.2.1", 5060), ("2001:db8::1", 5060)]


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("198.51.100.1", True),
        ("10.1.2.3", True),
        ("2001:db8::77", True),
        ("0.0.0.0", False),
        ("255.255.255.255", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("169.254.169.254", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("ff02::1", False),
        ("fe80::1", False),
        ("::ffff:127.0.0.1", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_where_a_node_may_send(host: str, allowed: bool) -> None:
    may_send_to = NextHopPolicy(OWN)
    assert may_send_to(host, 5060) is allowed
    assert may_send_to(host, 5060) is allowed  # from memory


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "2001:0db8:0::1", "::ffff:c000:201"])
def test_our_own_listeners_are_never_a_next_hop(host: str) -> None:
    may_send_to = NextHopPolicy(OWN, allowed=["0.0.0.0/0", "::/0"])
    assert not may_send_to(host, 5060)
    assert may_send_to(host, 5070)


def test_ports_are_checked() -> None:
    may_send_to = NextHopPolicy([])
    assert not may_send_to("198.51.100.1", 0)
    assert not may_send_to("198.51.100.1", 65536)


def test_what_configuration_opens() -> None:
    assert NextHopPolicy(OWN, allow_loopback=True)("127.0.0.1", 40000)
    assert NextHopPolicy(OWN, allowed=["127.0.0.0/8"])("127.0.0.1", 40000)
    wide = NextHopPolicy(OWN, allowed=["0.0.0.0/0"])
    assert not wide("255.255.255.255", 5060)
    assert not wide("0.0.0.0", 5060)
    assert not wide("224.0.0.1", 5060)


def test_a_network_that_is_none() -> None:
    with pytest.raises(ValueError):
        NextHopPolicy([], allowed=["not a network"])
