# SPDX-License-Identifier: Apache-2.0
"""The node as edge proxy: first hop of devices whose registrar is elsewhere (RFC 5626 section 5).

A REGISTER for such a domain goes to its registrar with a Path of the node's, which names the flow
it came over. What the registrar's side sends along that Path goes over the flow; what the device
sends goes to its registrar's side, once a registration over that flow has been confirmed, and
there by the Service-Route that the registrar gave it: the registrar trusts this node, so no Route
of a device's own making goes on (TS 24.229 5.2.6.3). The node authenticates none of these users:
that is their registrar's business, and it answers them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from sip.endpoint import Endpoint
from sip.errors import BadMessage
from sip.flow import Flow
from sip.forward import Proxy, Target
from sip.headers.address import STAR
from sip.message import Request, Response
from sip.proxy import PLAIN, Branch, Fork, ForkOwner
from sip.routing import Refusal, Routed
from sip.uri import Uri

from .identity.peers import PeerTable
from .identity.principal import UNTRUSTED_HEADERS

__all__ = ["FirstHop"]

_GRACE_S: Final = 32.0  # a refresh may still be on its way
_ASKED_S: Final = 3600  # a registrar that names no time
_PATH: Final = frozenset(("path",))

NOT_REGISTERED: Final = Refusal(403, b"Nobody is registered over this flow")
NOT_OF_THE_REGISTRAR: Final = Refusal(403, b"Path is not yours")
TOO_MANY: Final = Refusal(503, b"Too many requests", (b"Retry-After: 5",))
NO_REGISTRAR: Final = Refusal(480, b"The registrar cannot be reached")

#: A connection itself, so that what was said on it ends with it. Else transport, local and remote
#: address: flows over UDP are made anew when they are wanted.
_Name = Flow | tuple[str, tuple[str, int], tuple[str, int]]


class _Registered(NamedTuple):
    """Until when a user is registered over a flow, and the Service-Route from there."""

    until: float
    route: Sequence[bytes]


class FirstHop:
    """Requests of and for devices that register elsewhere.

    Args:
        domains: of the registrars that this node is the first hop to.
        way_to(domain, now): a flow to the registrar's side, None while there is none.
        admit(host, now): counts a request of somebody unknown; False drops it.
        wait(method, aor, now): counts one of a known user; for how many seconds it comes too early.
        most: registrations that are remembered; those that are confirmed last push out the first.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        proxy: Proxy,
        peers: PeerTable,
        domains: frozenset[str],
        way_to: Callable[[str, float], Flow | None],
        admit: Callable[[str, float], bool],
        wait: Callable[[str, str, float], float],
        most: int,
    ) -> None:
        self.domains = domains
        self.refused = 0
        self._endpoint = endpoint
        self._proxy = proxy
        self._peers = peers
        self._way_to = way_to
        self._admit = admit
        self._wait = wait
        self._most = most
        self._registered: dict[tuple[_Name, str], _Registered] = {}

    @property
    def registrations(self) -> int:
        """Users that are registered over flows to this node."""
        return len(self._registered)

    def take(self, request: Request, flow: Flow, routed: Routed, uri: Uri, now: float) -> bool:
        """Serve a request that is for or of such a device; False for any other."""
        if routed.by_path:
            self._to_device(request, flow, routed, now)
            return True
        if routed.dialog_proven or self._peers.match(flow) is not None:
            return False
        domain = uri.host if request.method == "REGISTER" else request.from_uri.host
        if domain not in self.domains:
            return False
        self._to_registrar(request, flow, routed, domain, now)
        return True

    def confirmed(
        self, flow: Flow, aor: str, expires_s: int, now: float, route: Sequence[bytes] = ()
    ) -> None:
        """Note that a user is registered over a flow for some time, or is not any more (0).

        Args: route: the Service-Route (RFC 3608).
        """
        key = (_name(flow), aor)
        self._registered.pop(key, None)
        if expires_s <= 0:
            return
        while len(self._registered) >= self._most:
            del self._registered[next(iter(self._registered))]
        self._registered[key] = _Registered(now + expires_s + _GRACE_S, route)

    def _to_device(self, request: Request, flow: Flow, routed: Routed, now: float) -> None:
        """Send a request along the Path that its device's registrar has got."""
        if self._peers.match(flow) is None or routed.flow is None:
            self._refuse(request, flow, NOT_OF_THE_REGISTRAR, now)
            return
        target = Target(routed.uri, routed.flow, routed.routes, bound=True)
        self._forward(request, flow, routed, target, PLAIN, now, from_peer=True)

    def _to_registrar(
        self, request: Request, flow: Flow, routed: Routed, domain: str, now: float
    ) -> None:
        """Send a request of a device to its registrar's side, whatever Route it carries.

        Nothing but the Service-Route goes on of that.
        """
        registers = request.method == "REGISTER"
        aor = request.to_uri.aor if registers else request.from_uri.aor
        known = self._registered.get((_name(flow), aor))
        if known is None or known.until <= now:
            if not self._admit(flow.remote[0], now):
                return
            if not registers:
                self._refuse(request, flow, NOT_REGISTERED, now)
                return
        elif self._wait(request.method, aor, now) > 0:
            self._refuse(request, flow, TOO_MANY, now)
            return
        home = self._way_to(domain, now)
        if home is None:
            self._refuse(request, flow, NO_REGISTRAR, now)
            return
        request.remove_headers(UNTRUSTED_HEADERS - _PATH)
        route = () if registers or known is None else known.route
        target = Target(routed.uri, home, route)
        if not registers:
            self._forward(request, flow, routed, target, PLAIN, now, self._asserted(aor, home))
            return
        first = request.via_count == 1
        path = self._proxy.path_value(flow, home, first)
        owner = _Registering(self, flow, aor)
        self._forward(request, flow, routed, target, owner, now, (b"Path: " + path,))

    def _asserted(self, aor: str, home: Flow) -> tuple[bytes, ...]:
        """Say who it is to whom we trust: the registrar has confirmed it (RFC 3325 5)."""
        if not self._proxy.trusts(home):
            return ()
        return (b"P-Asserted-Identity: <%b>" % aor.encode(),)

    def _forward(
        self,
        request: Request,
        flow: Flow,
        routed: Routed,
        target: Target,
        owner: ForkOwner,
        now: float,
        extra: tuple[bytes, ...] = (),
        from_peer: bool = False,
    ) -> None:
        transaction = self._endpoint.accept(request, flow, now)
        drop = _PATH if request.method == "REGISTER" else frozenset[str]()
        fork = Fork(
            self._proxy, transaction, request, owner, routed, drop, extra, from_peer=from_peer
        )
        refusal = fork.start((target,), now)
        if refusal is not None:
            self._endpoint.respond(transaction, refusal.status, now, refusal.reason, refusal.lines)

    def _refuse(self, request: Request, flow: Flow, refusal: Refusal, now: float) -> None:
        self.refused += 1
        self._endpoint.reply(request, flow, refusal.status, now, refusal.reason, refusal.lines)


