# SPDX-License-Identifier: Apache-2.0
"""Whole nodes on a virtual clock and an imaginary network, for simulations and tests.

Nothing here sleeps or opens a socket. The same seed gives the same run: latencies, losses,
duplicates and identifiers all come from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heappop, heappush
from typing import Any

from .endpoint import Endpoint
from .flow import Flow
from .ids import SeededIds
from .ports import RequestUser

__all__ = ["SimNetwork", "SimNode", "SimTransport", "WireEvent"]

_EPOCH = 1_750_000_000.0
_MAX_STEPS = 5_000_000
_FIRST_DYNAMIC_PORT = 40_000


@dataclass(frozen=True, slots=True)
class WireEvent:
    """One message put on the wire; ``delivered`` is False when the network lost it."""

    at: float
    source: tuple[str, int]
    destination: tuple[str, int]
    transport: str
    data: bytes
    delivered: bool


class _Chance:
    """Repeatable chance; the core may not import the generator of the standard library."""

    __slots__ = ("_count", "_key")

    def __init__(self, seed: int) -> None:
        self._key = seed.to_bytes(16, "big", signed=True)
        self._count = 0

    def random(self) -> float:
        """Return a number from 0 up to, not including, 1."""
        self._count += 1
        digest = blake2b(self._count.to_bytes(8, "big"), digest_size=6, key=self._key).digest()
        return float(int.from_bytes(digest, "big")) / 2.0**48

    def uniform(self, low: float, high: float) -> float:
        """Return a number between the two."""
        return low + (high - low) * self.random()


class SimTransport:
    """The sockets of one node. Datagrams take the network's faults; streams keep their order."""

    def __init__(self, network: SimNetwork, node: SimNode, transports: tuple[str, ...]) -> None:
        self._network = network
        self._node = node
        self._transports = transports
        self._flows: dict[tuple[str, str, int], Flow] = {}
        self._peers: dict[Flow, Flow] = {}
        self._next_port = _FIRST_DYNAMIC_PORT

    def send(self, flow: Flow, data: bytes) -> None:
        if not flow.closed:
            self._network.carry(self._node, flow, data)

    def flow_to(self, transport: str, host: str, port: int, now: float) -> Flow | None:
        if transport not in self._transports:
            return None
        key = (transport, host, port)
        flow = self._flows.get(key)
        if flow is not None and not flow.closed:
            return flow
        if transport == "UDP":
            flow = Flow(transport, self._node.address, (host, port))
        else:
            flow = self._connect(transport, host, port, now)
        self._flows[key] = flow
        return flow

    def datagram_flow(self, source: tuple[str, int]) -> Flow:
        """Return the flow that datagrams from ``source`` belong to."""
        key = ("UDP", *source)
        flow = self._flows.get(key)
        if flow is None or flow.closed:
            flow = self._flows[key] = Flow("UDP", self._node.address, source)
        return flow

    def far_end(self, flow: Flow) -> Flow | None:
        """Return the other node's flow of a connection, None once it is gone."""
        return self._peers.get(flow)

    def join(self, flow: Flow, far: Flow) -> None:
        """Note that ``far`` is the other end of our connection ``flow``."""
        self._peers[flow] = far

    def drop(self, flow: Flow) -> None:
        """Close our end of a flow without telling the endpoint."""
        flow.closed = True
        self._peers.pop(flow, None)
        for key, known in list(self._flows.items()):
            if known is flow:
                del self._flows[key]

    def drop_all(self) -> list[Flow]:
        """Close every flow; returns those that were connections."""
        streams = list(self._peers)
        for flow in [*self._flows.values(), *streams]:
            self.drop(flow)
        return streams

    def _connect(self, transport: str, host: str, port: int, now: float) -> Flow:
        self._next_port += 1
        flow = Flow(
            transport,
            self._node.address,
            (host, port),
            key=f"{transport.lower()}|{self._node.name}:{self._next_port}|{host}:{port}",
        )
        network = self._network
        peer = network.listening(transport, (host, port))
        if peer is None or network.is_cut(self._node.address[0], host):
            network.call_at(now, _Failure(self._node, flow, "refused", self._node.life))
            return flow
        far = Flow(transport, peer.address, (self._node.address[0], self._next_port))
        self.join(flow, far)
        peer.transport.join(far, flow)
        return flow

    def accepts(self, transport: str) -> bool:
        return transport in self._transports


