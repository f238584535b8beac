# SPDX-License-Identifier: Apache-2.0
"""When the writer is roused: once the event loop has nothing else to do, or after a moment.

A flush costs much the same for one operation and for fifty, and a writer that works beside a busy
loop takes the interpreter from it again and again. So what the loop still has in hand goes first:
the operations that come of it join the group. A loop at rest lets a lone operation through at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Defer", "Pace"]

_LONGEST_S = 0.004  # an operation waits so long for a loop that does not come to rest

Defer = Callable[[Callable[[], None]], object]


class Pace:
    """Watches the loop from within; all methods run on its thread.

    Args:
        rouse: starts the writer on what is queued.
        defer: runs a callable in the loop's next round (loop.call_soon); None rouses without delay.
    """

    __slots__ = ("_defer", "_rouse", "_seen", "_turns", "_until", "_watching")

    def __init__(self, rouse: Callable[[], None], defer: Defer | None) -> None:
        self._rouse = rouse
        self._defer = defer
        self._watching = False
        self._turns = 0
        self._seen = -1
        self._until = 0.0

    def turned(self) -> None:
        """Take note that the loop has done something: a wake-up ends."""
        self._turns += 1

    def queued(self) -> None:
        """Take note that something waits for the writer."""
        if self._watching:
            return
        if self._defer is None:
            self._rouse()
            return
        self._watching = True
        self._seen = -1
        self._until = time.monotonic() + _LONGEST_S
        self._defer(self._look)

    def _look(self) -> None:
        # Between two looks the loop has asked the system once for what is ready.
        if self._turns != self._seen and self._defer is not None:
            self._seen = self._turns
            if time.monotonic() < self._until:
                self._defer(self._look)
                return
        self._watching = False
        self._rouse()
