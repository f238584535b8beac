# SPDX-License-Identifier: Apache-2.0
"""Messages too large for a MESSAGE, for devices that take no sessions: a link stands for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from pager.ports import Carried
from pager.values import StoredMessage
from sip.errors import BadMessage

from ..oversize import TooLarge

__all__ = ["Linking"]

_KNOWN: Final = 1000

#: move(sender, readers, person, Content-Type, octets, as RCS): see `Oversize.move`.
Move = Callable[[str, Sequence[str], str, bytes, bytes, bool], Awaitable[tuple[bytes, bytes]]]


class Linking:
    """Puts contents into files, once for a message, however often it is tried.

    Args: move: see `Move`. now: monotonic seconds. wake: has the endpoint's output sent.
    """

    def __init__(self, move: Move, now: Callable[[], float], wake: Callable[[], None]) -> None:
        self._move = move
        self._now = now
        self._wake = wake
        self._known: dict[str, tuple[bytes, bytes]] = {}
        self._moving: set[asyncio.Task[None]] = set()

    def send(self, message: StoredMessage, kind: bytes, as_rcs: bool, carried: Carried) -> None:
        """Have a link sent to a device; 413 where no file can be kept for the sender."""
        task = asyncio.get_running_loop().create_task(self._send(message, kind, as_rcs, carried))
        self._moving.add(task)
        task.add_done_callback(self._moving.discard)

    async def _send(
        self, message: StoredMessage, kind: bytes, as_rcs: bool, carried: Carried
    ) -> None:
        content = self._known.get(message.id)
        if content is None:
            try:
                content = await self._move(
                    message.sender, (message.recipient,), "", kind, message.body, as_rcs
                )
            except (TooLarge, BadMessage):
                carried.done(413, self._now())
                self._wake()
                return
            if len(self._known) >= _KNOWN:
                del self._known[next(iter(self._known))]
            self._known[message.id] = content
        carried.otherwise(self._now(), content)
        self._wake()