class SimNode:
    """One node of the network: an address, its transport, and the endpoint of its present life."""

    def __init__(
        self,
        network: SimNetwork,
        name: str,
        address: tuple[str, int],
        user: RequestUser | None,
        transports: tuple[str, ...],
        options: dict[str, Any],  # passed on to Endpoint, which checks them
    ) -> None:
        self.network = network
        self.name = name
        self.address = address
        self.life = 0
        self.running = True
        self._options = options
        self.transport = SimTransport(network, self, transports)
        self.endpoint = self._make(user)

    def _make(self, user: RequestUser | None) -> Endpoint:
        ids = self.network.ids(f"{self.name}#{self.life}")
        endpoint = Endpoint(self.transport, user, ids, **self._options)
        endpoint.own.add(self.address)
        return endpoint

    def stop(self) -> None:
        """Go away without a word: state, timers and connections are lost."""
        self.running = False
        self.life += 1
        self.network.cut_streams(self, self.transport.drop_all())

    def restart(self, user: RequestUser | None = None) -> Endpoint:
        """Stop, and come back at the same address with a fresh endpoint."""
        if self.running:
            self.stop()
        self.running = True
        self.endpoint = self._make(user if user is not None else self.endpoint.user)
        return self.endpoint


class _Delivery:
    """A message that arrives at its time, unless the receiver began another life."""

    __slots__ = ("data", "far", "life", "node", "source")

    def __init__(
        self, node: SimNode, source: tuple[str, int], data: bytes, far: Flow | None
    ) -> None:
        self.node = node
        self.life = node.life
        self.source = source
        self.data = data
        self.far = far

    def __call__(self) -> None:
        node = self.node
        if node.running and node.life == self.life and self.far is not None and not self.far.closed:
            node.endpoint.receive_message(self.data, self.far, node.network.now)

    def together(self, arriving: list[_Delivery]) -> None:
        """Hand datagrams to the node that arrive in the same moment, this one among them."""
        node = self.node
        heard = [other for other in arriving if node.running and node.life == other.life]
        flows = [node.transport.datagram_flow(other.source) for other in heard]
        node.endpoint.receive_datagrams([other.data for other in heard], flows, node.network.now)


class _Failure:
    """The news of a lost flow."""

    __slots__ = ("flow", "life", "node", "reason")

    def __init__(self, node: SimNode, flow: Flow, reason: str, life: int) -> None:
        self.node = node
        self.flow = flow
        self.reason = reason
        self.life = life

    def __call__(self) -> None:
        if self.node.running and self.node.life == self.life:
            self.node.transport.drop(self.flow)
            self.node.endpoint.flow_failed(self.flow, self.reason, self.node.network.now)


