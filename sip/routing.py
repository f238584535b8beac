# SPDX-License-Identifier: Apache-2.0
"""What a proxy looks at before it forwards a request: RFC 3261 16.3 and 16.4, RFC 5393 4.2.

Functions over a request that is never changed: `preprocess` says which Request-URI and Route
values are left once everything that belongs to this node is taken off, `check` refuses what must
not be forwarded. A refusal is a value. The parser has read Route, Via and the Request-URI before,
so nothing here raises on what came from the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from . import octets
from .flow import Flow
from .message import Request
from .nexthop import canonical_host, maddr_of, next_hop
from .tokens import NO_TOKEN, PATH_SCOPE, FlowName, FlowTokens
from .uri import Uri, parse_uri

_SCHEMES: Final = frozenset(("sip", "sips", "tel"))


class FlowFinder(Protocol):
    """Knows the live flows behind the names in tokens."""

    def flow_named(self, name: FlowName, now: float) -> Flow | None: ...


class Refusal:
    """Why a request is not forwarded: status, reason phrase (None: the usual), header lines."""

    __slots__ = ("lines", "reason", "status")

    def __init__(
        self, status: int, reason: bytes | None = None, lines: tuple[bytes, ...] = ()
    ) -> None:
        self.status = status
        self.reason = reason
        self.lines = lines

    def __repr__(self) -> str:
        return f"Refusal({self.status}, {self.reason!r}, {self.lines!r})"


class OwnNames:
    """How this node is addressed: its listener addresses and the domains it serves.

    `addresses` are (host, port) as other nodes see them, IPv6 without brackets. The set itself is
    looked at on every call, so the caller may add listeners while the node runs.
    """

    __slots__ = ("_addresses", "_domains")

    def __init__(self, addresses: Iterable[tuple[str, int]], domains: Iterable[str]) -> None:
        self._addresses = addresses if isinstance(addresses, set) else set(addresses)
        self._domains = frozenset(domain.lower() for domain in domains)

    def is_own(self, uri: Uri) -> bool:
        """Tell whether a request for `uri` is addressed to this node or a domain it serves."""
        if not uri.is_sip:
            return False
        host = uri.host
        port = uri.port
        if host in self._domains:
            return port is None or any(port == own for _, own in self._addresses)
        if port is None:
            hop = next_hop(uri)
            port = 5060 if hop is None else hop.port
        return self.is_own_address(host, port)

    def is_own_address(self, host: str, port: int) -> bool:
        """Tell whether (host, port) is one of our listeners."""
        return (host, port) in self._addresses or (canonical_host(host), port) in self._addresses

    def is_own_sent_by(self, sent_by: bytes) -> bool:
        """Tell whether a Via sent-by is one this node writes (always with its port)."""
        host, _, port = sent_by.rpartition(b":")
        if not port.isdigit() or len(port) > 5:
            return False
        return self.is_own_address(host.strip(b"[]").decode("ascii", "replace"), int(port))


class Routed:
    """A request as 16.4 leaves it.

    uri: the Request-URI to go on with. routes: Route values that are left, None when no Route was
    ours and the lines stay as they came. flow: where a token of ours sends the request.
    by_path: the flow is that of a device which registered through this node, as its Path says.
    dialog_proven: a Route of ours carried the MAC made for this Call-ID and the request is inside
    a dialog, so the dialog was set up through this node. refusal: answer this instead. device: the
    only one of the user's that is meant, by instance id; "" for all (RFC 5627). waking: the user
    whose device has to be woken before the request can go on, "" for nobody (RFC 8599 6).
    """

    __slots__ = ("by_path", "device", "dialog_proven", "flow", "refusal", "routes", "uri", "waking")

    def __init__(self, uri: bytes, routes: list[bytes] | None = None) -> None:
        self.uri = uri
        self.routes = routes
        self.flow: Flow | None = None
        self.dialog_proven = False
        self.refusal: Refusal | None = None
        self.device = ""
        self.waking = ""
        self.by_path = False


def preprocess(
    request: Request,
    flow: Flow,
    own: OwnNames,
    tokens: FlowTokens,
    flows: FlowFinder,
    now: float,
) -> Routed:
    """Take off what belongs to this node: our Route values, a strict router's rewrite, our maddr.

    `flow` is where the request came from.
    Refusals: 403 a token that is not ours for this Call-ID, 430 the flow of the token is gone.
    Spec: RFC 3261 16.4; RFC 5626 5.3.
    """
    has_route = request.is_steered() and request.has("route")
    if not has_route and octets.find(request.uri, b";", 0) < 0:
        return _unrouted(request.uri)
    popped: list[FlowName] = []
    routed = _take_own(request, flow, own, tokens, popped)
    if popped and routed.refusal is None:
        _follow(routed, popped, request, flow, flows, now)
    return routed


def _unrouted(uri: bytes) -> Routed:
    routed = Routed.__new__(Routed)
    routed.uri = uri
    routed.routes = None
    routed.flow = None
    routed.dialog_proven = False
    routed.refusal = None
    routed.device = ""
    routed.waking = ""
    routed.by_path = False
    return routed


def _take_own(
    request: Request, flow: Flow, own: OwnNames, tokens: FlowTokens, popped: list[FlowName]
) -> Routed:
    """Take off what is ours and put what our tokens say into `popped`."""
    routed = Routed(request.uri)
    uri = request.ruri()
    addresses = request.routes()
    uris = [address.uri for address in addresses]
    last = len(uris)
    if uris and "lr" in uri.params and own.is_own(uri):
        # A strict router put our Record-Route value into the Request-URI and the real one last.
        if not _read_token(uri, request, tokens, popped):
            return _refused(routed, 403)
        last -= 1
        uri = uris[last]
        routed.uri = uri.raw
    first = 0
    while first < last and _is_own_route(uris[first], own):
        if not _read_token(uris[first], request, tokens, popped):
            return _refused(routed, 403)
        first += 1
    if first or last < len(uris):
        routed.routes = [address.raw for address in addresses[first:last]]
    maddr = maddr_of(uri)
    if maddr and _is_here(uri, maddr, flow, own):
        routed.uri = strip_maddr(uri)
    return routed


def _follow(
    routed: Routed,
    popped: list[FlowName],
    request: Request,
    flow: Flow,
    flows: FlowFinder,
    now: float,
) -> None:
    """Choose the flow that the last of our Route values stands for.

    We record-route twice when a side is bound to its flow, nearest hop first: the last value
    popped is that of the side the request goes to. With a single value the direction shows by
    comparing it with where the request came from (RFC 5626 5.3).
    """
    routed.dialog_proven = bool(request.to_tag) and any(name.proven for name in popped)
    name = popped[-1]
    if not name.transport or (len(popped) == 1 and name.names(flow)):
        return
    routed.by_path = name.path
    routed.flow = flows.flow_named(name, now)
    if routed.flow is None:
        routed.refusal = Refusal(430)


def _refused(routed: Routed, status: int) -> Routed:
    routed.refusal = Refusal(status)
    return routed


def _is_own_route(uri: Uri, own: OwnNames) -> bool:
    # Without lr and with a user part it is somebody's address in our domain that a strict router
    # left in the Route, not a value of ours.
    return own.is_own(uri) and ("lr" in uri.params or uri.user is None)


def dialog_scope(call_id: bytes, tag: bytes) -> bytes:
    """Return what a token in a Record-Route is good for: a Call-ID and the caller's tag."""
    return call_id + b"\n" + tag