class _Registering:
    """The owner of a REGISTER on its way: notes what the registrar makes of it."""

    def __init__(self, first_hop: FirstHop, flow: Flow, aor: str) -> None:
        self._first_hop = first_hop
        self._flow = flow
        self._aor = aor

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Nothing to note."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """Pass the answer on; after a 200 the device may send requests over this flow."""
        request = fork.request
        if response is not None and 200 <= status < 300 and isinstance(request, Request):
            try:
                lasts, route = _granted(request, response), response.items("service-route")
            except BadMessage:
                lasts, route = -1, []  # the device may make more of it
            if lasts >= 0:
                self._first_hop.confirmed(self._flow, self._aor, lasts, now, route)
        PLAIN.on_final(fork, response, status, now)


def _granted(request: Request, response: Response) -> int:
    """Return for how many seconds a contact of the request is registered now, -1 for a query."""
    asked = request.contacts()
    if asked == []:
        return -1
    listed = response.contacts()
    if asked is STAR or listed is STAR:
        return 0
    longest = 0
    for contact in listed:
        if any(contact.uri.equals(one.uri) for one in asked):
            value = contact.param(b"expires")
            longest = max(longest, int(value) if value and value.isdigit() else _ASKED_S)
    return longest


def _name(flow: Flow) -> _Name:
    return flow if flow.reliable else (flow.transport, flow.local, flow.remote)
