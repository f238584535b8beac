# SPDX-License-Identifier: Apache-2.0
"""All MSRP connections of a node: listening, connecting, their ends and their deadlines."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from socket import socket
from typing import Any

from session_msrp.anchor import Anchor, Leg, Link
from session_msrp.authorizing import RelayLink
from session_msrp.chunk import Chunk
from session_msrp.limits import Limits
from session_msrp.relay import Relay
from session_msrp.uri import MsrpUri, parse_uri
from sip.aio.listener import Bound, open_socket
from sip.sources import source_of

from ..resolver import Resolver
from .connection import Connection
from .dialling import ANY_PORT, Dialler, is_address
from .ends import End, Ends
from .inward import Inward
from .websocket import WebSocketLink

__all__ = ["ConnectionLimits", "ConnectionStats", "Connections"]

log = logging.getLogger(__name__)

_SWEEP_S = 1.0
_ACCEPTS_PER_WAKE = 64


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds: counts, octets (`_bytes`) and seconds (`_s`).

    unused_s: how long a connection may stand without a session. stall_s: how long a peer may read
    nothing while something waits for it, and how long an end may take to connect. relayed_s: how
    long a connection without a session stands after the relay used it (RFC 4976 6.5).
    """

    connections: int = 10_000
    per_source: int = 100
    unused_s: float = 20.0
    stall_s: float = 60.0
    idle_s: float = 7200.0
    output_bytes: int = 1 << 20
    relayed_s: float = 3600.0
    connect_s: float = 5.0
    handshake_s: float = 10.0
    handshakes: int = 200
    msrp: Limits = field(default_factory=Limits)

    @property
    def message_bytes(self) -> int:
        """What one WebSocket message may have: a chunk and its head."""
        return self.msrp.chunk_bytes + self.msrp.head_bytes


class ConnectionStats:
    """Counters, plain ints."""

    __slots__ = ("accepted", "closed_output", "connect_failed", "connects", "framing_errors",
                 "handshake_failed", "handshaking", "refused_limit", "stalled")  # fmt: skip

    def __init__(self) -> None:
        self.accepted = 0
        self.refused_limit = 0
        self.connects = 0
        self.connect_failed = 0
        self.handshaking = 0
        self.handshake_failed = 0
        self.framing_errors = 0
        self.closed_output = 0
        self.stalled = 0