def _read_token(uri: Uri, request: Request, tokens: FlowTokens, popped: list[FlowName]) -> bool:
    """Add what the user part of our Route `uri` says to `popped`; False when it is not ours."""
    if uri.user is None:
        popped.append(NO_TOKEN)
        return True
    if "ob" in uri.params:
        name = tokens.read(uri.user, PATH_SCOPE)
        if name is not None:
            popped.append(FlowName(name.transport, name.local, name.remote, False, True))
            return True
    name = tokens.read(uri.user, dialog_scope(request.call_id, request.from_tag))
    if name is None:
        # The other party of the dialog speaks: the tag that was From is To now.
        name = tokens.read(uri.user, dialog_scope(request.call_id, request.to_tag))
    if name is None:
        return False
    popped.append(name)
    return True


def _is_here(uri: Uri, maddr: str, flow: Flow, own: OwnNames) -> bool:
    """Tell whether maddr, port and transport of `uri` are where the request was received."""
    hop = next_hop(uri)
    return (
        hop is not None
        and own.is_own_address(maddr, hop.port)
        and hop.port == flow.local[1]
        and hop.transport == flow.transport
    )


def strip_maddr(uri: Uri) -> bytes:
    """Return the URI without maddr, port and transport (RFC 3261 16.4, third paragraph)."""
    user = b"" if uri.user is None else uri.user + b"@"
    host = b"[" + uri.host.encode() + b"]" if ":" in uri.host else uri.host.encode()
    rest = b"".join(
        b";" + name.encode() + (b"" if value is None else b"=" + value)
        for name, value in uri.params.items()
        if name not in ("maddr", "transport")
    )
    return uri.scheme.encode() + b":" + user + host + rest