class SimNetwork:
    """Virtual time and the wires between nodes.

    seed: the run. latency: bounds in seconds. loss, duplicate: probabilities for each datagram.
    reorder: probability that a datagram is held back for up to ten times the upper latency.
    Streams lose nothing; a partition closes them.
    """

    def __init__(
        self,
        seed: int,
        *,
        latency: tuple[float, float] = (0.001, 0.02),
        loss: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
    ) -> None:
        self.seed = seed
        self.latency = latency
        self.loss = loss
        self.duplicate = duplicate
        self.reorder = reorder
        self.now = 0.0
        self.log: list[WireEvent] = []
        self.nodes: dict[tuple[str, int], SimNode] = {}
        self._chance = _Chance(seed)
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self._sequence = 0
        self._cuts: set[frozenset[str]] = set()
        self._arrivals: dict[Flow, float] = {}

    @property
    def wall(self) -> float:
        """Epoch seconds that go with ``now``."""
        return _EPOCH + self.now

    def ids(self, name: str) -> SeededIds:
        """Return an identifier source of its own for ``name``."""
        digest = blake2b(f"{self.seed}/{name}".encode(), digest_size=15).digest()
        return SeededIds(int.from_bytes(digest, "big"))

    def node(
        self,
        name: str,
        host: str,
        port: int = 5060,
        *,
        user: RequestUser | None = None,
        transports: tuple[str, ...] = ("UDP", "TCP"),
        **options: Any,  # keyword arguments of Endpoint, checked there
    ) -> SimNode:
        """Put a node on the network."""
        node = SimNode(self, name, (host, port), user, transports, options)
        self.nodes[node.address] = node
        return node

    def call_at(self, at: float, callback: Callable[[], object]) -> None:
        """Run ``callback`` at virtual time ``at``, not before what is due now."""
        self._sequence += 1
        heappush(self._agenda, (max(at, self.now), self._sequence, callback))

    def partition(self, host_a: str, host_b: str) -> None:
        """Cut two hosts from each other: datagrams vanish, connections break."""
        self._cuts.add(frozenset((host_a, host_b)))
        for node in self.nodes.values():
            if node.address[0] in (host_a, host_b):
                other = host_b if node.address[0] == host_a else host_a
                lost = [f for f in list(node.transport._peers) if f.remote[0] == other]
                for flow in lost:
                    self.call_at(self.now, _Failure(node, flow, "reset", node.life))

    def heal(self) -> None:
        """Take back every partition."""
        self._cuts.clear()

    def sent(self, host: str, start: bytes = b"") -> list[WireEvent]:
        """Return what ``host`` put on the wire, messages that begin with ``start`` only."""
        return [e for e in self.log if e.source[0] == host and e.data.startswith(start)]

    def run(self, seconds: float) -> None:
        """Let ``seconds`` of virtual time pass."""
        self._advance(self.now + seconds, None)

    def run_until(self, predicate: Callable[[], bool], limit_s: float) -> bool:
        """Let time pass until ``predicate`` holds; False when ``limit_s`` passed first."""
        return self._advance(self.now + limit_s, predicate)

    # --- for the transports

    def listening(self, transport: str, address: tuple[str, int]) -> SimNode | None:
        """Return the node that takes connections at ``address``."""
        node = self.nodes.get(address)
        if node is None or not node.running or not node.transport.accepts(transport):
            return None
        return node

    def is_cut(self, host_a: str, host_b: str) -> bool:
        """Say whether two hosts are parted."""
        return frozenset((host_a, host_b)) in self._cuts

    def carry(self, node: SimNode, flow: Flow, data: bytes) -> None:
        """Take a message from a node and deliver it, or not."""
        if flow.transport == "UDP":
            self._carry_datagram(node, flow, data)
        else:
            self._carry_stream(node, flow, data)

    def cut_streams(self, node: SimNode, flows: list[Flow]) -> None:
        """Tell the far ends of connections that ``node`` is gone."""
        gone = set(flows)
        for other in self.nodes.values():
            if other is not node:
                for flow in [f for f, far in list(other.transport._peers.items()) if far in gone]:
                    self.call_at(
                        self.now + self.latency[0], _Failure(other, flow, "reset", other.life)
                    )

    # --- inside

    def _carry_datagram(self, node: SimNode, flow: Flow, data: bytes) -> None:
        chance = self._chance
        target = self.nodes.get(flow.remote)
        lost = self.is_cut(node.address[0], flow.remote[0]) or chance.random() < self.loss
        reachable = target is not None and target.running and target.transport.accepts("UDP")
        self.log.append(
            WireEvent(self.now, node.address, flow.remote, "UDP", data, reachable and not lost)
        )
        if lost or target is None or not reachable:
            return
        copies = 2 if chance.random() < self.duplicate else 1
        for _ in range(copies):
            delay = chance.uniform(*self.latency)
            if chance.random() < self.reorder:
                delay += chance.uniform(0.0, 10.0 * self.latency[1])
            self.call_at(self.now + delay, _Delivery(target, node.address, data, None))

    def _carry_stream(self, node: SimNode, flow: Flow, data: bytes) -> None:
        far = node.transport.far_end(flow)
        target = None if far is None else self.nodes.get(far.local)
        self.log.append(
            WireEvent(self.now, node.address, flow.remote, flow.transport, data, target is not None)
        )
        if far is None or target is None:
            return
        at = self.now + self._chance.uniform(*self.latency)
        at = max(at, self._arrivals.get(far, 0.0))
        self._arrivals[far] = at
        self.call_at(at, _Delivery(target, node.address, data, far))

    def _next_event(self) -> float | None:
        times = [] if not self._agenda else [self._agenda[0][0]]
        for node in self.nodes.values():
            if node.running:
                deadline = node.endpoint.next_deadline()
                if deadline is not None:
                    times.append(deadline)
        return min(times, default=None)

    def _arriving_with(self, first: _Delivery) -> list[_Delivery]:
        """Take the datagrams that arrive at one node in the same moment off the agenda."""
        arriving = [first]
        while self._agenda and self._agenda[0][0] <= self.now:
            event = self._agenda[0][2]
            if not isinstance(event, _Delivery) or event.far or event.node is not first.node:
                break
            arriving.append(event)
            heappop(self._agenda)
        return arriving

    def _advance(self, end: float, predicate: Callable[[], bool] | None) -> bool:
        for _ in range(_MAX_STEPS):
            if predicate is not None and predicate():
                return True
            at = self._next_event()
            if at is None or at > end:
                self.now = end
                return predicate is not None and predicate()
            self.now = max(self.now, at)
            while self._agenda and self._agenda[0][0] <= self.now:
                event = heappop(self._agenda)[2]
                if isinstance(event, _Delivery) and event.far is None:
                    event.together(self._arriving_with(event))
                else:
                    event()
            for node in list(self.nodes.values()):
                deadline = node.endpoint.next_deadline() if node.running else None
                if deadline is not None and deadline <= self.now:
                    node.endpoint.handle_timeouts(self.now)
        raise RuntimeError("the simulation does not come to rest")
