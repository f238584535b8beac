# SPDX-License-Identifier: Apache-2.0
"""The life of the process: a node from its configuration until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

import uvloop

from .app import App
from .config import Config
from .logs import configure

__all__ = ["serve"]

log = logging.getLogger(__name__)


def serve(config: Config, *, announce: Callable[[str], None]) -> int:
    """Run a node in the foreground; returns the exit code.

    Args: announce: gets the one line that says that every listener accepts traffic.
    Raises: BindError for an address that cannot be opened, StorageError for a store that must not
        be used, TlsConfigError for a certificate that does not load.
    """
    configure(config.log.level, config.log.format, lines_per_source=config.limits.log_lines)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(config, announce))


async def _run(config: Config, announce: Callable[[str], None]) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    # Asked for before there is something to reload; the file may have changed since it was read.
    early: list[int] = []
    loop.add_signal_handler(signal.SIGHUP, early.append, signal.SIGHUP)
    app = App(config, loop)
    if not await _started(app, stopping):
        return 0
    try:
        loop.add_signal_handler(signal.SIGHUP, app.web.plane.reload_soon)
        if early:
            app.web.plane.reload_soon()
        announce(app.ready_line())
        await stopping.wait()
    finally:
        await app.stop()
    return 0


async def _started(app: App, stopping: asyncio.Event) -> bool:
    """Start the node; False when it was told to stop before it was ready, and is stopped."""
    starting = asyncio.ensure_future(app.start())
    told = asyncio.ensure_future(stopping.wait())
    await asyncio.wait((starting, told), return_when=asyncio.FIRST_COMPLETED)
    if not told.done():
        told.cancel()
    elif starting.cancel():
        await asyncio.wait((starting,))
        log.info("stopped while starting")
        return False
    await starting
    return True
