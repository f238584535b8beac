# SPDX-License-Identifier: Apache-2.0
"""Push notifications on their way to whoever sends them, so many at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from .sender import Notification, Sender

__all__ = ["Dispatcher"]

_log = logging.getLogger(__name__)


class Dispatcher:
    """Runs a sender in the background.

    Args: most: notifications under way at a time. timeout_s: for each of them.
    """

    def __init__(self, sender: Sender, most: int, timeout_s: float) -> None:
        self.most = most
        self.timeout_s = timeout_s
        self._sender = sender
        self._running: set[asyncio.Task[None]] = set()

    def send(self, notification: Notification, done: Callable[[str], None]) -> bool:
        """Send one; ``done`` gets "" or what went wrong. False when too many are under way."""
        if len(self._running) >= self.most:
            return False
        task = asyncio.ensure_future(self._send(notification, done))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return True

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._sender.close()

    async def _send(self, notification: Notification, done: Callable[[str], None]) -> None:
        try:
            async with asyncio.timeout(self.timeout_s):
                failure = await self._sender.send(notification)
        except TimeoutError:
            failure = "the sender took too long"
        except Exception as error:  # noqa: BLE001 - code of the operator: the node goes on
            failure = f"the sender failed: {error!r}"
        if failure:
            device = notification.device
            facts = {"aor": device.aor, "provider": device.provider, "reason": failure}
            _log.warning("push failed", extra=facts)
        done(failure)