def as_request_uri(raw: bytes) -> bytes:
    """Return a Contact or Route URI without what a Request-URI may not have: headers, method.

    Raises: ParseError. Spec: RFC 3261 16.6 item 2, 19.1.1 table 1.
    """
    uri = parse_uri(raw)
    if not uri.is_sip or not (uri.headers or "method" in uri.params):
        return raw
    if uri.headers:
        raw = raw[: -len(uri.headers) - 1]
    # A user part may hold semicolons of its own.
    user, at, rest = raw.rpartition(b"@")
    kept = [part for part in rest.split(b";") if not part.lower().startswith(b"method=")]
    return user + at + b";".join(kept)


def check(request: Request, own: OwnNames, understood: Sequence[bytes] = ()) -> Refusal | None:
    """Refuse a request that must not be forwarded; None when it may be.

    `understood`: option tags of Proxy-Require this node acts on, lower-case. Requests the node
    itself answers (it is their UAS) are not for this function: Max-Forwards 0 may still reach it.
    Refusals: 416 scheme, 483 Max-Forwards used up, 482 loop, 420 Proxy-Require.
    Spec: RFC 3261 16.3; RFC 5393 4.2.2.
    """
    if request.ruri().scheme not in _SCHEMES:
        return Refusal(416)
    if request.max_forwards <= 0:
        return Refusal(483)
    if request.is_steered() and request.has("proxy-require"):
        missing = [tag for tag in request.tokens("proxy-require") if tag not in understood]
        if missing:
            return Refusal(420, None, (b"Unsupported: " + b", ".join(missing),))
    if request.via_count > 1 and _looped(request, own):
        return Refusal(482)
    return None


def _looped(request: Request, own: OwnNames) -> bool:
    mark = loop_mark(request)
    for value in request.items("via"):
        # Other elements' values are not parsed, only ours are of interest (RFC 5393 4.2.4).
        if mark in value and own.is_own_sent_by(_sent_by(value)):
            return True
    return False


def _sent_by(via: bytes) -> bytes:
    """Return the sent-by of a Via value as this node prints it, something useless for others."""
    words = via.partition(b";")[0].split()
    return words[-1].lower() if len(words) > 1 else b""


_WORD: Final = 0xFFFFFFFF


def loop_mark(request: Request) -> bytes:
    """Return the second part of our branches: the same whenever a request comes back unchanged.

    Covers what routing depends on and what differs between transactions, never the method, so
    that CANCEL and ACK agree with their INVITE. Spec: RFC 5393 4.2.1 and 4.2.4.
    """
    mark = _mixed(request.cseq, request.uri)
    mark = _mixed(mark, request.call_id)
    mark = _mixed(mark, request.from_tag)
    mark = _mixed(mark, request.to_tag)
    if not request.is_steered():
        return b"." + octets.hex8(mark)
    if request.has("route"):
        mark = _mixed(mark, b",".join(request.get_all("route")))
    if request.has("proxy-require"):
        mark = _mixed(mark, b",".join(request.get_all("proxy-require")))
    return b"." + octets.hex8(mark)


def _mixed(mark: int, text: bytes) -> int:
    return (mark * 31 + octets.mix(text, 0, len(text))) & _WORD
