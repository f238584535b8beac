# SPDX-License-Identifier: Apache-2.0
"""Peers: other servers that the configuration names, and what they may do."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from sip.flow import Flow

ASSERTED = "asserted"
S_CSCF = "s-cscf"
APPLICATION_SERVER = "as"

_REMEMBERED = 4096  # sources whose answer is kept; the table is emptied when full

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: Transport, address and port, what the certificate proves.
_Source = tuple[str, tuple[str, int], frozenset[str]]


@dataclass(frozen=True)
class Peer:
    """One configured peer.

    address: "192.0.2.1", "192.0.2.1:5060", "192.0.2.0/24", "2001:db8::/32", "[2001:db8::1]:5060".
    With a port only requests from exactly that port match, which a TCP client hardly ever has.
    trust: "asserted" when identities it states are believed, else "none". transport: "UDP", "TCP",
    "TLS" or "" for any. relay: it may hand in requests for foreign domains that have a route.
    role: `S_CSCF`, `APPLICATION_SERVER` or "".
    tls_name: domain that its certificate has to prove where it comes over TLS (RFC 5922 7.4).
    """

    name: str
    address: str
    trust: str = "none"
    transport: str = ""
    relay: bool = False
    role: str = ""
    tls_name: str = ""

    @property
    def asserted(self) -> bool:
        """True when what the peer says about the sender is believed."""
        return self.trust == ASSERTED


class PeerTable:
    """Finds the peer a flow belongs to; the most specific address wins, then the first named."""

    __slots__ = ("_known", "_last", "_last_flow", "_peers", "_rules")

    def __init__(self, peers: Sequence[Peer] = ()) -> None:
        self.configure(peers)

    def configure(self, peers: Sequence[Peer]) -> None:
        """Make ``peers`` the whole table.

        Raises: ValueError, naming the peer, for an address that is none; nothing changes then.
        """
        rules = [(*parse_peer_address(peer), peer) for peer in peers]
        rules.sort(key=_specific, reverse=True)  # stable: equal ones stay in configured order
        self._rules: list[tuple[Network, int, Peer]] = rules
        self._peers = {peer.name: peer for peer in peers}
        self._known: dict[_Source, Peer | None] = {}
        self._last_flow: Flow | None = None
        self._last: Peer | None = None

    def __bool__(self) -> bool:
        return bool(self._rules)

    def named(self, name: str) -> Peer | None:
        """The peer of that name."""
        return self._peers.get(name)

    def match(self, flow: Flow) -> Peer | None:
        """The peer at the far end of ``flow``, None for everybody else."""
        if not self._rules:
            return None
        if flow is not self._last_flow:  # one request asks several times, and peers send many
            self._last = self._look_up(flow)
            self._last_flow = flow
        return self._last

    def _look_up(self, flow: Flow) -> Peer | None:
        key = (flow.transport, flow.remote, flow.names)
        try:
            return self._known[key]
        except KeyError:
            peer = self._find(key)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key] = peer
        return peer

    def covers(self, host: str) -> bool:
        """Say whether a source address belongs to some peer, whatever the port and transport."""
        address = _parse_host(host)
        # Who is known by a certificate alone comes from anywhere.
        return address is not None and any(
            network.prefixlen and address in network for network, _, _ in self._rules
        )

    def _find(self, source: _Source) -> Peer | None:
        transport, (host, port), names = source
        address = _parse_host(host)
        if address is None:
            return None
        for network, wanted_port, peer in self._rules:
            if (
                address in network
                and wanted_port in (0, port)
                and peer.transport.upper() in ("", transport)
                and (transport != "TLS" or not peer.tls_name or peer.tls_name in names)
            ):
                return peer
        return None


def parse_peer_address(peer: Peer) -> tuple[Network, int]:
    """Network and port (0 for any) of a peer's address.

    Raises: ValueError, naming the peer.
    """
    text = peer.address
    port = 0
    host, colon, digits = text.rpartition(":")
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    elif colon and (host.startswith("[") or ":" not in host):
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 5):
            raise ValueError(f"peer {peer.name}: {peer.address!r} has no valid port")
        text, port = host.removeprefix("[").removesuffix("]"), int(digits)
        if not 0 < port < 65536:
            raise ValueError(f"peer {peer.name}: {peer.address!r} has no valid port")
    try:
        return ipaddress.ip_network(text, strict=False), port
    except ValueError as error:
        raise ValueError(f"peer {peer.name}: {peer.address!r} is no IP address") from error


def _specific(rule: tuple[Network, int, Peer]) -> tuple[int, bool, bool]:
    network, port, peer = rule
    return network.prefixlen + (96 if network.version == 4 else 0), bool(port), bool(peer.transport)


def _parse_host(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