class Connections:
    """Carries chunks between connections and the anchor.

    Args: may_connect(host, port): whether that may be a next hop (threats.md R2). ended: told of
        each stream that a connection took with it, and why. client_tls: for connections we open.
        resolver: of names in paths.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: ConnectionLimits,
        new_tid: Callable[[], bytes],
        client_tls: Callable[[], ssl.SSLContext],
        may_connect: Callable[[str, int], bool],
        ended: Callable[[Leg, str], None],
        resolver: Resolver | None = None,
    ) -> None:
        self.loop = loop
        self.limits = limits
        self.stats = ConnectionStats()
        self.anchor = Anchor(limits.msrp, new_tid, self._connect_to, self._hold)
        self.ends = Ends(self, new_tid)
        #: Set when this node is a relay.
        self.relay: Relay | None = None
        self.live: set[Connection] = set()
        self.dirty: list[Connection] = []
        self.holding: set[Connection] = set()
        self.bound: list[Bound] = []
        self._dialler = Dialler(loop, limits, client_tls, may_connect, resolver or Resolver())
        self._may_connect = may_connect
        self._ended = ended
        self._per_source: dict[str, int] = {}
        self._opened: dict[tuple[str, int, bool, bytes], Connection] = {}
        self._inwards: dict[Leg, Inward] = {}
        self._sockets: list[tuple[socket, Bound, ssl.SSLContext | None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    @staticmethod
    def now() -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    # -- listening -------------------------------------------------------------------------------

    def listen(self, transport: str, host: str, port: int, context: ssl.SSLContext | None) -> Bound:
        """Open a listener; nothing is accepted before ``start``. Raises: BindError."""
        opened, bound = open_socket(transport, host, port, "msrp.listen")
        self._sockets.append((opened, bound, context))
        self.bound.append(bound)
        return bound

    def start(self) -> None:
        """Accept from now on."""
        for opened, bound, context in self._sockets:
            self.loop.add_reader(opened.fileno(), self._accept, opened, bound, context)
        self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)

    def stop_accepting(self) -> None:
        """Take no more connections; those that exist go on."""
        for opened, _, _ in self._sockets:
            self.loop.remove_reader(opened.fileno())
            opened.close()
        self._sockets.clear()

    async def close(self) -> None:
        """End all; what was written leaves first."""
        self.stop_accepting()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self.live):
            connection.close("node stops")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)
        for connection in list(self.live):
            connection.abort("node stops")

    def _accept(self, opened: socket, bound: Bound, context: ssl.SSLContext | None) -> None:
        for _ in range(_ACCEPTS_PER_WAKE):
            try:
                accepted, remote = opened.accept()
            except OSError:  # nobody more, or the peer has gone already
                return
            host = str(remote[0]).partition("%")[0]
            source = source_of(host)
            if not self._room(source, context is not None):
                self.stats.refused_limit += 1
                accepted.close()
                continue
            accepted.setblocking(False)
            secure = context is not None
            connection = Connection(self, (host, int(remote[1])), source, secure, True)
            self._admit(connection)
            self._spawn(self._attach(accepted, connection, context))

    def _admit(self, connection: Connection) -> None:
        source = connection.source
        self.stats.accepted += 1
        self._per_source[source] = self._per_source.get(source, 0) + 1
        self.live.add(connection)

    def adopt(self, remote: tuple[str, int], secure: bool) -> WebSocketLink | None:
        """Return who takes the messages of a new WebSocket, None where there is no room for it.

        Its transport must make the connection at once.
        """
        source = source_of(remote[0])
        if self._sweeper is None or not self._room(source, False):
            self.stats.refused_limit += 1
            return None
        connection = WebSocketLink(self, remote, source, secure, True)
        self._admit(connection)
        return connection

    def _room(self, source: str, secure: bool) -> bool:
        limits = self.limits
        return (
            len(self.live) < limits.connections
            and self._per_source.get(source, 0) < limits.per_source
            and not (secure and self.stats.handshaking >= limits.handshakes)
        )

    async def _attach(
        self, accepted: socket, connection: Connection, context: ssl.SSLContext | None
    ) -> None:
        if context is not None:
            self.stats.handshaking += 1
        try:
            await self.loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=context,
                ssl_handshake_timeout=None if context is None else self.limits.handshake_s,
            )
        except (OSError, ssl.SSLError):
            self.stats.handshake_failed += context is not None
        finally:
            if context is not None:
                self.stats.handshaking -= 1
            if not connection.connected:
                accepted.close()
                connection.abort("not established")

    # -- connecting ------------------------------------------------------------------------------

    def _connect_to(self, leg: Leg) -> None:
        """Reach an end over a connection of ours; one to the same peer is shared (RFC 4975 5.4)."""
        if self.client_of(leg) is not None:
            leg.bind(self._inward(leg))
            return
        connection = self.dial(leg.target, leg.own.startswith(b"msrps"), leg.fingerprint)
        if isinstance(connection, str):
            self.loop.call_soon(self._ended, leg, connection)
            return
        leg.bind(connection)
        self.loop.call_soon(self.flush)  # what a signalling message made us write leaves too

    def dial(
        self, target: tuple[str, int] | None, secure: bool, fingerprint: bytes
    ) -> Connection | str:
        """Return a connection of ours to a peer, or why there can be none."""
        if target is None or (is_address(target[0]) and not self._may_connect(*target)):
            return "this node may not connect to its address"
        return self._opened_to(target, secure, fingerprint) or "too many connections"

    def client_of(self, leg: Leg) -> RelayLink | None:
        """Return the connection of an end that has this node for its relay."""
        if self.relay is None or b" " not in leg.path:
            return None
        grant = self.relay.grants.find(parse_uri(leg.first), self.now())
        return None if grant is None else grant.link

    def _inward(self, leg: Leg) -> Inward:
        inward = self._inwards.get(leg)
        if inward is None:
            inward = self._inwards[leg] = Inward(self, leg)
        return inward

    def reach(self, uri: MsrpUri) -> RelayLink | None:
        """Return a connection to a next hop of the relay, None where there may be none.

        A name is looked up, and its addresses are held against what is allowed, while it dials.
        """
        leg = self.anchor.leg(uri)
        if leg is not None and self.client_of(leg) is not None:
            return self._inward(leg).far
        if uri.transport != b"tcp" or (
            is_address(uri.host) and not self._may_connect(*uri.address)
        ):
            return None
        host, port = uri.address
        if uri.port is None and uri.secure and not is_address(host):
            port = ANY_PORT
        return self._opened_to((host, port), uri.secure, b"")

    def _opened_to(
        self, target: tuple[str, int], secure: bool, fingerprint: bytes
    ) -> Connection | None:
        """Return our connection to a peer, a new one if need be; None when there are too many."""
        key = (*target, secure, fingerprint)
        connection = self._opened.get(key)
        if connection is None or connection.closing:
            if len(self.live) >= self.limits.connections:
                self.stats.refused_limit += 1
                return None
            source = source_of(target[0]) if is_address(target[0]) else target[0]
            connection = Connection(self, target, source, secure, False)
            connection.fingerprint = fingerprint
            self.live.add(connection)
            self._opened[key] = connection
            self.stats.connects += 1
            self._spawn(self._dial(connection))
        return connection

    async def _dial(self, connection: Connection) -> None:
        reason = "not reached"
        try:
            reason = await self._dialler.dial(connection)
        finally:
            if not connection.connected:
                self.stats.connect_failed += 1
                connection.abort(reason)

    # -- chunks ----------------------------------------------------------------------------------

    def receive(self, chunk: Chunk, connection: Connection, now: float) -> None:
        """Take a chunk from a connection; the first of a session binds the session to it."""
        if self.anchor.receive(chunk, connection, now) or self.ends.receive(chunk, connection, now):
            return
        relay = self.relay
        if relay is None or not relay.receive(chunk, connection, now):
            self.anchor.refuse(chunk, connection, 481)

    def flush(self) -> None:
        """Let everything that was written leave."""
        while self.dirty:
            dirty, self.dirty = self.dirty, []
            for connection in dirty:
                connection.flush()

    def _hold(self, link: Link, leg: Leg) -> None:
        link.hold(leg)

    def released(self, connection: Connection) -> None:
        """Read on from all who waited for a connection."""
        for waiting in list(self.holding):
            waiting.release(connection)

    # -- ends ------------------------------------------------------------------------------------

    def lost(self, connection: Connection, reason: str) -> None:
        """Forget a connection; its sessions are over (RFC 4975 5.4). A second call does nothing."""
        if connection not in self.live:
            return
        self.live.discard(connection)
        self.holding.discard(connection)
        self.released(connection)
        if connection.inbound:
            left = self._per_source.get(connection.source, 1) - 1
            if left:
                self._per_source[connection.source] = left
            else:
                self._per_source.pop(connection.source, None)
        for key in [key for key, each in self._opened.items() if each is connection]:
            del self._opened[key]
        for leg in list(connection.legs):
            self._ended(leg, reason)
        for end in list(connection.ends):
            end.lost(reason)
        if self.relay is not None:
            self.relay.lost(connection)
            self.flush()

    def drop(self, leg: Leg) -> None:
        """Let go of an end; a connection that nobody uses any more is closed."""
        connection = leg.link
        leg.link = None
        inward = self._inwards.pop(leg, None)
        if inward is not None:
            inward.close()
        for waiting in list(self.holding):
            waiting.release(leg)
        if isinstance(connection, Connection):
            connection.legs.discard(leg)
            self._close_unused(connection)

    def leave(self, connection: Connection, end: End) -> None:
        """Let go of an end of our own; a connection that nobody uses any more is closed."""
        connection.ends.discard(end)
        self._close_unused(connection)

    def _close_unused(self, connection: Connection) -> None:
        if not self._in_use(connection, self.now()):
            connection.close("session ended")

    def _in_use(self, connection: Connection, now: float) -> bool:
        relay = self.relay
        return bool(connection.legs or connection.ends) or (
            relay is not None and relay.uses(connection, now - self.limits.relayed_s)
        )

    def _sweep(self) -> None:
        self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)
        now = self.now()
        limits = self.limits
        self.ends.sweep(now)
        if self.relay is not None:
            self.relay.tick(now)
            self.flush()
        for connection in list(self.live):
            if not connection.connected:
                continue
            if connection.choked_since and now - connection.choked_since > limits.stall_s:
                self.stats.stalled += 1
                connection.abort("did not read")
            elif now - connection.opened > limits.unused_s and not self._in_use(connection, now):
                connection.close("no session")
            elif (
                connection.mid_chunk
                and not connection.held
                and now - connection.last > limits.stall_s
            ):
                connection.close("half a chunk")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
