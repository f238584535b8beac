"""From where a peer of the configuration may hand requests in."""

from __future__ import annotations

import pytest

from imsnode.config.peers import Peer
from imsnode.identity.peers import PeerTable
from imsnode.peers.peering import sources_of
from sip.flow import Flow

AT = ("203.0.113.7", 5061)
NAME = "carrier.test"


def is_known(over: str, *names: str, **settings: object) -> bool:
    """Tell whether a request that comes from AT is taken for the peer's."""
    peer = Peer.model_validate({"name": "carrier", "trust": "asserted", **settings})
    flow = Flow(over, ("192.0.2.1", 5061), AT)
    flow.names = frozenset(names)
    return PeerTable(list(sources_of(peer))).match(flow) is not None


@pytest.mark.parametrize(
    ("transport", "names", "known"),
    [("TLS", (NAME,), True), ("TLS", (), False), ("UDP", (), False), ("TCP", (), False)],
)
@pytest.mark.parametrize("target", ["tls:203.0.113.7:5061", "tls:sip.carrier.test:5061"])
def test_who_shows_a_certificate_where_we_connect_shows_it_when_it_connects(
    transport: str, names: tuple[str, ...], known: bool, target: str
) -> None:
    """Else whoever can forge the source of a datagram would be the peer."""
    assert is_known(transport, *names, targets=[target], tls_name=NAME) is known


def test_the_operator_may_say_otherwise() -> None:
    targets = ["tls:203.0.113.7:5061"]
    assert is_known("UDP", targets=targets)
    assert is_known("UDP", targets=targets, tls_name=NAME, transport="udp")
    assert is_known("UDP", targets=[*targets, "udp:203.0.113.7:5060"], tls_name=NAME)
    assert not is_known("UDP", targets=targets, tls_name=NAME, address=["203.0.113.0/24"])
