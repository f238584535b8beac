# SPDX-License-Identifier: Apache-2.0
"""Where a session is anchored here and one of its ends has this node for its relay too (RFC 4976).

Nothing has to leave the node between the two, so they are joined without sockets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from session_msrp.anchor import Leg
from session_msrp.chunk import Body
from session_msrp.framer import Framer

if TYPE_CHECKING:
    from .connections import Connections

__all__ = ["Inward"]


class Inward:
    """The anchor's link to an end behind the relay; `far` is the relay's link to the anchor."""

    def __init__(self, table: Connections, leg: Leg) -> None:
        self.leg = leg
        self.far = _Outward(table, self)
        self._table = table
        self._framer = Framer(table.limits.msrp)

    def write(self, data: bytes) -> None:
        """Have the relay take a chunk."""
        table, relay = self._table, self._table.relay
        self._framer.feed(data)
        while relay is not None and (chunk := self._framer.next()) is not None:
            if not relay.receive(chunk, self.far, table.now()):
                table.anchor.refuse(chunk, self.far, 481)

    def write_large(self, head: bytes, body: Body, end: bytes) -> None:
        """Have the relay take a chunk."""
        self.write(b"".join((head, body, end)))

    def bound(self, leg: Leg) -> None:
        """Nothing is to be known of the end: there is no other here."""

    def hold(self, whom: object) -> None:
        """Have the relay's client wait for somebody who does not read."""
        client = self._table.client_of(self.leg)
        if client is not None:
            client.hold(whom)

    def release(self, whom: object) -> None:
        """Let the relay's client go on."""
        client = self._table.client_of(self.leg)
        if client is not None:
            client.release(whom)

    def close(self) -> None:
        """Tell the relay that nobody is there any more."""
        self.far.close("session ended")


class _Outward:
    """What the relay sees of the anchor: a connection that is always there; see `RelayLink`."""

    choked_since = 0.0
    secure = True
    source = ""

    def __init__(self, table: Connections, near: Inward) -> None:
        self.closing = False
        self.names: frozenset[str] = frozenset()
        self._near = near
        self._table = table
        self._framer = Framer(table.limits.msrp)

    def write(self, data: bytes) -> None:
        table = self._table
        self._framer.feed(data)
        while not self.closing and (chunk := self._framer.next()) is not None:
            table.anchor.receive(chunk, self._near, table.now())

    def write_large(self, head: bytes, body: Body, end: bytes) -> None:
        self.write(b"".join((head, body, end)))

    def hold(self, whom: object) -> None:
        sender = self._near.leg.other.link
        if sender is not None:
            sender.hold(whom)

    def release(self, whom: object) -> None:
        sender = self._near.leg.other.link
        if sender is not None:
            sender.release(whom)

    def close(self, reason: str) -> None:
        if not self.closing:
            self.closing = True
            if self._table.relay is not None:
                self._table.relay.lost(self)
