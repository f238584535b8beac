# SPDX-License-Identifier: Apache-2.0
"""What leaves a proxy: targets, the forwarded request, Record-Route, the stateless ACK.

`Proxy` holds what all forwarding of one node shares. It keeps no state about requests; that is
the Fork's (sip/proxy.py).

Spec: RFC 3261 16.5, 16.6 and 16.11; RFC 5393 5.3; RFC 5626 5.3; RFC 5658 (two Record-Routes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final
from weakref import WeakKeyDictionary, WeakValueDictionary

from . import octets
from .endpoint import Endpoint
from .errors import BadMessage
from .flow import Flow
from .headers.address import STAR, parse_address
from .ids import MAGIC_COOKIE
from .message import Request, build_request, forward_request
from .nexthop import Hop, next_hop
from .ports import Spares
from .privacy import shown
from .routing import (
    OwnNames,
    Refusal,
    Routed,
    as_request_uri,
    check,
    dialog_scope,
    loop_mark,
    preprocess,
)
from .tokens import PATH_SCOPE, FlowName, FlowTokens
from .uri import Uri, parse_uri

FlowKey = tuple[str, tuple[str, int], tuple[str, int]]  # transport, local, remote
NO_DROP: Final[frozenset[str]] = frozenset()
DROP_BREADTH: Final = frozenset(("max-breadth",))
_UNDERSTOOD: Final = (b"privacy",)  # in Proxy-Require (RFC 3323 4.3)
_PRIVACY: Final = b"\r\nPrivacy: "  # as sip.privacy prints it
_CHARGING: Final = b"\r\nP-Charging-Vector: "  # as `Vouch` and the gate print it

# Requests that neither make nor refresh a dialog. Everything else, methods nobody here knows
# included, may have dialog semantics and is record-routed (RFC 3261 16.6 item 4, RFC 3428 7).
NO_RECORD_ROUTE: Final = frozenset(
    ("MESSAGE", "REGISTER", "PUBLISH", "OPTIONS", "ACK", "BYE", "CANCEL", "INFO", "PRACK")
)


#: (draft, its header fields, target): the header fields with which a request of this node's own
#: leaves for somebody inside the trust domain.
Vouch = Callable[["Draft", "Target"], Sequence[tuple[bytes, bytes]]]


class Target:
    """One destination of a request; never changed, may serve many requests.

    uri: Request-URI of the branch; a Contact URI loses what must not stand there. flow: the way to
    it. routes: Route values to print, None to leave those of the request. q: preference, 0 to
    1000. binding: whatever the caller wants to find again. bound: the client is reached by this
    flow and no other (NAT, or a connection it opened): its Record-Route names the flow, and no TCP
    connection is tried for size. instead: the next way to the same device, which is taken when this
    one fails (RFC 5626 7). spares: further servers where this one is of no use.
    Raises: ParseError for a URI with headers that cannot be read.
    """

    __slots__ = ("binding", "bound", "flow", "instead", "q", "routes", "spares", "uri")

    def __init__(
        self,
        uri: bytes,
        flow: Flow,
        routes: Sequence[bytes] | None = None,
        q: int = 1000,
        binding: object | None = None,
        bound: bool = False,
        spares: Spares | None = None,
    ) -> None:
        if b"?" in uri or b";method=" in uri.lower():
            uri = as_request_uri(uri)
        self.uri = uri
        self.flow = flow
        self.routes = routes
        self.q = q
        self.binding = binding
        self.bound = bound
        self.spares = spares
        self.instead: Target | None = None


class Draft:
    """A request this node originates: method, header fields and body.

    `headers` lacks Via, Max-Forwards, Route and Content-Length, which are written for each branch;
    From with its tag, To, Call-ID and CSeq are printed as they are.
    """

    __slots__ = ("body", "headers", "method")

    def __init__(
        self, method: str, headers: Sequence[tuple[bytes, bytes]], body: bytes = b""
    ) -> None:
        self.method = method
        self.headers = headers
        self.body = body


class ProxyConfig:
    """Bounds of forwarding: branches per request, breadth, octets a UDP request may have.

    Spec: RFC 5393 5.3.3 (60), RFC 3261 18.1.1 (1300).
    """

    __slots__ = ("max_branches", "max_breadth", "udp_octets")

    def __init__(
        self, max_branches: int = 10, max_breadth: int = 60, udp_octets: int = 1300
    ) -> None:
        self.max_branches = max_branches
        self.max_breadth = max_breadth
        self.udp_octets = udp_octets


class Proxy:
    """Everything the forwarding of one node shares.

    `may_send_to(host, port)` says whether an address that is no client's own flow may be a next
    hop. Names of flows in tokens are resolved among the flows seen here. `trusts(flow)`, which the
    owner sets, says whether the far end is within the trust domain (RFC 3325); nobody is before.
    `vouch`, when set, says what requests of our own tell there.
    """

    __slots__ = ("_bound", "_reasons", "breadth_lines", "config", "endpoint", "ids",
                 "may_send_to", "own", "timer_c", "tokens", "transport", "trusts",
                 "vouch")  # fmt: skip

    def __init__(
        self,
        endpoint: Endpoint,
        own: OwnNames,
        tokens: FlowTokens,
        may_send_to: Callable[[str, int], bool],
        config: ProxyConfig | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.own = own
        self.tokens = tokens
        self.may_send_to = may_send_to
        self.trusts: Callable[[Flow], bool] = _nobody
        self.vouch: Vouch | None = None
        self.config = config or ProxyConfig()
        self.ids = endpoint.ids
        self.transport = endpoint.transport
        self.timer_c = endpoint.timers.lane(endpoint.layer.config.timer_c)
        self.breadth_lines = tuple(
            (b"Max-Breadth: %d" % share,) for share in range(self.config.max_breadth + 1)
        )
        # The transport decides how long flows live; here they are only found by name.
        self._bound: WeakValueDictionary[FlowKey, Flow] = WeakValueDictionary()
        self._reasons: WeakKeyDictionary[Flow, str] = WeakKeyDictionary()
        endpoint.on_flow_failed.append(self.flow_failed)

    def preprocess(self, request: Request, flow: Flow, now: float) -> Routed:
        """Take this node's own Route values off `request`, received on `flow` (16.4)."""
        return preprocess(request, flow, self.own, self.tokens, self, now)

    def check(self, request: Request) -> Refusal | None:
        """Refuse what must not be forwarded: 416, 482, 483, 420 (16.3)."""
        return check(request, self.own, _UNDERSTOOD)

    def predetermined(
        self, request: Request, routed: Routed, now: float
    ) -> Target | Refusal | None:
        """Return where the request itself says it goes; None when that is for the location service.

        In this order: the flow of our own token, the topmost Route that is left, a Request-URI
        that is not ours. Whether the sender may use it is not asked here (R1 is the caller's).
        Refusals: as `target_for`.
        Spec: RFC 3261 16.5, 16.6 items 6 and 7.
        """
        if routed.flow is not None:
            return Target(routed.uri, routed.flow, routed.routes, bound=True)
        routes = routed.routes
        if routes is None and request.has("route"):
            routes = [address.raw for address in request.routes()]
        uri = parse_uri(routed.uri)
        if not routes and self.own.is_own(uri):
            return None
        return self._target_for(uri, routes, now)

    def target_for(
        self, uri: bytes, routes: Sequence[bytes] | None, now: float
    ) -> Target | Refusal:
        """Return the target for `uri` by way of `routes`, with the flow that leads there.

        Refusals: 416 no SIP URI to go to, 403 the address may not be sent to, 480 nothing leads
        there, 400 malformed.
        """
        try:
            return self._target_for(parse_uri(uri), routes, now)
        except BadMessage:
            return Refusal(400, b"Bad Route")

    def _target_for(self, uri: Uri, routes: Sequence[bytes] | None, now: float) -> Target | Refusal:
        hop_uri = uri
        request_uri = uri.raw
        if routes:
            hop_uri = parse_address(routes[0], "Route").uri
            if "lr" not in hop_uri.params:
                # A strict router wants its own URI in the Request-URI and the real one last in
                # the Route (RFC 3261 16.6 item 6).
                routes = [*routes[1:], b"<" + request_uri + b">"]
                request_uri = hop_uri.raw
        hop = next_hop(hop_uri, secure=uri.scheme == "sips")
        if hop is None:
            return Refusal(416)
        return self._by_hop(request_uri, hop, routes, now)

    def _by_hop(
        self, uri: bytes, hop: Hop, routes: Sequence[bytes] | None, now: float
    ) -> Target | Refusal:
        if not self.may_send_to(hop.host, hop.port):
            return Refusal(403)
        flow = self.transport.flow_to(hop.transport, hop.host, hop.port, now)
        if flow is None:
            return Refusal(480)
        return Target(uri, flow, routes)

    def forward_ack(self, request: Request, routed: Routed, target: Target, now: float) -> None:
        """Forward an ACK for a 2xx. Stateless and never answered; dropped when it cannot go on.

        Spec: RFC 3261 16.11 (the branch depends on the ACK alone), 17.1.1.2; RFC 6026 7.
        """
        if request.max_forwards <= 0 or check(request, self.own) is not None:
            return
        seed = blake2b(request.via.branch, digest_size=10, key=request.call_id[:64])
        seed.update(request.via.sent_by)
        branch = MAGIC_COOKIE + seed.hexdigest().encode() + loop_mark(request)
        # Size does not move it to TCP: without a transaction nobody would hear of a refusal and
        # fall back.
        extra = () if request.has("max-breadth") else self.breadth_lines[-1]
        data = forward_request(
            request,
            uri=target.uri,
            via_line=target.flow.via_line(branch),
            max_forwards=request.max_forwards - 1,
            routes=routed.routes if target.routes is None else target.routes,
            extra=extra,
        )
        self.endpoint.send(target.flow, data, now)

    def build_draft(self, draft: Draft, target: Target, flow: Flow, branch: bytes) -> bytes:
        """Return a request of our own as it goes to `target` on `flow`."""
        via_name, _, via = flow.via_line(branch).partition(b": ")
        headers = [(via_name, via), (b"Max-Forwards", b"70")]
        headers.extend((b"Route", route) for route in target.routes or ())
        if self.vouch is not None and self.trusts(flow):
            headers.extend(self.vouch(draft, target))
            return build_request(draft.method, target.uri, headers, draft.body)
        headers.extend(draft.headers)
        data = build_request(draft.method, target.uri, headers, draft.body)
        if (
            octets.find(data, _PRIVACY, 0) >= 0 or octets.find(data, _CHARGING, 0) >= 0
        ) and not self.trusts(flow):
            data = build_request(draft.method, target.uri, shown(headers), draft.body)
        return data

    def record_route(
        self, request: Request, came: Flow, target: Target, goes: Flow, adjacent: bool
    ) -> bytes:
        """Return our Record-Route for a request from `came` to `goes` (not for NO_RECORD_ROUTE).

        Two values, the one for the far side first, when the sides differ in transport or listener
        or one of them can only be reached by its flow; so the direction of a later request shows
        by the value it meets last. `adjacent`: the request may come from its own client and not
        from another server. Spec: RFC 3261 16.6 item 4; RFC 5658 3.2; RFC 5626 5.3.
        """
        scope = dialog_scope(request.call_id, request.from_tag)
        near = came if adjacent and is_bound(request, came) else None
        far = goes if target.bound else None
        secure = _is_sips(request.uri) or _is_sips(target.uri)
        if near is None and far is None and _same_side(came, goes):
            return self._own_route(came, None, scope, secure)
        return b"%b, %b" % (
            self._own_route(goes, far, scope, secure),
            self._own_route(came, near, scope, secure),
        )

    def _own_route(self, side: Flow, bound: Flow | None, scope: bytes, secure: bool) -> bytes:
        if bound is not None:
            self.remember(bound)
        scheme = b"sips:" if secure and side.secure else b"sip:"
        transport = b""
        if side.transport != "UDP" and not (secure and side.transport == "TLS"):
            name = "ws" if side.transport == "WSS" else side.transport.lower()  # RFC 7118 5.2
            transport = b";transport=" + name.encode("ascii")
        token = self.tokens.make(bound, scope)
        return b"<%b%b@%b%b;lr>" % (scheme, token, side.sent_by, transport)

    def path_value(self, device: Flow, home: Flow, first: bool) -> bytes:
        """Return our Path value for a REGISTER from `device` that goes to `home`.

        first: no other proxy stands between the device and us; what comes along this Path goes over
        the device's flow then. Spec: RFC 3327 5.2; RFC 5626 5.1.
        """
        value = self._own_route(home, device if first else None, PATH_SCOPE, False)
        return value[:-1] + b";ob>" if first else value

    def remember(self, flow: Flow) -> None:
        """Note `flow` so that a token naming it can be followed while it lives."""
        self._bound[(flow.transport, flow.local, flow.remote)] = flow

    def flow_named(self, name: FlowName, now: float) -> Flow | None:
        """Return the live flow with this name, None when there is none (430)."""
        flow = self._bound.get((name.transport, name.local, name.remote))
        if flow is not None and not flow.closed:
            return flow
        if name.transport != "UDP":
            return None
        return self.transport.flow_to("UDP", name.remote[0], name.remote[1], now)

    def flow_failed(self, flow: Flow, reason: str, now: float) -> None:
        """Note why a connection was lost, for those who still hold it."""
        if flow.reliable:
            self._reasons[flow] = reason

    def has_no_tcp(self, flow: Flow) -> bool:
        """Tell whether a connection failed because nothing accepts any at its far end.

        Spec: RFC 3261 18.1.1 (protocol not supported, or a TCP reset).
        """
        return self._reasons.get(flow, "") in ("refused", "reset")


