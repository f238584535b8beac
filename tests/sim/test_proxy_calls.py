# SPDX-License-Identifier: Apache-2.0
"""Whole calls and messages through a proxy on a network with faults; every failure is a seed."""

from __future__ import annotations

import pytest

from sip.dialog import Dialog
from sip.testing import SimNetwork, SimNode
from tests.support.caller import Caller
from tests.support.proxied import ProxyUser

PROXY = ("192.0.2.1", 5060)
SEEDS = range(12)


class World:
    """A proxy, Alice, Bob and whoever else a test wants."""

    def __init__(self, seed: int = 1, **faults: float) -> None:
        self.network = SimNetwork(seed, **faults)  # type: ignore[arg-type]
        self.proxy_node = self.network.node("proxy", *PROXY)
        self.proxy = ProxyUser(self.proxy_node.endpoint)
        self.proxy_node.endpoint.user = self.proxy

    def phone(self, name: str, host: str, *, transport: str = "UDP", **fields: object) -> Caller:
        """Add a phone that is registered."""
        listens = ("UDP",) if transport == "UDP-only" else ("UDP", "TCP")
        node: SimNode = self.network.node(name, host, transports=listens)
        wire = "UDP" if transport == "UDP-only" else transport
        caller = Caller(node, name, PROXY, transport=wire, **fields)  # type: ignore[arg-type]
        caller.register()
        done = [("REGISTER", 200)]
        assert self.network.run_until(lambda: caller.finals == done, 33)
        caller.finals.clear()
        return caller

    def settle(self, seconds: float = 40) -> None:
        self.network.run(seconds)
        endpoint = self.proxy_node.endpoint
        assert endpoint.stats.faults == 0


def only(dialogs: dict[tuple[bytes, bytes, bytes], Dialog]) -> Dialog:
    (dialog,) = dialogs.values()
    return dialog


def call(world: World, alice: Caller, bob: Caller) -> None:
    """Let Alice call Bob, both talk inside the call, and Bob hang up."""
    alice.request("INVITE", b"bob")
    assert world.network.run_until(lambda: "ACK" in bob.heard, 40)
    assert alice.finals == [("INVITE", 200)]
    alice.inside(only(alice.dialogs), "UPDATE")
    assert world.network.run_until(lambda: ("UPDATE", 200) in alice.finals, 40)
    bob.inside(only(bob.dialogs), "INFO")
    assert world.network.run_until(lambda: ("INFO", 200) in bob.finals, 40)
    bob.inside(only(bob.dialogs), "BYE")
    assert world.network.run_until(lambda: ("BYE", 200) in bob.finals, 40)
    assert alice.heard == ["INFO", "BYE"]
    assert bob.heard == ["INVITE", "ACK", "UPDATE"]


@pytest.mark.parametrize("alices", ["UDP", "TCP"])
@pytest.mark.parametrize("bobs", ["UDP", "TCP"])
def test_a_call_whatever_the_transports(alices: str, bobs: str) -> None:
    world = World()
    alice = world.phone("alice", "198.51.100.1", transport=alices)
    bob = world.phone("bob", "198.51.100.2", transport=bobs)
    call(world, alice, bob)
    world.settle()
    assert len(world.proxy_node.endpoint.layer.servers) == 0


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_call_between_clients_with_useless_contacts(transport: str) -> None:
    world = World()
    alice = world.phone("alice", "198.51.100.1", transport=transport, contact="sip:a@10.0.0.1:99")
    bob = world.phone("bob", "198.51.100.2", transport=transport, contact="sip:b@10.0.0.1:99")
    call(world, alice, bob)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_call_over_a_bad_network(seed: int) -> None:
    world = World(seed, loss=0.1, duplicate=0.1, reorder=0.1)
    alice = world.phone("alice", "198.51.100.1")
    bob = world.phone("bob", "198.51.100.2", transport="TCP" if seed % 2 else "UDP")
    call(world, alice, bob)
    world.settle()


def test_the_other_devices_stop_ringing() -> None:
    world = World()
    alice = world.phone("alice", "198.51.100.1")
    desk = world.phone("bob", "198.51.100.2", answer=0)
    busy = world.phone("bob", "198.51.100.3", answer=486)
    soft = world.phone("bob", "198.51.100.4", transport="TCP")
    alice.request("INVITE", b"bob")
    world.settle()
    assert alice.finals == [("INVITE", 200)]
    assert desk.heard == ["INVITE", "CANCEL"]
    assert busy.heard == ["INVITE"]
    assert soft.heard == ["INVITE", "ACK"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_call_that_is_taken_back(seed: int) -> None:
    world = World(seed, loss=0.1)
    alice = world.phone("alice", "198.51.100.1")
    phones = [world.phone("bob", f"198.51.100.{n}", answer=0) for n in (2, 3)]
    tx = alice.request("INVITE", b"bob")
    assert world.network.run_until(lambda: 180 in alice.provisionals, 30)
    tx.cancel(world.network.now)
    world.settle(80)
    assert alice.finals == [("INVITE", 487)]
    for phone in phones:
        assert phone.heard[0] == "INVITE"


def test_nobody_there() -> None:
    world = World()
    alice = world.phone("alice", "198.51.100.1")
    bob = world.phone("bob", "198.51.100.2")
    world.network.partition(PROXY[0], "198.51.100.2")
    alice.request("INVITE", b"bob")
    alice.request("MESSAGE", b"bob")
    world.settle(70)
    # The INVITE gets a 408; the MESSAGE nothing from the proxy, so Alice's own Timer F ends it.
    assert sorted(alice.finals) == [("INVITE", 408), ("MESSAGE", -1)]
    assert bob.heard == []


@pytest.mark.parametrize("seed", SEEDS)
def test_messages_over_a_bad_network(seed: int) -> None:
    world = World(seed, loss=0.1, duplicate=0.1, reorder=0.2)
    alice = world.phone("alice", "198.51.100.1")
    bob = world.phone("bob", "198.51.100.2")
    for _ in range(20):
        alice.request("MESSAGE", b"bob", body=b"hello")
    world.settle()
    assert alice.finals == [("MESSAGE", 200)] * 20
    assert bob.heard == ["MESSAGE"] * 20


def test_a_large_message_takes_tcp_where_there_is_some() -> None:
    world = World()
    alice = world.phone("alice", "198.51.100.1", transport="TCP")
    bob = world.phone("bob", "198.51.100.2")
    old = world.phone("carol", "198.51.100.3", transport="UDP-only")
    alice.request("MESSAGE", b"bob", body=b"x" * 2000)
    alice.request("MESSAGE", b"carol", body=b"x" * 2000)
    world.settle()
    assert alice.finals == [("MESSAGE", 200)] * 2
    assert (bob.heard, old.heard) == (["MESSAGE"], ["MESSAGE"])
    sent = world.network.sent(PROXY[0], b"MESSAGE")
    assert [(e.transport, e.destination[0]) for e in sent if e.delivered] == [
        ("TCP", "198.51.100.2"),
        ("UDP", "198.51.100.3"),
    ]


def test_the_same_seed_gives_the_same_octets() -> None:
    def run() -> list[tuple[float, bytes]]:
        world = World(7, loss=0.2, duplicate=0.2, reorder=0.2)
        alice = world.phone("alice", "198.51.100.1")
        bob = world.phone("bob", "198.51.100.2")
        call(world, alice, bob)
        return [(event.at, event.data) for event in world.network.log]

    assert run() == run()
