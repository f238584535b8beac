# SPDX-License-Identifier: Apache-2.0
"""All WebSocket connections of the HTTP listener: what they are for, who may open them, their time.

They are no requests: a connection is a protocol of its own beside Starlette, as one task and one
queue for each would be all that remains of it there.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from .origins import Origins
from .websocket import WebSocket

__all__ = ["Address", "Service", "WebSocketStats", "WebSockets"]

Address = tuple[str, int]

_SWEEP_S = 1.0


@dataclass(frozen=True, slots=True)
class Service:
    """What connections to one path carry.

    name: the subprotocol that a client must offer. begin(secure, local, remote): who takes the
    messages of a new connection, None refuses it. plain: it is open without TLS too.
    """

    name: str
    message_bytes: int
    begin: Callable[[bool, Address, Address], asyncio.Protocol | None]
    plain: bool = True


class WebSocketStats:
    """Counters, plain ints.

    forbidden: Host, Origin or TLS were not as they have to be. malformed: not a handshake of ours.
    broken: ended by what breaks RFC 6455 or a bound. slow, unanswered: see WebSocket.check.
    """

    __slots__ = ("broken", "forbidden", "malformed", "slow", "unanswered")

    def __init__(self) -> None:
        self.broken = 0
        self.forbidden = 0
        self.malformed = 0
        self.slow = 0
        self.unanswered = 0


class WebSockets:
    """Makes the protocol of each connection that uvicorn upgrades.

    Args: services: by path. ping_s: silence after which a client is asked whether it is there, and
        how long it may take to say so. partial_s: time to complete a message.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        services: Mapping[str, Service],
        origins: Origins,
        ping_s: float,
        partial_s: float,
    ) -> None:
        self.origins = origins
        self.ping_s = ping_s
        self.partial_s = partial_s
        self.stats = WebSocketStats()
        self._loop = loop
        self._services = services
        self._live: set[WebSocket] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    def __call__(self, **_server: object) -> WebSocket:
        """Return the protocol of a connection; uvicorn's own state is no concern of it."""
        return WebSocket(self)

    @staticmethod
    def now() -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def service(self, target: str) -> Service | None:
        """Return what a request target names."""
        return self._services.get(target.partition("?")[0])

    @property
    def routes(self) -> Sequence[Route]:
        """What is answered to whoever asks for a page instead."""
        return [Route(path, _upgrade_required) for path in self._services]

    def counts(self) -> Mapping[str, int]:
        """Return the connections there are, by subprotocol."""
        live = Counter(each.service for each in self._live)
        return {service.name: live[service.name] for service in self._services.values()}

    # -- coming and going ------------------------------------------------------------------------

    def joined(self, connection: WebSocket) -> None:
        """Look after a connection from now on."""
        self._live.add(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)

    def left(self, connection: WebSocket) -> None:
        """Forget a connection."""
        self._live.discard(connection)

    def close(self) -> None:
        """Say goodbye to all; the socket of whoever does not confirm is closed by its user."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._live):
            connection.close()

    def _sweep(self) -> None:
        self._sweeper = None
        now = self.now()
        for connection in list(self._live):
            connection.check(now)
        if self._live:
            self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)


async def _upgrade_required(_request: Request) -> Response:
    return PlainTextResponse(
        "this is for WebSocket clients\n", 426, {"upgrade": "websocket", "connection": "upgrade"}
    )