def is_bound(request: Request, flow: Flow) -> bool:
    """Tell whether the client that sent `request` is reached by `flow` and no other way.

    True for a connection the client opened, and over UDP when its Contact is not where the request
    came from (NAT). False when another server handed the request in.
    """
    if request.via_count > 1:
        return False
    contacts = request.contacts()
    if contacts is STAR or not contacts:
        return False
    return flow.reliable or contacts[0].uri.hostport(5060) != flow.remote


def _nobody(flow: Flow) -> bool:
    return False


def _same_side(one: Flow, other: Flow) -> bool:
    return one.transport == other.transport and one.sent_by == other.sent_by


def _is_sips(uri: bytes) -> bool:
    return uri[:5].lower() == b"sips:"


def as_sips(asked: bytes, uri: bytes) -> bytes:
    """Return the URI of a target for a request to `asked`: SIPS where that is (RFC 5630 5.3)."""
    if _is_sips(asked) and uri[:4].lower() == b"sip:":
        return b"sips" + uri[3:]
    return uri


def as_sip(uri: bytes) -> bytes:
    """Return a SIPS URI as that of the same resource for requests that did not ask for SIPS."""
    return b"sip" + uri[4:] if _is_sips(uri) else uri


def share_breadth(request: Request, count: int, most: int) -> list[int] | None:
    """Split the Max-Breadth of `request` over `count` parallel branches; None when it is too small.

    A value that is missing or no number counts as `most`, a larger one is cut to it.
    Spec: RFC 5393 5.3.3.
    """
    incoming = most
    value = request.get("max-breadth")
    if value is not None and value.isdigit():
        incoming = min(most, int(value)) if len(value) < 10 else most
    if count > incoming:
        return None
    share, rest = divmod(incoming, count)
    return [share + 1] * rest + [share] * (count - rest)
