from __future__ import annotations

import pytest

from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.message import Request
from sip.testing import SimNetwork, SimNode
from sip.transaction import ServerTransaction
from tests.support.sip_messages import RecordingUser, request_bytes


class Answerer:
    """Answers everything with one status after a delay of nothing."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.endpoint: Endpoint | None = None
        self.heard: list[Request] = []

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        self.heard.append(request)
        if self.endpoint is not None and request.method != "ACK":
            server_tx = self.endpoint.accept(request, flow, now)
            self.endpoint.respond(server_tx, self.status, now)

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None: ...

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None: ...


def answerer(network: SimNetwork, name: str, host: str) -> tuple[SimNode, Answerer]:
    user = Answerer()
    node = network.node(name, host, user=user)
    user.endpoint = node.endpoint
    return node, user


def send(node: SimNode, host: str, transport: str = "UDP") -> RecordingUser:
    user = RecordingUser()
    endpoint = node.endpoint
    flow = node.transport.flow_to(transport, host, 5060, node.network.now)
    assert flow is not None
    branch = endpoint.ids.branch()
    data = request_bytes(branch=branch, sent_by=flow.sent_by, transport=transport.encode())
    endpoint.create_client(data, "MESSAGE", branch, flow, user, node.network.now)
    return user


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_message_travels_and_is_answered(transport: str) -> None:
    network = SimNetwork(1, latency=(0.01, 0.01))
    alice = network.node("alice", "192.0.2.1")
    _, bob = answerer(network, "bob", "192.0.2.2")
    user = send(alice, "192.0.2.2", transport)
    network.run(1.0)
    assert user.told == [(0.02, "200")]
    assert len(bob.heard) == 1
    assert network.now == 1.0
    assert network.wall == 1_750_000_001.0
    assert [e.delivered for e in network.log] == [True, True]
    assert len(network.sent("192.0.2.1", b"MESSAGE")) == 1


def test_streams_keep_their_order_and_are_reused() -> None:
    network = SimNetwork(3, latency=(0.001, 0.5))
    alice = network.node("alice", "192.0.2.1")
    _, bob = answerer(network, "bob", "192.0.2.2")
    flow = alice.transport.flow_to("TCP", "192.0.2.2", 5060, 0.0)
    assert flow is not None
    for number in range(20):
        alice.endpoint.send(
            flow, request_bytes("ACK", cseq=number, transport=b"TCP", branch=b"z9hG4bKa"), 0.0
        )
    network.run(30.0)
    assert [r.cseq for r in bob.heard] == list(range(20))
    assert alice.transport.flow_to("TCP", "192.0.2.2", 5060, 30.0) is flow


def test_connection_to_nobody_is_refused() -> None:
    network = SimNetwork(1)
    alice = network.node("alice", "192.0.2.1")
    user = send(alice, "192.0.2.2", "TCP")
    network.run(1.0)
    assert user.told == [(0.0, "transport")]
    assert alice.transport.flow_to("TLS", "192.0.2.2", 5061, 1.0) is None


def test_partition_breaks_connections_and_loses_datagrams() -> None:
    network = SimNetwork(1)
    alice = network.node("alice", "192.0.2.1")
    _, bob = answerer(network, "bob", "192.0.2.2")
    by_stream = send(alice, "192.0.2.2", "TCP")
    network.partition("192.0.2.1", "192.0.2.2")
    by_datagram = send(alice, "192.0.2.2")
    network.run(0.2)
    assert by_stream.told == [(0.0, "transport")]
    network.heal()
    network.run(1.0)
    assert [what for _, what in by_datagram.told] == ["200"]
    assert len(bob.heard) == 1


def test_restart_forgets_everything() -> None:
    network = SimNetwork(1)
    alice = network.node("alice", "192.0.2.1")
    bob, user = answerer(network, "bob", "192.0.2.2")
    told = send(alice, "192.0.2.2", "TCP")
    network.run(1.0)
    assert [what for _, what in told.told] == ["200"]
    lost = send(alice, "192.0.2.2", "TCP")
    bob.stop()
    network.run(1.0)
    assert [what for _, what in lost.told] == ["transport"]
    before = bob.endpoint
    user.endpoint = bob.restart()
    assert bob.endpoint is not before
    again = send(alice, "192.0.2.2", "TCP")
    network.run(1.0)
    assert [what for _, what in again.told] == ["200"]


def test_same_seed_same_run() -> None:
    def run(seed: int) -> list[tuple[float, bytes, bool]]:
        network = SimNetwork(seed, loss=0.3, duplicate=0.2, reorder=0.2)
        alice = network.node("alice", "192.0.2.1")
        answerer(network, "bob", "192.0.2.2")
        for _ in range(20):
            send(alice, "192.0.2.2")
        network.run(60.0)
        return [(e.at, e.data, e.delivered) for e in network.log]

    assert run(11) == run(11)
    assert run(11) != run(12)


def test_run_until_stops_at_the_moment() -> None:
    network = SimNetwork(1, latency=(0.25, 0.25))
    alice = network.node("alice", "192.0.2.1")
    answerer(network, "bob", "192.0.2.2")
    user = send(alice, "192.0.2.2")
    assert network.run_until(lambda: bool(user.told), 10.0)
    assert network.now == 0.5
    assert not network.run_until(lambda: False, 1.0)
    assert network.now == 1.5
    ticks: list[float] = []
    network.call_at(2.0, lambda: ticks.append(network.now))
    network.run(1.0)
    assert ticks == [2.0]
