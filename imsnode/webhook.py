# SPDX-License-Identifier: Apache-2.0
"""Posting messages to the URL of a service account, signed, where the network policy allows it.

The signature is that of Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over id, timestamp
and body, so that whoever gets a message can check that it is ours and not an old one.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from secrets import token_bytes
from typing import Any
from urllib.parse import urlsplit

import httpcore

from .http.api.received import event_of
from .received import Received

__all__ = ["Policy", "Poster", "Webhook", "check_url", "new_secret", "signature"]

_log = logging.getLogger(__name__)

_PREFIX = "whsec_"
_ANSWER_BYTES = 16 * 1024  # read so that the connection can be used again; nothing is made of it
_LONGEST_URL = 2048
_TRANSLATED = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits
_UNICAST = IPv6Network("2000::/3")  # all that is given out; the rest may lead into this network

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Policy:
    """Where webhooks may be.

    allowed: networks that may be reached although they are private, loopback or otherwise
    special. plain: http besides https. timeout_s: for a whole attempt.
    """

    allowed: tuple[Network, ...] = ()
    plain: bool = False
    timeout_s: float = 10.0
    connections: int = 64

    def permits(self, host: str) -> bool:
        """Say whether an IP address may be connected to."""
        try:
            address: IPv4Address | IPv6Address = ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address):
            address = _embedded(address) or address
        if any(address in network for network in self.allowed):
            return True
        if isinstance(address, IPv6Address) and address not in _UNICAST:
            return False
        return address.is_global and not address.is_multicast


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that packets to an IPv6 address end at, None for none."""
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


class Forbidden(httpcore.ConnectError):
    """The policy lets nobody connect there."""


def check_url(url: str, plain: bool) -> None:
    """Refuse what is no URL of a webhook. Raises: ValueError with the reason."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"it is not a URL: {error}") from error
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("it is too long or has other characters than a URL has")
    if parts.scheme != "https" and not (plain and parts.scheme == "http"):
        raise ValueError("it must begin with https://" + (" or http://" if plain else ""))
    if not host or "@" in parts.netloc or parts.fragment:
        raise ValueError("it must have a host, and neither user nor fragment")


def new_secret() -> str:
    """Return a secret for signatures, as Standard Webhooks writes it."""
    return _PREFIX + base64.b64encode(token_bytes(32)).decode()


def signature(secret: str, identity: str, stamp: int, body: bytes) -> str:
    """Return the value of the header webhook-signature."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = f"{identity}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


class Poster:
    """The HTTP client of all webhooks: few connections, no redirects, no forbidden addresses."""

    def __init__(self, policy: Policy, wall: Callable[[], float]) -> None:
        self.policy = policy
        self.wall = wall
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=policy.connections,
            max_keepalive_connections=policy.connections,
            keepalive_expiry=30.0,
            network_backend=_Fence(self),
        )
        self._running: set[asyncio.Task[None]] = set()

    def run(
        self,
        url: str,
        secret: str,
        identity: str,
        body: bytes,
        about: str,
        done: Callable[[int], None],
    ) -> None:
        """Post JSON in the background; ``done`` gets the status, 0 without an answer.

        Args:
            identity: the same at every attempt for one event. about: whose it is, for the log.
        """
        task = asyncio.ensure_future(self._post(url, secret, identity, body, about, done))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._pool.aclose()

    async def _post(
        self,
        url: str,
        secret: str,
        identity: str,
        body: bytes,
        about: str,
        done: Callable[[int], None],
    ) -> None:
        status = 0
        try:
            check_url(url, self.policy.plain)
            async with asyncio.timeout(self.policy.timeout_s):
                status = await self._exchange(url, secret, identity, body)
        except (TimeoutError, ValueError, OSError, httpcore.NetworkError, httpcore.TimeoutException,
                httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:  # fmt: skip
            reason = str(error) or type(error).__name__
            _log.info("webhook failed", extra={"service": about, "reason": reason})
        done(status)

    async def _exchange(self, url: str, secret: str, identity: str, body: bytes) -> int:
        stamp = int(self.wall())
        headers = [
            ("Host", urlsplit(url).netloc),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("User-Agent", "imsnode"),
            ("webhook-id", identity),
            ("webhook-timestamp", str(stamp)),
            ("webhook-signature", signature(secret, identity, stamp, body)),
        ]
        async with self._pool.stream("POST", url, headers=headers, content=body) as response:
            seen = 0
            async for chunk in response.aiter_stream():
                seen += len(chunk)
                if seen > _ANSWER_BYTES:
                    break
            return response.status


class _Fence(httpcore.AsyncNetworkBackend):
    """Connects to addresses that the policy permits.

    Names are resolved here and the connection goes to the very address that was judged, so that
    no second look-up can lead elsewhere.
    """

    def __init__(self, poster: Poster) -> None:
        self._poster = poster
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the signature of the base
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=1)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} is not known") from error
        addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
        permitted = [address for address in addresses if self._poster.policy.permits(address)]
        if not permitted:
            raise Forbidden(f"webhook.allow does not permit {host}")
        return await self._inner.connect_tcp(permitted[0], port, timeout, local_address)

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise Forbidden("webhooks are no Unix sockets")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Webhook:
    """The handler of one service account that has a URL."""

    def __init__(self, poster: Poster, url: str, secret: str) -> None:
        self._poster = poster
        self._url = url
        self._secret = secret

    def take(self, message: Received, done: Callable[[int], None]) -> None:
        """Post a message."""
        event = event_of(message, self._poster.wall())
        body = event.model_dump_json(by_alias=True, exclude_none=True).encode()
        self._poster.run(self._url, self._secret, message.id, body, message.recipient, done)
