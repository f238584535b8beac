# SPDX-License-Identifier: Apache-2.0
"""Connections that this node opens: names looked up, addresses that are allowed, TLS."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from errno import EACCES
from typing import TYPE_CHECKING, Final

from session_msrp.uri import DEFAULT_PORT

from ..resolver import Resolver
from .connection import Connection

if TYPE_CHECKING:
    from .connections import ConnectionLimits

__all__ = ["ANY_PORT", "Dialler", "is_address"]

log = logging.getLogger(__name__)

#: In place of a port that the URI does not name: DNS says which (RFC 4976 8).
ANY_PORT: Final = 0
_SERVICE: Final = "_msrps._tcp"


class Dialler:
    """Connects to peers.

    Args: context: of TLS, as it is now, to whoever an authority vouches for.
        may_connect(host, port): whether an address may be a next hop (threats.md R2).
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: ConnectionLimits,
        context: Callable[[], ssl.SSLContext],
        may_connect: Callable[[str, int], bool],
        resolver: Resolver,
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._context = context
        self._may_connect = may_connect
        self._resolver = resolver

    async def dial(self, connection: Connection) -> str:
        """Connect to the peer of a connection that was not made yet; returns why it failed."""
        limits = self._limits
        host, port = connection.remote
        handshake_s = limits.handshake_s if connection.secure else 0.0
        try:
            async with asyncio.timeout(limits.connect_s + handshake_s):
                return await self._try_all(connection, host, port)
        except TimeoutError:
            return "no answer"

    async def _try_all(self, connection: Connection, host: str, port: int) -> str:
        """Try the addresses of a peer, one after the other."""
        reason = "not reached"
        context = self._tls_for(connection.fingerprint) if connection.secure else None
        try:
            async for address, near in self._addresses(host, port):
                try:
                    await self._loop.create_connection(
                        lambda: connection,
                        address,
                        near,
                        ssl=context,
                        # Whose relay it is says the name that was asked for (RFC 4976 9.2).
                        server_hostname=host if context is not None else None,
                    )
                except (ssl.SSLError, ssl.CertificateError) as error:
                    reason = "TLS failed"
                    log.warning("MSRP: TLS to %s failed: %s", host, error, extra={"source": host})
                except OSError as error:
                    reason = (error.strerror or "unreachable").lower()
                if connection.connected or connection.closing:
                    break
        except OSError as error:
            return (error.strerror or "unreachable").lower()
        return reason

    async def _addresses(self, host: str, port: int) -> AsyncIterator[tuple[str, int]]:
        """Give the addresses of a peer in the order to try them. Raises: OSError."""
        if is_address(host):
            yield host, port or DEFAULT_PORT
            return
        servers = [(host, port or DEFAULT_PORT)]
        if port == ANY_PORT:
            servers = await self._resolver.services(_SERVICE, host) or servers
        found = False
        for name, near in servers:
            for address in await self._resolver.addresses(name):
                if self._may_connect(address, near):
                    found = True
                    yield address, near
        if not found:
            raise PermissionError(EACCES, "this node may not connect to its address")

    def _tls_for(self, fingerprint: bytes) -> ssl.SSLContext:
        """Trust whom the SDP's fingerprint names, else whom an authority vouches for (14.1)."""
        if not fingerprint:
            return self._context()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the certificate itself is compared (Connection)
        return context


def is_address(host: str) -> bool:
    """Say whether a host is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
