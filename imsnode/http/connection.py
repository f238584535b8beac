# SPDX-License-Identifier: Apache-2.0
"""Connections of an HTTP listener: how many there may be, and how long a head may take to come."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from sip.sources import source_of

__all__ = ["HttpConnection", "HttpConnections"]


class HttpConnections:
    """Makes the protocol of each connection of one listener, and counts them per source.

    Args: most, per_source: connections at a time. head_s: how long a client may take to say what it
        wants. A connection that becomes a WebSocket counts where that belongs.
    """

    def __init__(self, most: int, per_source: int, head_s: float) -> None:
        self.head_s = head_s
        self.refused = 0
        self.slow = 0
        self._most = most
        self._per_source = per_source
        self._total = 0
        self._by_source: dict[str, int] = {}

    def __call__(self, **server: Any) -> HttpConnection:
        """Return the protocol of a connection, as the class of one would."""
        return HttpConnection(self, **server)

    def admit(self, source: str) -> bool:
        """Count one more; False refuses it."""
        here = self._by_source.get(source, 0)
        if self._total >= self._most or here >= self._per_source:
            self.refused += 1
            return False
        self._total += 1
        self._by_source[source] = here + 1
        return True

    def release(self, source: str) -> None:
        """Give back what `admit` counted."""
        self._total -= 1
        left = self._by_source[source] - 1
        if left:
            self._by_source[source] = left
        else:
            del self._by_source[source]


class HttpConnection(H11Protocol):
    """uvicorn's connection, with bounds. A peer without an address, on a Unix socket, has none."""

    # Any: what uvicorn gives to a protocol is its own business.
    def __init__(self, table: HttpConnections, **server: Any) -> None:
        super().__init__(**server)
        self._table = table
        self._counted = ""
        self._overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, or end it."""
        super().connection_made(transport)
        if self.client is None:
            return
        source = source_of(self.client[0].partition("%")[0])
        if self._table.admit(source):
            self._counted = source
            self._watch()
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take octets; a head that has begun must come to its end."""
        super().data_received(data)
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to the protocol it changes to."""
        self._leave()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more."""
        self._leave()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """See to it that a head that is waited for comes in time."""
        waiting = bool(self._counted) and self.conn.their_state is h11.IDLE
        if waiting and self._overdue is None:
            self._overdue = self.loop.call_later(self._table.head_s, self._give_up)
        elif not waiting and self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def _give_up(self) -> None:
        self._overdue = None
        self._table.slow += 1
        self.transport.close()

    def _leave(self) -> None:
        if self._counted:
            self._table.release(self._counted)
            self._counted = ""
        self._watch()
