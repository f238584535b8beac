# SPDX-License-Identifier: Apache-2.0
"""The node's peers: those of the configuration and those that commands made, in force together."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError

from imsnode.config import Config
from imsnode.config.peers import Peer as PeerSettings
from imsnode.config.types import Listener
from imsnode.identity.peers import Peer, PeerTable, parse_peer_address
from imsnode.ways import NextHop
from sip.flow import Flow
from sip.forward import Target
from sip.locating import is_literal

from .border import Border, Crossing
from .headerrules import parse_header_rule
from .health import Health
from .hiding import Hiding
from .interconnect import Interconnect, Way
from .partner import Hop, Partner

if TYPE_CHECKING:
    from imsnode.app import App

__all__ = ["Peering", "all_peers", "sources_of"]

_log = logging.getLogger(__name__)

Stored = Mapping[str, Mapping[str, object]]


class Peering:
    """Who hands requests in and who takes them; hears of changes of either source.

    Args: table: tells by its flow who hands a request in; kept up from here.
    """

    def __init__(self, app: App, table: PeerTable) -> None:
        self._app = app
        self._table = table
        self._stored: Stored = {}
        self.interconnect = Interconnect()
        self.interconnect.reached = self.reached
        self._crossings: dict[str, Crossing] = {}
        self._hops: dict[tuple[str, int], str] = {}
        edge = app.edge
        self.health = Health(
            edge.proxy,
            app.ids,
            app.config.domains[0],
            self._options_to,
            app.clock.now,
            edge.driver.wake,
        )

    def configure(self, config: Config) -> None:
        """Put the peers of a configuration in force, with those that are stored.

        Raises: ValueError, and then nothing is changed.
        """
        peers = all_peers(config, self._stored)
        sources = [source for peer in peers for source in sources_of(peer)]
        self._table.configure(sources)
        partners = [_partner(peer) for peer in peers if peer.targets]
        partners += [_routed(route.domain, route.next_hop) for route in config.route]
        self._crossings = {
            peer.name: self._crossing(peer) for peer in peers if peer.hide or peer.headers
        }
        self._hops = {(hop.host, hop.port): peer.name for peer in peers for hop in peer.targets}
        self._app.edge.driver.border = Border(self._crossing_on) if self._crossings else None
        self.interconnect.patience_s = config.interconnect.patience
        self.interconnect.configure(partners)
        self.health.configure(partners)

    def take_stored(self, stored: Stored) -> None:
        """Put the peers that commands made in force."""
        self._stored = stored
        self.configure(self._app.config)

    def _crossing(self, peer: PeerSettings) -> Crossing:
        edge = self._app.edge
        rules = tuple(parse_header_rule(text) for text in peer.headers)
        if not peer.hide:
            return Crossing(peer.name, rules, None)
        hiding = Hiding(peer.name, edge.key_for(b"hiding"), edge.proxy.own.is_own)
        return Crossing(peer.name, rules, hiding)

    def _crossing_on(self, flow: Flow) -> Crossing | None:
        """Return what is done for the peer that a flow leads to, by its target or its address."""
        name = self._hops.get(flow.remote)
        if name is None:
            peer = self._table.match(flow)
            name = "" if peer is None else peer.name
        return self._crossings.get(name)

    def report(self) -> list[dict[str, object]]:
        """Say how every address of every peer does, and what was sent to the peer."""
        return [
            {
                "name": partner.name,
                "target": str(hop),
                "state": ("up" if state.up else "down") if state.asked else "not asked",
                "reason": state.reason,
                "rtt_ms": round(state.rtt_s * 1000, 1),
                "waiting": partner.waiting,
                "requests": partner.stats.requests,
                "failed": partner.stats.failed,
            }
            for partner in self.interconnect.partners.values()
            for hop, state in partner.states.items()
        ]

    def dial(self, way: Way, now: float) -> Target | None:
        """Return a way as a target, None when it cannot be gone, or not yet."""
        return self._target(way.hop, way.uri, now)

    def reached(self, way: Way, flow: Flow) -> None:
        """Take note of an address that a peer's name stands for."""
        if not is_literal(way.hop.host):
            self._hops[flow.remote] = way.partner.name

    def _options_to(self, hop: Hop, now: float) -> Target | None:
        host = f"[{hop.host}]" if ":" in hop.host else hop.host
        return self._target(hop, f"sip:{host}:{hop.port}".encode(), now)

    def _target(self, hop: Hop, uri: bytes, now: float) -> Target | None:
        """Return the way to an address; None also while its name is looked up the first time."""
        return self._app.ways.target(
            NextHop(hop.transport, hop.host, hop.port, hop.server_name), uri, now
        )


def all_peers(config: Config, stored: Stored) -> list[PeerSettings]:
    """Return the peers of the configuration, then those that are stored.

    A stored one of the same name as one that is configured, or that this release cannot read, is
    left out and said so in the log.
    """
    configured = {peer.name for peer in config.peer}
    peers = list(config.peer)
    for name, settings in stored.items():
        if name in configured:
            _log.warning("peer of the configuration hides a stored one", extra={"peer": name})
            continue
        try:
            peers.append(PeerSettings.model_validate({**settings, "name": name}))
        except ValidationError:
            _log.error("stored peer cannot be read", extra={"peer": name})
    return peers


def sources_of(peer: PeerSettings) -> Iterable[Peer]:
    """Give the peer once for each address its requests come from.

    A name of a host is no proof of that, whatever it stands for; a certificate is, from anywhere.
    Who has to show one where we connect shows it when it connects, too: over UDP anybody could
    write its address.
    """
    transport = "" if peer.transport == "any" else peer.transport.upper()
    if peer.tls_name and peer.targets and all(hop.transport == "TLS" for hop in peer.targets):
        transport = transport or "TLS"

    def at(address: str, transport: str) -> Peer:
        return Peer(
            name=peer.name,
            address=address,
            trust=peer.trust,
            transport=transport,
            relay=peer.relay,
            role="" if peer.role == "any" else peer.role,
            tls_name=peer.tls_name or "",
        )

    if peer.address:
        return [at(address, transport) for address in peer.address]
    found = [at(host, transport) for host in {hop.host for hop in peer.targets}]
    literal = [source for source in found if _is_literal(source)]
    if literal or not peer.tls_name or transport not in ("", "TLS"):
        return literal
    return [at(network, "TLS") for network in ("0.0.0.0/0", "::/0")]


def _is_literal(source: Peer) -> bool:
    try:
        parse_peer_address(source)
    except ValueError:
        return False
    return True


def _partner(peer: PeerSettings) -> Partner:
    hops = tuple(
        Hop(hop.transport, hop.host, hop.port, peer.tls_name or "") for hop in peer.targets
    )
    return Partner(
        peer.name,
        hops,
        peer.domains,
        peer.numbers,
        peer.priority,
        peer.weight,
        peer.rate,
        peer.concurrent,
        peer.ping,
    )


def _routed(domain: str, hop: Listener) -> Partner:
    return Partner(domain, (Hop(hop.transport, hop.host, hop.port),), (domain,))
