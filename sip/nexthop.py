# SPDX-License-Identifier: Apache-2.0
"""Where a URI points, and where this node may send at all.

`next_hop` is RFC 3263 without DNS: transport, host and port out of the URI itself. `NextHopPolicy`
is the fence against requests that use the node to reach what only the node can reach.

Spec: RFC 3261 16.6 item 7, 19.1.1 (maddr); RFC 3263 4.1 and 4.2 for URIs that need no look-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from .uri import Uri

_TRANSPORTS = {b"udp": "UDP", b"tcp": "TCP", b"tls": "TLS", b"ws": "WS", b"wss": "WSS"}
_SECURED = {"TCP": "TLS", "TLS": "TLS", "WS": "WSS", "WSS": "WSS"}
_PORTS = {"TLS": 5061, "WS": 80, "WSS": 443}  # RFC 3261 19.1.2, RFC 7118 5.5
_BROADCAST = IPv4Address("255.255.255.255")
_REMEMBERED = 4096  # hosts whose verdict is kept
# Networks without addresses of their own on the Internet (RFC 1918, RFC 6598, RFC 4193).
_INNER: Final = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


class Hop:
    """One next hop: transport token, host (IP literal without brackets, or a name), port."""

    __slots__ = ("host", "port", "secure", "transport")

    def __init__(self, transport: str, host: str, port: int, secure: bool) -> None:
        self.transport = transport
        self.host = host
        self.port = port
        self.secure = secure


def next_hop(uri: Uri, secure: bool = False) -> Hop | None:
    """Return where a request for `uri` goes, None when no SIP transport can carry it.

    `secure`: treat the URI as SIPS whatever its scheme (RFC 3261 16.6 item 7).
    """
    if not uri.is_sip or not uri.host:
        return None
    secure = secure or uri.scheme == "sips"
    named = uri.params.get("transport")
    transport: str | None = "TLS" if secure else "UDP"
    if named is not None:
        transport = _TRANSPORTS.get(named.lower())
        if transport is not None and secure:
            transport = _SECURED.get(transport)
    if transport is None:
        return None
    port = uri.port
    if port is None:
        port = default_port(transport)
    return Hop(transport, maddr_of(uri) or uri.host, port, secure or transport in ("TLS", "WSS"))


def default_port(transport: str) -> int:
    """Return the port of a transport that a URI without one means (RFC 3261 19.1.2)."""
    return _PORTS.get(transport, 5060)


def maddr_of(uri: Uri) -> str:
    """Return the maddr parameter in lower case without brackets, empty when there is none."""
    value = uri.params.get("maddr")
    return value.decode("ascii").lower().strip("[]") if value else ""


class NextHopPolicy:
    """The predicate `may_send_to(host, port)` for everything that is no client's own flow.

    Never: host names (nothing here resolves them), unspecified, multicast, broadcast and reserved
    addresses, and the node's own listeners. Loopback and link-local only when they are configured,
    by `allow_loopback` or by a network in `allowed` (CIDR notation).
    Raises: ValueError for a network that is none.
    """

    __slots__ = ("_allowed", "_loopback", "_own", "_verdicts")

    def __init__(
        self,
        own: Iterable[tuple[str, int]],
        allow_loopback: bool = False,
        allowed: Sequence[str] = (),
    ) -> None:
        self._own = frozenset((canonical_host(host), port) for host, port in own)
        self._loopback = allow_loopback
        self._allowed = tuple(ip_network(network) for network in allowed)
        self._verdicts: dict[str, bool] = {}

    def __call__(self, host: str, port: int) -> bool:
        verdict = self._verdicts.get(host)
        if verdict is None:
            verdict = self._judge(host)
            if len(self._verdicts) < _REMEMBERED:
                self._verdicts[host] = verdict
        return verdict and 0 < port < 65536 and (canonical_host(host), port) not in self._own

    def _judge(self, host: str) -> bool:
        try:
            address = _plain(ip_address(host))
        except ValueError:
            return False
        if address.is_unspecified or address.is_multicast or address == _BROADCAST:
            return False
        if any(address in network for network in self._allowed):
            return True
        if address.is_loopback:
            return self._loopback
        # Only for IPv4: what Python calls reserved in IPv6 holds translation prefixes in use.
        return not (address.is_link_local or (address.version == 4 and address.is_reserved))


def is_inner(host: str, allowed: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Tell whether a host is an address of an inner network, and of none that is allowed."""
    try:
        address = _plain(ip_address(host))
    except ValueError:
        return False
    inner = any(address in network for network in _INNER)
    return inner and not any(address in network for network in allowed)


def canonical_host(host: str) -> str:
    """Return an IP literal in its shortest form, anything else unchanged."""
    if ":" not in host:
        return host
    try:
        return str(_plain(ip_address(host)))
    except ValueError:
        return host


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
