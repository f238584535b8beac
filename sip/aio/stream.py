# SPDX-License-Identifier: Apache-2.0
"""One TCP, TLS or WebSocket connection: framing, keep-alive, bounds."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ..certificates import names_server, sip_domains
from ..errors import BadMessage
from ..flow import Flow
from ..framer import PING, StreamFramer
from ..message import build_error
from ..message_framer import MessageFramer
from .listener import Address

if TYPE_CHECKING:
    from .connections import Connections

_log = logging.getLogger(__name__)

# Messages taken from one connection before the others get their turn.
_MESSAGES_PER_TURN = 128
_OUTPUT_HIGH = 64 * 1024
_OUTPUT_LOW = 16 * 1024
# Unacknowledged output for this long means that the peer is gone.
_USER_TIMEOUT_MS = 32_000


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of connections: counts, octets (`_bytes`) and seconds (`_s`).

    linger_s: how long a peer that closed its sending side may still read our answers.
    """

    connections: int = 10000
    per_source: int = 100
    partial_s: float = 20.0
    first_message_s: float = 20.0
    idle_s: float = 7200.0
    linger_s: float = 2.0
    output_bytes: int = 1 << 20
    connect_s: float = 5.0
    handshake_s: float = 10.0
    handshakes: int = 200


class StreamFlow(Flow):
    """A flow that is one connection.

    channel: None once the connection has gone, so that neither holds the other in memory.
    """

    __slots__ = ("channel",)

    def __init__(
        self,
        channel: StreamConnection,
        transport: str,
        local: Address,
        remote: Address,
        sent_by: bytes,
    ) -> None:
        super().__init__(transport, local, remote, sent_by=sent_by)
        self.channel: StreamConnection | None = channel


