# SPDX-License-Identifier: Apache-2.0
"""From an address to a flow: known flows are used again, missing ones are opened."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from ..sources import source_of
from .connections import Connections
from .listener import (
    Bound,
    can_be_target,
    family_of,
    literal,
    local_address,
    route_source,
)
from .stream import StreamConnection, StreamFlow
from .tcp import connect

if TYPE_CHECKING:
    from .driver import Driver
    from .udp import UdpFlow, UdpSocket

_KNOWN_TARGETS = 65536


class Routes:
    """Answers `flow_to` for one driver.

    A connection is used again only when this node opened it to the very address asked for; what a
    peer opened is reached over its flow alone, because nothing proves who listens at its port.
    client_tls: of connections opened from now on.
    """

    __slots__ = ("_driver", "_table", "_targets", "client_tls")

    def __init__(
        self, driver: Driver, table: Connections, client_tls: ssl.SSLContext | None
    ) -> None:
        self._driver = driver
        self._table = table
        self.client_tls = client_tls
        self._targets: dict[tuple[str, int], UdpFlow] = {}

    def flow_to(
        self, transport: str, host: str, port: int, now: float, server_name: str
    ) -> UdpFlow | StreamFlow | None:
        """Return a flow, None when there can be none; see Driver.flow_to."""
        if transport == "UDP":
            known = self._targets.get((host, port))
            if known is not None:
                return known
        address = literal(host)
        if address is None or not 0 < port < 65536 or not can_be_target(address):
            return None
        bound = self._nearest(transport, address)
        if bound is None or (bound.host, bound.port) == (address, port):
            return None  # no listener, or our own one
        if transport == "UDP":
            return self._datagrams(host, address, port, bound)
        name = (server_name or address).lower() if transport == "TLS" else ""
        connection = self._table.opened_by_us(transport, address, port, name)
        if connection is not None and not connection.flow.closed:
            return connection.flow
        return self._open(bound, address, port, now, name)

    def _datagrams(self, host: str, address: str, port: int, bound: Bound) -> UdpFlow:
        channel: UdpSocket = self._driver.udp_socket(bound)
        if len(self._targets) >= _KNOWN_TARGETS:
            self._targets.clear()
        flow = self._targets[(host, port)] = channel.flow_for(address, port)
        return flow

    def _open(
        self, bound: Bound, host: str, port: int, now: float, server_name: str
    ) -> StreamFlow | None:
        table = self._table
        if len(table) >= table.limits.connections:
            table.stats.refused_total += 1
            return None
        context = self.client_tls if bound.transport == "TLS" else None
        if bound.transport == "TLS" and context is None:
            return None  # never without checking whom we talk to (rule H4)
        connection = StreamConnection(
            table, bound.transport, local_address(bound, host), (host, port),
            inbound=False, source=source_of(host), now=now, sent_by=self._driver.advertised(bound),
            server_name=server_name,
        )  # fmt: skip
        table.add(connection)
        table.stats.connects += 1
        self._driver.spawn(connect(self._driver, table, connection, bound, context))
        return connection.flow

    def _nearest(self, transport: str, remote: str) -> Bound | None:
        family = family_of(remote)
        usable = [
            bound
            for bound in self._driver.listeners
            if bound.transport == transport and bound.family == family
        ]
        if len(usable) > 1:
            source = route_source(remote)
            for bound in usable:
                if bound.host == source or bound.wildcard:
                    return bound
        return usable[0] if usable else None
