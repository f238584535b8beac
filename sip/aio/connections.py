# SPDX-License-Identifier: Apache-2.0
"""All connections of a driver: their count per source, their ends, the sweep of their deadlines."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from .ids import SystemIds
from .stream import StreamConnection, StreamFlow, StreamLimits

if TYPE_CHECKING:
    from ..limits import Limits
    from .driver import Driver
    from .stats import DriverStats

_MOST_BANS = 4096
# Connections whose peer has closed its sending side and may still read.
_MOST_LINGERING = 1000
# An aborted transport reports its end in the next turn of the loop.
_ABORT_S = 1.0


class Bans:
    """Sources that cost no parse for a time. A full table forgets its oldest entry."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._until)

    def __len__(self) -> int:
        return len(self._until)

    def add(self, source: str, until: float) -> None:
        """Ban a source until a monotonic time."""
        self._until.pop(source, None)
        if len(self._until) >= _MOST_BANS:
            del self._until[next(iter(self._until))]
        self._until[source] = until

    def active(self, source: str, now: float) -> bool:
        """Tell whether a source is banned; a ban that has run out is forgotten."""
        until = self._until.get(source)
        if until is None:
            return False
        if until > now:
            return True
        del self._until[source]
        return False


class Connections:
    """The connections of one driver and the rules that hold for all of them."""

    def __init__(
        self,
        driver: Driver,
        limits: StreamLimits,
        message_limits: Limits,
        stats: DriverStats,
        bans: Bans,
    ) -> None:
        self.loop = driver.loop
        self.limits = limits
        self.message_limits = message_limits
        self.stats = stats
        self._driver = driver
        self._bans = bans
        self._ids = SystemIds()
        self._live: set[StreamConnection] = set()
        self._lingering: set[StreamConnection] = set()
        self._per_source: dict[str, int] = {}
        self._opened_by_us: dict[tuple[str, str, int, str], StreamConnection] = {}
        shortest = min(limits.partial_s, limits.first_message_s, limits.idle_s, limits.linger_s)
        self._sweep_s = min(1.0, shortest / 4)
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._live)

    @staticmethod
    def now() -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def tag(self) -> bytes:
        """Return a To tag for an answer that the endpoint never sees."""
        return self._ids.tag()

    def banned(self, source: str, now: float) -> bool:
        """Tell whether a source is banned."""
        return bool(self._bans) and self._bans.active(source, now)

    def deliver(self, message: bytes, flow: StreamFlow, now: float) -> None:
        """Hand one framed message to the endpoint."""
        self._driver.deliver_message(message, flow, now)

    # -- coming and going ----------------------------------------------------------------------

    def admit(self, source: str, now: float) -> bool:
        """Count one more inbound connection; False refuses it (the newest goes, no other)."""
        if self.banned(source, now):
            self.stats.banned += 1
        elif len(self._live) >= self.limits.connections:
            self.stats.refused_total += 1
        elif self._per_source.get(source, 0) >= self.limits.per_source:
            self.stats.refused_source += 1
        else:
            self._per_source[source] = self._per_source.get(source, 0) + 1
            return True
        return False

    def release(self, source: str) -> None:
        """Give back what `admit` counted."""
        left = self._per_source.get(source, 0) - 1
        if left > 0:
            self._per_source[source] = left
        else:
            self._per_source.pop(source, None)

    def add(self, connection: StreamConnection) -> None:
        """Keep a connection until it is lost."""
        self._live.add(connection)
        self.stats.connections = len(self._live)
        if not connection.inbound:
            flow = connection.flow
            self._opened_by_us[(flow.transport, *flow.remote, connection.server_name)] = connection
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(self._sweep_s, self._sweep)

    def opened_by_us(
        self, transport: str, host: str, port: int, server_name: str
    ) -> StreamConnection | None:
        """Return the live connection this node opened to an address.

        What was proven for one name is no proof for another at the same address (RFC 5922 7.3).
        """
        return self._opened_by_us.get((transport, host, port, server_name))

    def lost(self, connection: StreamConnection, reason: str) -> None:
        """Forget a connection and report its flow; a second call does nothing."""
        if connection not in self._live:
            return
        self._live.discard(connection)
        self.stats.connections = len(self._live)
        flow = connection.flow
        flow.closed = True
        reported = connection in self._lingering
        self._lingering.discard(connection)
        if connection.inbound and not reported:
            self.release(connection.source)
        if not connection.inbound:
            key = (flow.transport, *flow.remote, connection.server_name)
            if self._opened_by_us.get(key) is connection:
                del self._opened_by_us[key]
        if not reported:
            self._driver.report(flow, reason)
        flow.channel = None
        if not self._live and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def linger(self, connection: StreamConnection) -> bool:
        """Let a connection that will send nothing more stay for a moment; False: no room.

        It counts for its source no longer, so that clients may come and go quickly. Nobody will
        answer a request there, so for requests the flow has failed already.
        """
        if len(self._lingering) >= _MOST_LINGERING:
            return False
        self._lingering.add(connection)
        if connection.inbound:
            self.release(connection.source)
        connection.flow.closed = True
        self._driver.report(connection.flow, "closed")
        return True

    # -- time ----------------------------------------------------------------------------------

    def _sweep(self) -> None:
        self._sweeper = None
        now = self.now()
        for connection in list(self._live):
            connection.check(now)
        if self._live:
            self._sweeper = self.loop.call_later(self._sweep_s, self._sweep)

    async def close(self, drain_s: float) -> None:
        """Close all politely, abort what is left after `drain_s` seconds."""
        for connection in list(self._live):
            connection.close("closed")
        await self._wait_empty(drain_s)
        for connection in list(self._live):
            connection.abort("closed")
        await self._wait_empty(_ABORT_S)
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    async def _wait_empty(self, limit_s: float) -> None:
        if self._live:
            self._empty = self.loop.create_future()
            await asyncio.wait((self._empty,), timeout=limit_s)