class StreamConnection(asyncio.Protocol):
    """The protocol object of one connection, inbound or opened by us.

    apart: the transport keeps messages apart, each write and what it hands over is one.
    server_name: what the certificate of the far end has to name before anything is said to it.
    Before an outgoing connection stands, output is kept here, within `output_bytes`.
    """

    __slots__ = (
        "_choked", "_closing", "_eof_at", "_framer", "_last", "_opened", "_partial_since",
        "_paused", "_seen", "_table", "_transport", "_waiting", "_waiting_bytes", "flow",
        "inbound", "reason", "server_name", "source",
    )  # fmt: skip

    def __init__(
        self,
        table: Connections,
        transport: str,
        local: Address,
        remote: Address,
        *,
        inbound: bool,
        source: str,
        now: float,
        sent_by: bytes,
        apart: bool = False,
        server_name: str = "",
    ) -> None:
        self.flow = StreamFlow(self, transport, local, remote, sent_by)
        self.inbound = inbound
        self.source = source
        self.reason = ""
        self.server_name = server_name
        self._table = table
        self._framer: StreamFramer | MessageFramer = (
            MessageFramer(table.message_limits) if apart else StreamFramer(table.message_limits)
        )
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._opened = now
        self._last = now
        self._partial_since = 0.0
        self._eof_at = 0.0
        self._seen = False
        self._choked = False
        self._paused = False
        self._closing = False

    @property
    def connected(self) -> bool:
        """True once the transport exists (for TLS: after the handshake)."""
        return self._transport is not None

    @property
    def lingering(self) -> bool:
        """True while a peer that closed its sending side may still read our answers."""
        return self._eof_at > 0 and not self._closing

    # -- asyncio.Protocol ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what waited."""
        stream = cast(asyncio.Transport, transport)
        self._transport = stream
        if self._closing:
            stream.abort()
            return
        _prepare(stream.get_extra_info("socket"))
        stream.set_write_buffer_limits(_OUTPUT_HIGH, _OUTPUT_LOW)
        if self.flow.secure and not self._knows_peer(stream):
            self.abort("tls")
            return
        self._last = self._opened = self._table.now()
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if waiting:
            stream.write(b"".join(waiting))

    def data_received(self, data: bytes) -> None:
        """Cut the octets into messages and hand them on."""
        if self._closing:
            return
        now = self._last = self._table.now()
        self._framer.feed(data)
        self._take(now)

    def eof_received(self) -> bool:
        """Leave a moment to read our answers to a peer that only closed its sending side."""
        if self._closing or not self._seen or self._framer.mid_message or self.flow.secure:
            return False
        if not self._table.linger(self):
            return False
        self._eof_at = self._table.now()
        return True

    def pause_writing(self) -> None:
        """Read nothing more from a peer that does not read our answers."""
        self._choked = True
        self._set_reading()

    def resume_writing(self) -> None:
        """Read on."""
        self._choked = False
        self._set_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the endpoint that the flow is gone."""
        self._closing = True
        reason = self.reason or ("closed" if exc is None else "reset")
        self._table.lost(self, reason)

    def _knows_peer(self, stream: asyncio.Transport) -> bool:
        """Note whom the peer has proven to speak for; False when it is not whom we wanted.

        Spec: RFC 5922 7.3, 7.4.
        """
        certificate = stream.get_extra_info("peercert")
        if certificate:
            self.flow.names = sip_domains(certificate)
        if not self.server_name or names_server(certificate or {}, self.server_name):
            return True
        _log.warning(
            "the certificate of %s does not name %s", self.flow.remote[0], self.server_name,
            extra={"source": self.flow.remote[0]},
        )  # fmt: skip
        self._table.stats.misnamed += 1
        return False

    # -- in ------------------------------------------------------------------------------------

    def _take(self, now: float) -> None:
        framer, table = self._framer, self._table
        pings = messages = 0
        budget = _MESSAGES_PER_TURN
        try:
            while budget > 0:
                item = framer.next()
                if item is None:
                    break
                budget -= 1
                if isinstance(item, bytes):
                    messages += 1
                    table.deliver(item, self.flow, now)
                    if self._closing:
                        return
                    if self.flow.broken:
                        table.stats.framing_errors += 1
                        self.close("framing")
                        return
                elif item is PING:
                    pings += 1
        except BadMessage as error:
            self._out_of_step(error)
            return
        if pings:
            # RFC 5626 4.4.1: each double CRLF is answered by one CRLF.
            table.stats.pings += pings
            self.transmit(b"\r\n" * pings)
        if messages:
            self._seen = True
        if framer.mid_message:
            if messages or not self._partial_since:
                self._partial_since = now
        else:
            self._partial_since = 0.0
        if budget == 0:
            self._paused = True
            self._set_reading()
            table.loop.call_soon(self._take_more)
        elif self._paused:
            self._paused = False
            self._set_reading()

    def _take_more(self) -> None:
        if not self._closing:
            self._take(self._table.now())

    def _set_reading(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._choked or self._paused:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def _out_of_step(self, error: BadMessage) -> None:
        """Answer a broken message where that is possible, then close (rules F2 to F6)."""
        self._table.stats.framing_errors += 1
        _log.warning("stream closed: %s", error, extra={"source": self.flow.remote[0]})
        partial = error.partial
        if partial is not None:
            partial.received_host, partial.received_port = self.flow.remote
            self.transmit(build_error(partial, error.status_hint, error.phrase, self._table.tag()))
        self.close("framing")

    # -- out -----------------------------------------------------------------------------------

    def transmit(self, data: bytes) -> None:
        """Write, or keep until connected; a peer that leaves too much unread is cut off."""
        limit = self._table.limits.output_bytes
        transport = self._transport
        if transport is None:
            self._waiting_bytes += len(data)
            if self._waiting_bytes > limit:
                self._overflow()
                return
            self._waiting.append(data)
            return
        if transport.is_closing():
            return  # connection_lost is on its way and says so
        transport.write(data)
        if transport.get_write_buffer_size() > limit:
            self._overflow()

    def _overflow(self) -> None:
        self._table.stats.closed_output += 1
        self.abort("overflow")

    def close(self, reason: str) -> None:
        """Close after the output has left; nothing that arrives from now on is looked at."""
        if self._closing:
            return
        self._closing = True
        self.reason = reason
        self.flow.closed = True
        self._eof_at = self._table.now()
        if self._transport is None:
            self._table.lost(self, reason)
        else:
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Close at once, whatever waits to be sent."""
        self._closing = True
        self.reason = self.reason or reason
        self.flow.closed = True
        if self._transport is None:
            self._waiting.clear()
            self._table.lost(self, reason)
        else:
            self._transport.abort()

    # -- time ----------------------------------------------------------------------------------

    def check(self, now: float) -> None:
        """Close when a bound on time has passed. Called by the sweep of all connections."""
        limits = self._table.limits
        if self._eof_at:
            if now - self._eof_at > limits.linger_s:
                self.abort("closed")
        elif self._transport is None:
            return  # the attempt to connect has its own limit
        elif self._partial_since and now - self._partial_since > limits.partial_s:
            self._table.stats.closed_partial += 1
            self.close("timeout")
        elif now - self._last > limits.idle_s or self._silent(now, limits.first_message_s):
            self._table.stats.closed_idle += 1
            self.close("idle")

    def _silent(self, now: float, first_message_s: float) -> bool:
        # Pings alone do not keep a stranger's connection open.
        return self.inbound and not self._seen and now - self._opened > first_message_s


def _prepare(opened: socket.socket) -> None:
    """Set what every connection wants: no delay, a bound on unacknowledged output."""
    with suppress(OSError):  # the peer has gone already; reading will say so
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
