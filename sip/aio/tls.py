# SPDX-License-Identifier: Apache-2.0
"""TLS handshakes: how many may be under way, and how long one may take."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from .connections import Connections
from .stream import StreamConnection

if TYPE_CHECKING:
    from .driver import Driver


class Handshakes:
    """The handshakes under way with peers that connected to us."""

    __slots__ = ("_driver", "_table")

    def __init__(self, driver: Driver, table: Connections) -> None:
        self._driver = driver
        self._table = table

    @property
    def room(self) -> bool:
        """True while one more handshake may begin."""
        return self._table.stats.handshaking < self._table.limits.handshakes

    def begin(
        self, accepted: socket.socket, connection: StreamConnection, context: ssl.SSLContext
    ) -> None:
        """Start the server's side of a handshake; the connection is usable after it."""
        self._table.stats.handshaking += 1
        self._driver.spawn(self._serve(accepted, connection, context))

    async def _serve(
        self, accepted: socket.socket, connection: StreamConnection, context: ssl.SSLContext
    ) -> None:
        stats = self._table.stats
        try:
            await self._driver.loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=context,
                ssl_handshake_timeout=self._table.limits.handshake_s,
            )
        except (OSError, ssl.SSLError, ssl.CertificateError):
            # Strangers fail handshakes all day: counted, not logged one by one.
            stats.handshake_failed += 1
        finally:
            stats.handshaking -= 1
            if not connection.connected:
                accepted.close()
                connection.abort("tls")
