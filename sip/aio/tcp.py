# SPDX-License-Identifier: Apache-2.0
"""TCP and TLS listeners that accept by themselves, and connections opened to others.

Limits are checked between accept(2) and the first octet, so a refused peer costs neither a
transport nor a handshake.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from typing import TYPE_CHECKING

from .connections import Connections, source_of
from .listener import Address, Bound
from .stream import StreamConnection, StreamLimits

if TYPE_CHECKING:
    from .driver import Driver
    from .tls import Handshakes

_log = logging.getLogger(__name__)

_ACCEPTS_PER_WAKE = 64
_OUT_OF_DESCRIPTORS = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_REST_S = 0.5
# Linux: leave the choice of the port to connect(2), where it only has to be unique per target.
_IP_BIND_ADDRESS_NO_PORT = 24
# Unacknowledged output for this long means that the peer is gone.
_USER_TIMEOUT_MS = 32_000


class StreamListener:
    """One listening socket; with a TLS context its connections begin with a handshake."""

    def __init__(
        self,
        driver: Driver,
        table: Connections,
        opened: socket.socket,
        bound: Bound,
        context: ssl.SSLContext | None,
        handshakes: Handshakes,
    ) -> None:
        self.bound = bound
        self._driver = driver
        self._table = table
        self._socket = opened
        self._context = context
        self._handshakes = handshakes
        self._accepting = False
        self._rest: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept from now on."""
        self._accepting = True
        self._driver.loop.add_reader(self._socket.fileno(), self._on_acceptable)

    def close(self) -> None:
        """Accept nothing more; connections that exist go on."""
        if self._rest is not None:
            self._rest.cancel()
        if self._accepting:
            self._accepting = False
            self._driver.loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _on_acceptable(self) -> None:
        for _ in range(_ACCEPTS_PER_WAKE):
            try:
                accepted, remote = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _OUT_OF_DESCRIPTORS:
                    self._pause(error)
                    return
                continue  # the peer has gone already
            self._admit(accepted, str(remote[0]).partition("%")[0], int(remote[1]))

    def _pause(self, error: OSError) -> None:
        # The socket stays readable: without a pause the loop would spin on it.
        _log.error("%s cannot accept: %s", self.bound, error.strerror)
        self._driver.loop.remove_reader(self._socket.fileno())
        self._accepting = False
        self._rest = self._driver.loop.call_later(_REST_S, self.start)

    def _admit(self, accepted: socket.socket, host: str, port: int) -> None:
        table = self._table
        now = table.now()
        source = source_of(host)
        if self._context is not None and not self._handshakes.room:
            table.stats.refused_handshakes += 1
            accepted.close()
            return
        if not table.admit(source, now):
            accepted.close()
            return
        table.stats.accepted += 1
        prepare(accepted)
        local = accepted.getsockname()[0] if self.bound.wildcard else self.bound.host
        connection = StreamConnection(
            table, self.bound.transport, (local, self.bound.port), (host, port),
            inbound=True, source=source, now=now, sent_by=self._driver.advertised(self.bound),
        )  # fmt: skip
        table.add(connection)
        if self._context is None:
            self._driver.spawn(self._attach(accepted, connection))
        else:
            self._handshakes.begin(accepted, connection, self._context)

    async def _attach(self, accepted: socket.socket, connection: StreamConnection) -> None:
        try:
            await self._driver.loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError:
            connection.abort("reset")
        finally:
            if not connection.connected:
                accepted.close()


def prepare(opened: socket.socket) -> None:
    """Set what every connection wants: no delay, a bound on unacknowledged output."""
    opened.setblocking(False)
    try:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
    except OSError:
        # The peer has gone already; reading will say so.
        return


async def connect(
    driver: Driver,
    table: Connections,
    connection: StreamConnection,
    bound: Bound,
    context: ssl.SSLContext | None,
    server_name: str,
) -> None:
    """Open a connection from the address of `bound`; its failure is reported through its flow."""
    host = connection.flow.remote[0]
    reason = ""
    try:
        opened = await _connected(driver.loop, bound, connection.flow.remote, table.limits)
        try:
            await _attached(driver.loop, table, connection, opened, context, server_name)
        finally:
            if not connection.connected:
                opened.close()
    except ConnectionRefusedError:
        reason = "refused"
    except TimeoutError:
        reason = "timeout"
    except (ssl.SSLError, ssl.CertificateError, ConnectionAbortedError) as error:
        reason = "tls"
        _log.warning("TLS to %s failed: %s", host, error, extra={"source": host})
    except OSError:
        reason = "unreachable"
    if reason:
        table.stats.connect_failed += 1
        connection.abort(reason)


async def _connected(
    loop: asyncio.AbstractEventLoop, bound: Bound, remote: Address, limits: StreamLimits
) -> socket.socket:
    opened = socket.socket(bound.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        prepare(opened)
        if not bound.wildcard:
            opened.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            opened.bind((bound.host, 0))
        async with asyncio.timeout(limits.connect_s):
            await loop.sock_connect(opened, remote)
    except BaseException:
        opened.close()
        raise
    return opened


async def _attached(
    loop: asyncio.AbstractEventLoop,
    table: Connections,
    connection: StreamConnection,
    opened: socket.socket,
    context: ssl.SSLContext | None,
    server_name: str,
) -> None:
    if context is None:
        await loop.create_connection(lambda: connection, sock=opened)
        return
    await loop.create_connection(
        lambda: connection,
        sock=opened,
        ssl=context,
        server_hostname=server_name,
        ssl_handshake_timeout=table.limits.handshake_s,
    )
