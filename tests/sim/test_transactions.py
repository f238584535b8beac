"""Transactions over a network that loses, repeats and reorders; every failure is a seed."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.message import Request, Response
from sip.testing import SimNetwork, SimNode
from sip.transaction import ClientTransaction, ServerTransaction
from tests.support.sip_messages import request_bytes

ALICE = "192.0.2.1"
BOB = "192.0.2.2"
SEEDS = range(12)


class Bob:
    """Answers after a delay that the request names, and counts what it sees."""

    def __init__(self, node: SimNode) -> None:
        self.node = node
        self.seen: Counter[bytes] = Counter()
        self.expired: list[str] = []
        self.acks = 0
        self.status = 200

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        if request.method == "ACK":
            self.acks += 1
            return
        self.seen[request.call_id] += 1
        endpoint = self.node.endpoint
        server_tx = endpoint.accept(request, flow, now)
        delay = int(request.get("x-delay") or b"0") / 1000
        self.node.network.call_at(
            now + delay,
            lambda: self.answer(endpoint, server_tx),
        )

    def answer(self, endpoint: Endpoint, server_tx: ServerTransaction, after: float = 0.5) -> None:
        now = self.node.network.now
        endpoint.respond(server_tx, self.status, now)
        if server_tx.invite and self.status == 200 and after < 32.0:
            # the user repeats a 2xx itself (RFC 3261 13.3.1.4); no ACK comes in this play
            self.node.network.call_at(
                now + after, lambda: self.answer(endpoint, server_tx, 2 * after)
            )

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None: ...

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
        self.expired.append(server_tx.method)


class Alice:
    """Sends requests and counts how each of them ended."""

    def __init__(self, node: SimNode) -> None:
        self.node = node
        self.finals: Counter[object] = Counter()
        self.failures: Counter[object] = Counter()
        self.late: list[float] = []

    def send(self, number: int, method: str = "MESSAGE", delay_ms: int = 0) -> ClientTransaction:
        network = self.node.network
        endpoint = self.node.endpoint
        flow = self.node.transport.flow_to("UDP", BOB, 5060, network.now)
        assert flow is not None
        branch = endpoint.ids.branch()
        data = request_bytes(
            method,
            branch=branch,
            sent_by=flow.sent_by,
            call_id=b"%d" % number,
            extra=(b"X-Delay: %d" % delay_ms,),
        )
        return endpoint.create_client(data, method, branch, flow, self, network.now, number)

    def send_at(self, at: float, number: int) -> None:
        self.node.network.call_at(at, partial(self.send, number, delay_ms=number))

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        if response.status >= 200:
            self.finals[tx.context] += 1
        self.note(tx, now)

    def on_failure(self, tx: ClientTransaction, kind: int, now: float) -> None:
        self.failures[tx.context] += 1
        self.note(tx, now)

    def note(self, tx: ClientTransaction, now: float) -> None:
        if now - tx.created > 32.0 + 1e-6:
            self.late.append(now - tx.created)


def pair(network: SimNetwork) -> tuple[Alice, Bob]:
    alice = Alice(network.node("alice", ALICE))
    node = network.node("bob", BOB)
    bob = Bob(node)
    node.endpoint.user = bob
    return alice, bob


def assert_at_rest(*nodes: SimNode) -> None:
    for node in nodes:
        layer = node.endpoint.layer
        assert (layer.clients, layer.servers, layer.completed) == ({}, {}, {})
        assert len(node.endpoint.timers) == 0
        assert node.endpoint.stats.faults == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_every_message_ends_once_and_is_seen_once(seed: int) -> None:
    network = SimNetwork(seed, loss=0.1, duplicate=0.1, reorder=0.2)
    alice, bob = pair(network)
    for number in range(200):
        alice.send_at(number * 0.01, number)
    network.run(110.0)
    ended = alice.finals + alice.failures
    assert ended == Counter(range(200)), f"seed {seed}"
    assert max(bob.seen.values()) == 1, f"seed {seed}"
    assert not alice.failures, f"seed {seed}: 11 sends at 10 % loss"
    assert alice.late == []
    assert_at_rest(alice.node, bob.node)


@pytest.mark.parametrize("seed", SEEDS)
def test_slow_answers_survive_loss_without_a_duplicate(seed: int) -> None:
    network = SimNetwork(seed, loss=0.2, duplicate=0.2, reorder=0.3)
    alice, bob = pair(network)
    for number in range(50):
        alice.send(number, delay_ms=number * 500)
    network.run(110.0)
    assert alice.finals + alice.failures == Counter(range(50)), f"seed {seed}"
    assert max(bob.seen.values()) == 1
    finals = [e for e in network.sent(BOB, b"SIP/2.0 ") if b" 408 " in e.data[:12]]
    assert finals == []
    assert_at_rest(alice.node, bob.node)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("status", [200, 486])
def test_every_invite_ends(seed: int, status: int) -> None:
    network = SimNetwork(seed, loss=0.1, duplicate=0.1, reorder=0.2)
    alice, bob = pair(network)
    bob.status = status
    for number in range(50):
        alice.send(number, "INVITE", delay_ms=number * 20)
    network.run(200.0)
    assert max(bob.seen.values()) == 1, f"seed {seed}"
    assert set(alice.finals) == set(range(50)), f"seed {seed}"
    assert not alice.failures
    if status == 486:
        assert max(alice.finals.values()) == 1, f"seed {seed}"
        assert bob.expired == [], f"seed {seed}"
        assert bob.acks == 0
    assert_at_rest(alice.node, bob.node)


def test_silent_peer_costs_one_timeout_and_nothing_else() -> None:
    network = SimNetwork(1)
    alice, bob = pair(network)
    bob.node.stop()
    for number in range(20):
        alice.send(number)
    network.run(40.0)
    assert alice.failures == Counter(range(20))
    assert len(network.sent(ALICE)) == 20 * 11
    assert_at_rest(alice.node)


def test_partition_shorter_than_timer_f_is_survived() -> None:
    network = SimNetwork(4)
    alice, bob = pair(network)
    network.partition(ALICE, BOB)
    for number in range(20):
        alice.send(number)
    network.run(15.0)
    network.heal()
    network.run(60.0)
    assert alice.finals == Counter(range(20))
    assert_at_rest(alice.node, bob.node)


def test_restarted_server_answers_the_next_retransmission() -> None:
    network = SimNetwork(2, latency=(0.01, 0.01))
    alice, bob = pair(network)
    alice.send(1, delay_ms=5000)
    network.run(1.0)
    bob.node.restart()
    network.run(60.0)
    assert alice.finals == Counter([1])
    assert bob.seen[b"1"] == 2
    assert_at_rest(alice.node, bob.node)


def test_unanswered_messages_expire_quietly() -> None:
    network = SimNetwork(2)
    alice, bob = pair(network)
    alice.send(1, delay_ms=60_000)
    network.run(120.0)
    assert alice.failures == Counter([1])
    assert bob.expired == ["MESSAGE"]
    assert {e.data[:11] for e in network.sent(BOB)} == {b"SIP/2.0 100"}
    assert_at_rest(alice.node, bob.node)
