# SPDX-License-Identifier: Apache-2.0
"""A proxy between scripted neighbours: everything that leaves is caught as octets.

No network and no clock: flows are paths to addresses, time is what the test says. Neighbours are
addresses; what the proxy sends is read with `take`, what they send is fed with `receive`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.forward import Proxy, ProxyConfig, Target, is_bound
from sip.headers.address import STAR
from sip.ids import SeededIds
from sip.limits import Limits
from sip.message import Request, Response, build_response
from sip.parser import parse_message
from sip.proxy import PLAIN, Branch, Fork, ForkOwner
from sip.routing import OwnNames, Refusal, Routed
from sip.tokens import FlowTokens
from sip.transaction import ServerTransaction

PROXY = ("192.0.2.1", 5060)
PROXY_TLS = ("192.0.2.1", 5061)
ALICE = ("198.51.100.1", 5060)
BOB = ("198.51.100.2", 5060)
BOB2 = ("198.51.100.3", 5060)
LIMITS = Limits()


class Recorder:
    """A transport that keeps what it is given; `closed_to` are transports it has not."""

    def __init__(self) -> None:
        self.out: list[tuple[Flow, bytes]] = []
        self.flows: dict[tuple[str, str, int], Flow] = {}
        self.closed_to: set[str] = set()

    def send(self, flow: Flow, data: bytes) -> None:
        self.out.append((flow, data))

    def flow_to(self, transport: str, host: str, port: int, now: float) -> Flow | None:
        if transport in self.closed_to:
            return None
        flow = self.flows.get((transport, host, port))
        if flow is None or flow.closed:
            local = PROXY_TLS if transport == "TLS" else PROXY
            flow = Flow(transport, local, (host, port))
            self.flows[(transport, host, port)] = flow
        return flow


class Noted:
    """An owner that writes down what it hears and passes everything on as an ordinary proxy."""

    def __init__(self) -> None:
        self.branches: list[int] = []
        self.finals: list[int] = []

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        self.branches.append(branch.status)

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        self.finals.append(status)
        PLAIN.on_final(fork, response, status, now)


class ProxyUser:
    """A small proxy server: own Route, checks, Route or bindings, then a fork.

    REGISTER adds a binding by the flow it came on, without any question; everything else is
    forwarded. `forks`, `routed` and `expired` keep what passed.
    """

    def __init__(
        self, endpoint: Endpoint, config: ProxyConfig | None = None, owner: ForkOwner = PLAIN
    ) -> None:
        self.endpoint = endpoint
        self.proxy = Proxy(
            endpoint,
            OwnNames(endpoint.own, ["ims.test"]),
            FlowTokens(b"k" * 32),
            lambda host, port: True,
            config,
        )
        self.owner = owner
        self.targets: dict[str, list[Target]] = {}
        self.forks: list[Fork] = []
        self.routed: list[Routed] = []
        self.expired: list[ServerTransaction] = []

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        if request.method == "REGISTER":
            self.register(request, flow, now)
            return
        routed = self.proxy.preprocess(request, flow, now)
        self.routed.append(routed)
        refusal = routed.refusal or self.proxy.check(request)
        if refusal is not None:
            self.refuse(request, flow, refusal, now)
            return
        target = self.proxy.predetermined(request, routed, now)
        if isinstance(target, Refusal):
            self.refuse(request, flow, target, now)
        elif request.method == "ACK":
            if target is not None:
                self.proxy.forward_ack(request, routed, target, now)
        else:
            targets = self.local_targets(request) if target is None else [target]
            server_tx = self.endpoint.accept(request, flow, now)
            fork = Fork(self.proxy, server_tx, request, self.owner, routed)
            self.forks.append(fork)
            refused = fork.start(targets, now)
            if refused is not None:
                fork.reply(refused.status, now, refused.reason, refused.lines)

    def register(self, request: Request, flow: Flow, now: float) -> None:
        contacts = request.contacts()
        assert contacts is not STAR
        uri = contacts[0].uri
        target = Target(uri.raw, flow, bound=is_bound(request, flow))
        self.targets.setdefault(request.to_uri.aor, []).append(target)
        self.endpoint.reply(request, flow, 200, now)

    def local_targets(self, request: Request) -> list[Target]:
        return self.targets.get(request.ruri().aor, [])

    def refuse(self, request: Request, flow: Flow, refusal: Refusal, now: float) -> None:
        self.endpoint.reply(request, flow, refusal.status, now, refusal.reason, refusal.lines)

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None:
        fork = server_tx.user
        assert isinstance(fork, Fork)
        fork.cancel(now)

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
        self.expired.append(server_tx)


class ProxiedNode(ProxyUser):
    """A proxy on a recorder; `bindings` are the contacts of an AoR with their addresses."""

    def __init__(
        self, config: ProxyConfig | None = None, owner: ForkOwner = PLAIN, seed: int = 1
    ) -> None:
        self.now = 0.0
        self.transport = Recorder()
        endpoint = Endpoint(self.transport, self, SeededIds(seed))
        endpoint.own.update((PROXY, PROXY_TLS))
        super().__init__(endpoint, config, owner)
        self.bindings: dict[str, list[tuple[str, tuple[str, int]]]] = {}

    def local_targets(self, request: Request) -> list[Target]:
        aor = request.ruri().aor
        contacts = self.bindings.get(aor, [])
        plain = [Target(uri.encode(), self.flow(address)) for uri, address in contacts]
        return plain + self.targets.get(aor, [])

    def flow(self, address: tuple[str, int], transport: str = "UDP") -> Flow:
        flow = self.transport.flow_to(transport, address[0], address[1], self.now)
        assert flow is not None
        return flow

    def receive(self, data: bytes, source: tuple[str, int] | Flow) -> None:
        flow = source if isinstance(source, Flow) else self.flow(source)
        if flow.reliable:
            self.endpoint.receive_message(data, flow, self.now)
        else:
            self.endpoint.receive_datagram(data, flow, self.now)

    def advance(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        end = self.now + seconds
        while True:
            at = self.endpoint.next_deadline()
            if at is None or at > end:
                break
            self.now = max(self.now, at)
            self.endpoint.handle_timeouts(self.now)
        self.now = end

    def take(self) -> list[tuple[Flow, Request | Response]]:
        """Return what was sent since the last call, parsed; nothing may have gone wrong inside."""
        assert self.endpoint.stats.faults == 0
        out = [(flow, parse_message(data, LIMITS)) for flow, data in self.transport.out]
        self.transport.out.clear()
        return out

    def requests(self, method: str = "") -> list[tuple[Flow, Request]]:
        """Return the requests sent since the last call of this or `take`."""
        return [
            (flow, message)
            for flow, message in self.take()
            if isinstance(message, Request) and method in ("", message.method)
        ]

    def statuses(self, address: tuple[str, int]) -> list[int]:
        """Return the statuses of the responses sent to `address` since the last call."""
        return [
            message.status
            for flow, message in self.take()
            if isinstance(message, Response) and flow.remote == address
        ]

    def answer(
        self,
        sent: tuple[Flow, Request],
        status: int,
        tag: bytes = b"callee",
        extra: Sequence[bytes] = (),
    ) -> None:
        """Answer a request the proxy sent, from where it went to."""
        flow, request = sent
        copied = 100 < status < 300
        data = build_response(request, status, extra=extra, to_tag=tag, record_route=copied)
        self.receive(data, flow)


def request_text(
    method: str = "MESSAGE",
    uri: str = "sip:bob@ims.test",
    *,
    branch: str = "z9hG4bKa1",
    source: tuple[str, int] = ALICE,
    transport: str = "UDP",
    call_id: str = "call-1",
    cseq: int = 1,
    to_tag: str = "",
    from_tag: str = "alice-tag",
    lines: Sequence[str] = (),
    body: str = "",
    max_forwards: int = 70,
    contact: str | None = "sip:alice@198.51.100.1:5060",
) -> bytes:
    """Return a request of Alice's as octets."""
    to = f"<sip:bob@ims.test>;tag={to_tag}" if to_tag else "<sip:bob@ims.test>"
    head = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/{transport} {source[0]}:{source[1]};rport;branch={branch}",
        f"Max-Forwards: {max_forwards}",
        f"From: <sip:alice@ims.test>;tag={from_tag}",
        f"To: {to}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        *([f"Contact: <{contact}>"] if contact and method not in ("MESSAGE", "ACK") else []),
        *lines,
        f"Content-Length: {len(body)}",
        "",
        body,
    ]
    return "\r\n".join(head).encode()
