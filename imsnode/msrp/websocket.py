# SPDX-License-Identifier: Apache-2.0
"""A WebSocket connection that carries MSRP (RFC 7977)."""

from __future__ import annotations

import asyncio

from session_msrp.chunk import Body
from session_msrp.errors import FramingError

from .connection import Connection

__all__ = ["WebSocketLink"]


class WebSocketLink(Connection):
    """A connection of which each message is one chunk, both ways (5.1).

    Nobody connects to whoever is at its far end, but it is used like any other.
    """

    def _take(self) -> None:
        framer = self._framer
        chunk = framer.next()
        if chunk is None or framer.mid_chunk:
            raise FramingError("a message is not one chunk")
        self._table.receive(chunk, self, self.last)

    def write_large(self, head: bytes, body: Body, end: bytes) -> None:
        """Send a chunk as one message."""
        self.write(b"".join((head, body, end)))

    def _hand_over(self, transport: asyncio.Transport, out: list[Body], size: int) -> None:
        transport.writelines(out)
