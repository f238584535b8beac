# SPDX-License-Identifier: Apache-2.0
"""The driver: joins sockets, connections and one timer to a sans-IO endpoint."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine

from ..flow import Flow
from ..limits import Limits
from ..ports import Transport
from ..sources import source_of
from .connections import Connections
from .exchange import Exchange
from .listener import Address, Bound, join, open_socket
from .ports import EndpointPort, Tap
from .routes import Routes
from .stats import DriverStats
from .stream import StreamConnection, StreamLimits
from .tcp import StreamListener
from .tls import Handshakes
from .udp import UdpOptions, UdpSocket

__all__ = ["Bound", "Driver", "DriverStats", "EndpointPort", "StreamLimits", "Tap", "UdpOptions"]

# A deadline may be met this much late: one wake-up then serves all that fall due in between.
_TIMER_GRAIN_S = 0.004
_SETTLE_ROUNDS = 4
# Turns of the loop in which a transport that was aborted last closes its descriptor.
_CLOSING_TURNS = 3


class Driver(Exchange):
    """The transport of a node on an asyncio loop.

    A wake-up (datagrams, stream data, a timer, `wake`) runs the endpoint, then `after_batch`, then
    sends all output and arms the one timer. Nothing is scheduled per message.

    Args:   advertise: host that our Via names instead of the listener's (a node behind address
            translation); client_tls: without it no TLS connection is opened.
    Limits: see StreamLimits and UdpOptions. Errors of the endpoint end with the message that
    caused them (rule G1). Spec: RFC 3261 18, RFC 3581, RFC 5626 3.5.1.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint_factory: Callable[[Transport], EndpointPort],
        *,
        streams: StreamLimits | None = None,
        udp: UdpOptions | None = None,
        limits: Limits | None = None,
        client_tls: ssl.SSLContext | None = None,
        advertise: str = "",
        after_batch: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__()
        self.loop = loop
        self.after_batch = after_batch
        self._advertise = advertise
        self._udp_options = udp or UdpOptions()
        self._table = Connections(
            self, streams or StreamLimits(), limits or Limits(), self.stats, self._bans
        )
        self._handshakes = Handshakes(self, self._table)
        self._udp: list[UdpSocket] = []
        self._streams: list[StreamListener] = []
        self._routes = Routes(self, self._table, client_tls)
        self._failures: dict[Flow, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = False
        self._accepting = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self.endpoint = endpoint_factory(self)

    def trust(self, client_tls: ssl.SSLContext) -> None:
        """Open TLS connections with another context from now on."""
        self._routes.client_tls = client_tls

    # -- listeners -----------------------------------------------------------------------------

    @property
    def listeners(self) -> tuple[Bound, ...]:
        """The open listeners, with the ports they really have."""
        return tuple(s.bound for s in self._udp) + tuple(s.bound for s in self._streams)

    def add_udp(self, host: str, port: int, *, setting: str = "listen") -> Bound:
        """Open a UDP listener; raises BindError."""
        options = self._udp_options
        opened, bound = open_socket("UDP", host, port, setting, reuse_port=options.reuse_port)
        udp = UdpSocket(self, opened, bound, options)
        self._udp.append(udp)
        if self._started:
            udp.start()
        return bound

    def add_tcp(self, host: str, port: int, *, setting: str = "listen") -> Bound:
        """Open a TCP listener; raises BindError."""
        return self._add_stream("TCP", host, port, setting, None)

    def add_tls(
        self, host: str, port: int, context: ssl.SSLContext, *, setting: str = "listen"
    ) -> Bound:
        """Open a TLS listener that shows the certificate of `context`; raises BindError."""
        return self._add_stream("TLS", host, port, setting, context)

    def _add_stream(
        self, transport: str, host: str, port: int, setting: str, context: ssl.SSLContext | None
    ) -> Bound:
        opened, bound = open_socket(transport, host, port, setting)
        listener = StreamListener(self, self._table, opened, bound, context, self._handshakes)
        self._streams.append(listener)
        if self._started:
            listener.start()
        return bound

    def adopt(self, transport: str, local: Address, remote: Address) -> StreamConnection | None:
        """Return the protocol of a connection that somebody else accepted, None when it is refused.

        Its transport keeps messages apart (RFC 7118 5) and must make the connection at once.
        """
        table = self._table
        now, source = table.now(), source_of(remote[0])
        if not self._accepting or not table.admit(source, now):
            return None
        table.stats.accepted += 1
        connection = StreamConnection(
            table, transport, local, remote, inbound=True, source=source, now=now,
            sent_by=self.advertised(Bound(transport, *local)), apart=True,
        )  # fmt: skip
        table.add(connection)
        return connection

    def start(self) -> None:
        """Read and accept from now on, also on listeners added later."""
        self._started = self._accepting = True
        for udp in self._udp:
            udp.start()
        for listener in self._streams:
            listener.start()
        self.wake()

    def stop_accepting(self) -> None:
        """Accept no new connection; datagrams and live connections are still served."""
        self._accepting = False
        for listener in self._streams:
            listener.close()

    async def close(self, drain_s: float = 1.0) -> None:
        """Send what waits, close connections politely, abort what is left after `drain_s`."""
        self.stop_accepting()
        self.finish(time.monotonic())
        # A task that never ran would not close the socket it was given.
        await asyncio.sleep(0)
        await self._table.close(drain_s)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _ in range(_CLOSING_TURNS):
            await asyncio.sleep(0)
        self.finish(time.monotonic())
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for udp in self._udp:
            udp.close()
        self._udp.clear()
        self._streams.clear()

    # -- the Transport port --------------------------------------------------------------------

    def flow_to(
        self, transport: str, host: str, port: int, now: float, server_name: str = ""
    ) -> Flow | None:
        """Return a flow to an address: a known one, or a new one that may still be connecting.

        Args:   host: IP literal or "localhost"; server_name: the domain its certificate must name,
                that of the URI the address was found for (RFC 5922 7.3); without one the address.
        Returns: None when there is no listener of that transport and family, when nothing can
                be sent to that address, or when a limit is reached.
        """
        return self._routes.flow_to(transport, host, port, now, server_name)

    # -- what the node may ask for ---------------------------------------------------------------

    def ban(self, host: str, until: float) -> None:
        """Drop datagrams and new connections of a source, unparsed, until a monotonic time.

        Its connections go on: a datagram's source is easily forged (threats.md G4).
        """
        self._bans.add(source_of(host), until)

    def wake(self) -> None:
        """Have output sent and the timer armed soon, after acting on the endpoint from outside."""
        if not self._in_batch and not self._woken and not self._closed:
            self._woken = True
            self.loop.call_soon(self._on_wake)

    # -- used by sockets and connections -----------------------------------------------------------

    def advertised(self, bound: Bound) -> bytes:
        """Return what our Via says on a listener's flows, empty for its own address."""
        return join(self._advertise, bound.port).encode("ascii") if self._advertise else b""

    def udp_socket(self, bound: Bound) -> UdpSocket:
        """Return the socket behind a UDP listener."""
        return next(udp for udp in self._udp if udp.bound is bound)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run the opening of one connection."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._fault(error, None)

    def report(self, flow: Flow, reason: str) -> None:
        """Note a failed flow; the endpoint hears of it at the end of the wake-up."""
        self._failures[flow] = reason
        self.wake()

    def begin(self) -> float:
        """Begin a wake-up; returns the time that all of it counts with."""
        self._in_batch = True
        return time.monotonic()

    def finish(self, now: float) -> None:
        """End a wake-up: failures, the node's batch, output, timer."""
        self._in_batch = True
        self._report_failures(now)
        if self.after_batch is not None:
            try:
                self.after_batch(now)
            except Exception as error:  # noqa: BLE001  # rule G1
                self._fault(error, None)
        for _ in range(_SETTLE_ROUNDS):
            for udp in self._udp:
                if udp.pending:
                    udp.flush()
            if not self._failures:
                break
            self._report_failures(now)
        self._in_batch = False
        if self._failures or any(udp.pending for udp in self._udp):
            self.wake()
        self._arm(now)

    def _report_failures(self, now: float) -> None:
        failures, self._failures = self._failures, {}
        for flow, reason in failures.items():
            try:
                self.endpoint.flow_failed(flow, reason, now)
            except Exception as error:  # noqa: BLE001  # rule G1
                self._fault(error, flow)

    def _on_wake(self) -> None:
        self._woken = False
        if not self._closed:
            self.finish(time.monotonic())

    # -- time ----------------------------------------------------------------------------------

    def _arm(self, now: float) -> None:
        deadline = self.endpoint.next_deadline()
        if deadline is None:
            return  # a timer that is still armed finds nothing to do
        if self._timer is not None:
            if self._timer_at <= deadline + _TIMER_GRAIN_S:
                return
            self._timer.cancel()
        delay = max(deadline - now, _TIMER_GRAIN_S)
        self._timer_at = now + delay
        self._timer = self.loop.call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self.begin()
        try:
            self.endpoint.handle_timeouts(now)
        except Exception as error:  # noqa: BLE001  # rule G1
            self._fault(error, None)
        self.finish(now)
