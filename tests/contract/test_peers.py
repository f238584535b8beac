"""Peers that commands made, on every engine."""

from __future__ import annotations

from tests.support.stores import DurableStore


def test_peers_come_back_change_and_go(durable: DurableStore) -> None:
    settings = {"targets": ["udp:192.0.2.1:5060"], "numbers": ["+49"]}
    assert durable.storage.peers.add("carrier", settings)
    assert not durable.storage.peers.add("carrier", {})
    durable.reopen()
    peers = durable.storage.peers
    assert peers.load_all() == {"carrier": settings}
    assert peers.change("carrier", {"address": "192.0.2.1"})
    assert not peers.change("nobody", {})
    assert peers.load_all() == {"carrier": {"address": "192.0.2.1"}}
    assert peers.remove("carrier")
    assert not peers.remove("carrier")
    assert peers.load_all() == {}
