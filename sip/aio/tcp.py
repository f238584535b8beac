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

from ..sources import source_of
from .connections import Connections
from .listener import Bound
from .stream import StreamConnection

if TYPE_CHECKING:
    from .driver import Driver
    from .tls import Handshakes

_log = logging.getLogger(__name__)

_ACCEPTS_PER_WAKE = 64
_OUT_OF_DESCRIPTORS = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_REST_S = 0.5


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
        accepted.setblocking(False)
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
            pass  # the peer has gone already
        finally:
            if not connection.connected:
                accepted.close()
                connection.abort("reset")


async def connect(
    driver: Driver,
    table: Connections,
    connection: StreamConnection,
    bound: Bound,
    context: ssl.SSLContext | None,
) -> None:
    """Open a connection from the address of `bound`; its failure is reported through its flow."""
    host, port = connection.flow.remote
    limits = table.limits
    local = None if bound.wildcard else (bound.host, 0)
    reason = "closed"
    try:
        if context is None:
            async with asyncio.timeout(limits.connect_s):
                await driver.loop.create_connection(
                    lambda: connection, host, port, local_addr=local
                )
        else:
            async with asyncio.timeout(limits.connect_s + limits.handshake_s):
                await driver.loop.create_connection(
                    lambda: connection,
                    host,
                    port,
                    local_addr=local,
                    ssl=context,
                    server_hostname=connection.server_name,
                    ssl_handshake_timeout=limits.handshake_s,
                )
    except ConnectionRefusedError:
        reason = "refused"
    except TimeoutError:
        reason = "timeout"
    except (ssl.SSLError, ssl.CertificateError, ConnectionAbortedError) as error:
        reason = "tls"
        _log.warning("TLS to %s failed: %s", host, error, extra={"source": host})
    except OSError:
        reason = "unreachable"
    finally:
        if not connection.connected:
            table.stats.connect_failed += 1
            connection.abort(reason)
