# SPDX-License-Identifier: Apache-2.0
"""Which peer a flow belongs to."""

from __future__ import annotations

import pytest

from imsnode.identity.peers import Peer, PeerTable
from sip.flow import Flow


def flow(host: str, port: int = 5060, transport: str = "UDP") -> Flow:
    return Flow(transport, ("192.0.2.1", 5060), (host, port))


def name(table: PeerTable, at: Flow) -> str:
    peer = table.match(at)
    assert peer == table.match(at), "the remembered answer is the same"
    return "" if peer is None else peer.name


def test_most_specific_address_wins() -> None:
    table = PeerTable(
        [
            Peer("net", "10.0.0.0/8"),
            Peer("port", "10.1.1.1:5070", "asserted"),
            Peer("host", "10.1.1.1"),
            Peer("tls", "10.1.1.1", transport="TLS"),
            Peer("v6", "2001:db8::/32"),
            Peer("v6port", "[2001:db8::1]:5070"),
            Peer("v6host", "[2001:db8::1]"),
        ]
    )
    assert name(table, flow("10.9.9.9")) == "net"
    assert name(table, flow("10.1.1.1")) == "host"
    assert name(table, flow("10.1.1.1", 5070)) == "port"
    assert name(table, flow("10.1.1.1", 5070, "TLS")) == "port"
    assert name(table, flow("10.1.1.1", 5061, "TLS")) == "tls"
    assert name(table, flow("2001:db8::9")) == "v6"
    assert name(table, flow("2001:db8::1")) == "v6host"
    assert name(table, flow("2001:db8::1", 5070)) == "v6port"
    assert name(table, flow("11.0.0.1")) == ""
    assert name(table, flow("no address")) == ""


def test_trust_and_names() -> None:
    table = PeerTable([Peer("a", "10.0.0.1", "asserted"), Peer("b", "10.0.0.2")])
    assert table.named("a") is not None
    assert [peer.asserted for peer in (table.named("a"), table.named("b")) if peer] == [True, False]
    assert table.named("c") is None
    assert table.covers("10.0.0.2")
    assert not table.covers("10.0.0.3")
    assert not table.covers("")


def test_empty_table() -> None:
    assert not PeerTable()
    assert PeerTable().match(flow("10.0.0.1")) is None


def test_new_peers_take_effect_at_once() -> None:
    table = PeerTable()
    assert name(table, flow("10.0.0.1")) == ""
    table.configure([Peer("a", "10.0.0.1")])
    assert name(table, flow("10.0.0.1")) == "a"
    with pytest.raises(ValueError):
        table.configure([Peer("b", "nowhere")])
    assert name(table, flow("10.0.0.1")) == "a"


def test_memory_of_sources_is_bounded() -> None:
    table = PeerTable([Peer("a", "10.0.0.1")])
    for number in range(10_000):
        assert name(table, flow(f"11.0.{number >> 8}.{number & 255}")) == ""
    assert name(table, flow("10.0.0.1")) == "a"


@pytest.mark.parametrize(
    "address", ["", "host", "10.0.0.1:0", "10.0.0.1:70000", "10.0.0.1:x", "10.0.0.300", "[::1]:"]
)
def test_bad_addresses_name_the_peer(address: str) -> None:
    with pytest.raises(ValueError, match="peer edge"):
        PeerTable([Peer("edge", address)])


def test_a_peer_with_a_name_proves_it_where_it_comes_over_tls() -> None:
    named = Peer("carrier", "192.0.2.0/24", "asserted", tls_name="carrier.test")
    anywhere = Peer("roaming", "0.0.0.0/0", transport="TLS", tls_name="roaming.test")
    table = PeerTable([named, anywhere])

    def peer(transport: str, *names: str, host: str = "192.0.2.7") -> str:
        flow = Flow(transport, ("198.51.100.1", 5061), (host, 40000))
        flow.names = frozenset(names)
        found = table.match(flow)
        return "" if found is None else found.name

    assert peer("TLS", "carrier.test", "www.test") == "carrier"
    assert peer("TLS") == ""
    assert peer("TLS", "other.test") == ""
    assert peer("UDP") == "carrier"
    assert peer("TLS", "roaming.test", host="203.0.113.9") == "roaming"
    assert peer("TCP", host="203.0.113.9") == ""
    assert not table.covers("203.0.113.9")
