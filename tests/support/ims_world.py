# SPDX-License-Identifier: Apache-2.0
"""Whole gates on a virtual network: S-CSCFs, application servers, phones, in octets.

A node is the product's `Node` with its proxy, registrar, location and pager; only what keeps things
is in memory. Phones and scripted servers are addresses that keep what they get.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from imsnode.aiming import Aiming
from imsnode.held import Held
from imsnode.identity import (
    Authenticator,
    Directory,
    LocalNames,
    Peer,
    PeerTable,
    RateSettings,
    UserLimiter,
)
from imsnode.identity.accounts import make_account
from imsnode.ims.roles import ImsSettings, Roles
from imsnode.location import Location
from imsnode.node import Node
from imsnode.peers.interconnect import Interconnect
from imsnode.registration import Registrar
from imsnode.seal import Seal
from imsnode.services import Services
from pager import Pager, PagerSettings
from sip.digest import ha1
from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.gruu import Gruus
from sip.limits import Limits
from sip.message import Request, Response, build_request, build_response
from sip.proxy import OwnNames, Proxy
from sip.registrar import Binding, RegistrarLimits
from sip.testing import SimNetwork
from sip.tokens import FlowTokens
from sip.transaction import ClientTransaction, ServerTransaction
from tests.support.pager_world import MemoryLedger, MemoryStore

DOMAIN = "ims.test"
ALICE, BOB = f"sip:alice@{DOMAIN}", f"sip:bob@{DOMAIN}"


class Clock:
    def __init__(self, network: SimNetwork) -> None:
        self._network = network

    def now(self) -> float:
        return self._network.now

    def wall(self) -> float:
        return self._network.wall


class Journal:
    """Keeps the bindings of the last commit, a moment later."""

    def __init__(self, network: SimNetwork) -> None:
        self.network = network
        self.states: dict[str, Any] = {}

    def append(
        self, aor: str, state: Any, now: float, wall: float, done: Callable[[bool], None]
    ) -> None:
        self.states[aor] = state
        self.network.call_at(self.network.now + 0.001, lambda: done(True))

    def renew(
        self, aor: str, binding: Binding, now: float, wall: float, done: Callable[[bool], None]
    ) -> None:
        self.network.call_at(self.network.now + 0.001, lambda: done(True))


class Gate:
    """A node at an address of the network."""

    def __init__(
        self,
        network: SimNetwork,
        host: str,
        peers: Sequence[Peer] = (),
        users: Sequence[str] = (),
        settings: ImsSettings | None = None,
    ) -> None:
        self.network, self.host = network, host
        sim = network.node(host, host)
        endpoint = self.endpoint = sim.endpoint
        names = LocalNames((DOMAIN,), {host})
        clock = Clock(network)
        self.directory = Directory([make_account(user, "pw") for user in users])
        names.identify(self.directory.identities)
        table = PeerTable(peers)
        self.store, self.ledger = MemoryStore(network), MemoryLedger()
        self.location = Location(
            sim.transport, endpoint.timers, Journal(network), 86400.0, clock.wall
        )
        proxy = self.proxy = Proxy(
            endpoint, OwnNames(endpoint.own, [DOMAIN]), FlowTokens(b"k" * 32), lambda *_: True
        )
        self.pager = Pager(
            proxy, endpoint.timers, self.location, self.store, self.ledger, clock,
            network.ids(host + "/pager"), PagerSettings(),
        )  # fmt: skip
        registrar = Registrar(
            endpoint, self.location, clock, RegistrarLimits(), lambda *_: True,
            self.pager.registered, lambda: (b"Retry-After: 5",),
        )  # fmt: skip
        authenticator = Authenticator(
            self.directory, table, names, b"s" * 32, 1, listeners=endpoint.own
        )
        # Unused here is what needs a database or DNS: recalls, reports, ways out.
        unused = cast(Any, None)
        self.node = Node(
            endpoint=endpoint,
            proxy=proxy,
            names=names,
            directory=self.directory,
            authenticator=authenticator,
            peers=table,
            users=UserLimiter(RateSettings()),
            location=self.location,
            registrar=registrar,
            pager=self.pager,
            services=Services(),
            recalls=unused,
            reporting=unused,
            clock=clock,
            interconnect=Interconnect(),
            dial=unused,
            ways=unused,
            held=Held(endpoint, 1, lambda: None),
            aiming=Aiming(Gruus(Seal(b"k" * 64)), names, self.location),
            retry_after=lambda: (b"Retry-After: 5",),
            learn=lambda _address: None,
        )
        self.roles = self.node.ims = Roles(
            self.node, settings or ImsSettings(DOMAIN.encode()), Limits(), b"k" * 32
        )
        endpoint.user = self.node


class Station:
    """Somebody else on the network: keeps requests, answers them with `status`.

    answers: status by method; 0 leaves one without an answer.
    """

    def __init__(self, network: SimNetwork, host: str, contact: str = "") -> None:
        self.network, self.host = network, host
        self.contact = contact or f"sip:{host}:5060"
        self.endpoint: Endpoint = network.node(host, host, user=self).endpoint
        self.ids = network.ids(host + "/station")
        self.got: list[Request] = []
        self.answers: dict[str, int] = {}
        self.final: list[Response] = []
        self.act: Callable[[Request, ServerTransaction], None] | None = None

    # --- sip.ports.RequestUser

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        self.got.append(request)
        if request.method == "ACK":
            return
        transaction = self.endpoint.accept(request, flow, now)
        if self.act is not None:
            self.act(request, transaction)
            return
        status = self.answers.get(request.method, 200)
        if status:
            self.endpoint.respond(transaction, status, now)

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None:
        """Nobody calls here."""

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
        """Left without an answer on purpose."""

    # --- sip.ports.ClientUser

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        if response.status >= 200:
            self.final.append(response)

    def on_failure(self, tx: ClientTransaction, kind: int, now: float) -> None:
        """Nobody answered."""

    # --- what a test does

    def send(
        self,
        to: str,
        method: str,
        uri: str,
        lines: Sequence[tuple[bytes, bytes]] = (),
        body: bytes = b"",
        sender: str = ALICE,
        recipient: str = "",
        to_tag: str = "",
    ) -> None:
        """Send a request to a node, or to any address; does not wait."""
        branch = self.ids.branch()
        now = self.network.now
        flow = self.endpoint.transport.flow_to("UDP", to, 5060, now)
        assert flow is not None
        name, _, via = flow.via_line(branch).partition(b": ")
        addressed = f"<{recipient or uri}>" + (f";tag={to_tag}" if to_tag else "")
        data = build_request(
            method,
            uri.encode(),
            [
                (name, via),
                (b"Max-Forwards", b"70"),
                (b"From", b"<%b>;tag=%b" % (sender.encode(), self.ids.tag())),
                (b"To", addressed.encode()),
                (b"Call-ID", self.ids.call_id()),
                (b"CSeq", b"1 " + method.encode()),
                *lines,
            ],
            body,
        )
        self.endpoint.create_client(data, method, branch, flow, self, now)

    def answer(self, *args: Any, seconds: float = 40.0, **kw: Any) -> Response:
        """Send a request and wait for its final answer."""
        count = len(self.final)
        self.send(*args, **kw)
        assert self.network.run_until(lambda: len(self.final) > count, seconds), "no answer"
        return self.final[-1]

    def take(self, method: str = "MESSAGE", seconds: float = 10.0) -> Request:
        """Wait for a request of that method, and take it from what came."""
        found = self.network.run_until(
            lambda: any(one.method == method for one in self.got), seconds
        )
        assert found, f"no {method} in {self.got}"
        at = next(at for at, one in enumerate(self.got) if one.method == method)
        return self.got.pop(at)

    def idle(self, seconds: float = 2.0) -> bool:
        """Say whether nothing more comes."""
        self.network.run(seconds)
        return not self.got


def routes(request: Request) -> list[bytes]:
    return [address.raw for address in request.routes()]


__all__ = ["ALICE", "BOB", "DOMAIN", "Gate", "Station", "build_response", "ha1", "routes"]
