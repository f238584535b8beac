# SPDX-License-Identifier: Apache-2.0
"""Requests for others than users of this node: along the route of a dialog, to peers, by DNS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip.flow import Flow
from sip.forward import Target
from sip.message import Request
from sip.proxy import PLAIN, Fork
from sip.routing import Refusal, Routed
from sip.uri import Uri, parse_uri

from . import answers
from .held import Held
from .identity.peers import Peer
from .identity.principal import Principal
from .message_gate import limited
from .peers import Failover, Interconnect
from .peers.failover import Dial
from .ways import Search, Way, Ways

if TYPE_CHECKING:
    from .node import Node

__all__ = ["Onward"]


class Onward:
    """Sends on what is not for users here, and for nobody else than whom it may go to (R1).

    Args:
        interconnect: who takes it; what nobody takes goes to the domains that `ways` finds.
        dial: makes a target of the way to one of them.
        held: requests that wait for the way to a domain.
    """

    def __init__(
        self, node: Node, interconnect: Interconnect, dial: Dial, ways: Ways, held: Held
    ) -> None:
        self._node = node
        self.interconnect = interconnect
        self.dial = dial
        self.ways = ways
        self.held = held

    def send(
        self,
        request: Request,
        shown: Request,
        flow: Flow,
        routed: Routed,
        uri: Uri,
        principal: Principal | None,
        now: float,
        wall: float,
        way: Way | None = None,
    ) -> None:
        """Requests inside a dialog that this node recorded, and for what others take (R1).

        Args: way: the one that was looked up meanwhile.
        """
        node = self._node
        if routed.waking:
            node.forward(request, flow, routed, (), now, aor=routed.waking)
            return
        failover: Failover | None = None
        target: Target | Refusal | Search | None
        if way is not None:
            target = way.target(routed.uri, now)
        elif routed.dialog_proven:
            target = node.proxy.predetermined(request, routed, now)
            if target is None:
                node.to_user(request, shown, flow, routed, uri, principal, now, wall)
                return
        elif routed.routes or routed.flow is not None:
            target = answers.LOOPED_ROUTE
        else:
            failover = self._ways(request, flow, routed, uri, principal, now)
            if failover is None:
                target = self._abroad(routed, uri, principal, now)
            else:
                target = self._first(failover, now)
        if isinstance(target, Search):

            def go(found: Way, now: float) -> None:
                self.send(request, shown, flow, routed, uri, principal, now, wall, found)

            if self.held.hold(request, flow, target, go):
                return
            target = Refusal(503, b"Too many names are looked up", node.retry_after())
        elif isinstance(target, Target) and uri.scheme == "sips" and not target.flow.secure:
            target = answers.INSECURE
        if isinstance(target, Refusal):
            node.stats.foreign += 1
            node.refuse(request, flow, target, now)
            return
        if request.method == "MESSAGE" and principal is not None:
            aor = node.names.aor_of(uri)
            if limited(node, request, flow, principal.aor, aor, now, wall):
                return
            oversize = node.oversize
            if oversize is not None and oversize.take(
                request, shown, flow, principal.aor, aor, target, now
            ):
                return
        if shown is not request:
            transaction = node.endpoint.accept(request, flow, now)
            node.privacy.relay(transaction, shown, target, now)
            return
        extra = node.privacy.asserted(principal, target)
        node.forward(request, flow, routed, (target,), now, extra, failover or PLAIN)

    def way_to(self, host: str, now: float) -> Flow | None:
        """Return a flow to whoever takes requests for a foreign domain, None without one."""
        uri = parse_uri(b"sip:" + host.encode())
        for way in self.interconnect.ways(uri, uri.raw, now):
            target = self.dial(way, now)
            if target is not None:
                return target.flow
        return self.ways.flow_abroad(host, now)

    def knows(self, host: str) -> bool:
        """Tell whether there may be a way to a foreign domain."""
        return self.interconnect.takes_domain(host) or self.ways.finds(host)

    def leads_away(self, uri: Uri, principal: Principal | None) -> bool:
        """Tell whether a number that nobody has here is another's, and the sender may reach it."""
        return (
            self.interconnect.takes_number(uri)
            and principal is not None
            and self.may_relay(principal)
        )

    def _ways(
        self,
        request: Request,
        flow: Flow,
        routed: Routed,
        uri: Uri,
        principal: Principal | None,
        now: float,
    ) -> Failover | None:
        """Find the ways to another domain or number, for those who may use them."""
        if principal is None or not self.interconnect.takes(uri):
            return None
        if not self.may_relay(principal):
            return None
        source = self._node.peers.match(flow)
        name = "" if source is None else source.name
        ways = self.interconnect.ways(uri, routed.uri, now, name)
        if uri.scheme == "sips":
            ways = (way for way in ways if way.hop.transport == "TLS")
        return Failover(
            self.interconnect,
            ways,
            self.dial,
            lambda fork, target, owner: self._again(
                fork, request, routed, principal, target, owner
            ),
        )

    def _first(self, failover: Failover, now: float) -> Target | Refusal:
        target = failover.next_target(now)
        if target is None:
            return Refusal(503, b"Next hop cannot be reached", self._node.retry_after())
        return target

    def _again(
        self,
        failed: Fork,
        request: Request,
        routed: Routed,
        principal: Principal,
        target: Target,
        owner: Failover,
    ) -> Fork:
        """Return a fork of a request to the next way, after one that led nowhere."""
        node = self._node
        return Fork(
            node.proxy,
            failed.server_tx,
            request,
            owner,
            routed,
            extra=node.privacy.asserted(principal, target),
            from_peer=bool(principal.peer),
        )

    def _abroad(
        self, routed: Routed, uri: Uri, principal: Principal | None, now: float
    ) -> Target | Refusal | Search:
        """Find the way to a domain by DNS, for those who may use it and where that may be asked."""
        if principal is None or not self.may_relay(principal):
            return answers.FOREIGN
        way = self.ways.abroad(uri, now)
        if way is None:
            return answers.FOREIGN
        return way.target(routed.uri, now) if isinstance(way, Way) else way

    def may_relay(self, principal: Principal) -> bool:
        node = self._node
        if principal.how == "digest":
            return True
        peer: Peer | None = node.peers.named(principal.peer)
        return peer is not None and (peer.relay or node.directory.get(principal.aor) is not None)
