# SPDX-License-Identifier: Apache-2.0
"""An HTTP server in the node's own loop, on a TCP port or on a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from sip.aio import BindError, Bound
from sip.aio.listener import join, open_socket

from .connection import HttpConnections
from .limits import HttpLimits, Limited
from .websockets import WebSockets

__all__ = ["HttpServer"]

_CONNECTIONS = 512
_KEEP_ALIVE_S = 15
_START_S = 10.0


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: signals belong to the node."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves one ASGI application.

    Args:   host, port: where to listen (port 0: any), or unix_path: a socket file, mode 0600;
            setting: the key of the configuration that an error names. tls: with it HTTPS is
            spoken. websockets: who takes connections that are upgraded; None answers them as
            any request.
    Limits: HttpLimits; 512 requests at a time, further ones get 503. connections: counts those of
            a port; a Unix socket's have no bounds but that.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str = "",
        port: int = 0,
        unix_path: Path | None = None,
        setting: str = "http.listen",
        limits: HttpLimits | None = None,
        tls: ssl.SSLContext | None = None,
        websockets: WebSockets | None = None,
    ) -> None:
        bounds = limits or HttpLimits()
        self._app = Limited(app, bounds)
        self._limits = bounds
        self.connections = HttpConnections(bounds.connections, bounds.per_source, bounds.head_s)
        self._host = host
        self._port = port
        self._unix_path = unix_path
        self._setting = setting
        self._tls = tls
        self._websockets = websockets
        self._socket: socket.socket | None = None
        self._bound: Bound | None = None
        self._file = (0, 0)
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.address = ""

    def bind(self) -> str:
        """Open the socket and return its address, "127.0.0.1:8080" or the path.

        Raises: BindError, also when another process serves the same Unix socket.
        """
        if self._unix_path is not None:
            self._socket = _open_unix(self._unix_path, self._setting)
            self._file = _identity(self._unix_path)
            self.address = str(self._unix_path)
        else:
            self._socket, self._bound = open_socket("TCP", self._host, self._port, self._setting)
            self.address = join(self._bound.host, self._bound.port)
        return self.address

    def bound(self, transport: str) -> Bound:
        """Return the address of a server that is bound to one, as a listener of a transport."""
        assert self._bound is not None, "a Unix socket has none"
        return replace(self._bound, transport=transport)

    async def start(self) -> None:
        """Serve from now on; `bind` came before."""
        assert self._socket is not None, "bind first"
        config = uvicorn.Config(
            self._app,
            # Both are called as the class of a protocol would be.
            http=cast(type, self.connections),
            ws="none" if self._websockets is None else cast(type, self._websockets),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=self._limits.head_bytes,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
        )
        config.load()
        config.ssl = self._tls
        self._server = server = _Server(config)
        self._task = asyncio.create_task(server.serve(sockets=[self._socket]))
        async with asyncio.timeout(_START_S):
            while not server.started and not self._task.done():  # noqa: ASYNC110  # no event is offered
                await asyncio.sleep(0.001)
        if self._task.done():
            await self._task

    async def stop(self, grace_s: float = 1.0) -> None:
        """Stop serving; requests under way get up to `grace_s` seconds. May be called twice."""
        server, task = self._server, self._task
        self._server = self._task = None
        if server is not None and task is not None:
            server.should_exit = True
            _, pending = await asyncio.wait((task,), timeout=grace_s)
            if pending:
                server.force_exit = True
                task.cancel()
                await asyncio.wait((task,), timeout=grace_s)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._remove_file()

    def _remove_file(self) -> None:
        # A successor may have put its own socket there in the meantime.
        if self._unix_path is None:
            return
        with contextlib.suppress(OSError):
            if _identity(self._unix_path) == self._file:
                self._unix_path.unlink()


def _open_unix(path: Path, setting: str) -> socket.socket:
    """Open a Unix socket that only our user can connect to; a dead one is replaced."""
    address = f"unix:{path}"
    if _answers(path):
        raise BindError(address, setting, "another node is running")
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    # The mode is set by the mask, not afterwards: there is no moment in which others may connect.
    mask = os.umask(0o177)
    try:
        if path.is_socket():
            path.unlink()
        opened.bind(str(path))
        opened.listen(64)
    except OSError as error:
        opened.close()
        raise BindError(address, setting, (error.strerror or str(error)).lower()) from error
    finally:
        os.umask(mask)
    return opened


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_ino, found.st_ctime_ns


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
