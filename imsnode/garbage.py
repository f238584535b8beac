# SPDX-License-Identifier: Apache-2.0
"""When Python looks for objects that hold each other in memory, and gives memory back.

What the node makes for messages ends with its last reference; only what asyncio, HTTP and errors
leave behind needs the collector of cycles. A full collection walks everything that transactions
keep for 32 seconds (RFC 3261 timer J) and stands in the way of every message for that long. So by
itself Python looks at what is young, and at everything in a quiet moment, or when there has been
none for long.

The C library keeps what was freed. Behind a rush, all users registering at once for example, that
is as much as the transactions of half a minute, so what it has is given back in the same moment.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable

#: Objects made and kept until the youngest are looked at, which takes half a millisecond; with the
#: next older ones every fifth time, which takes two; the oldest never by themselves. Looking less
#: often costs no less, since nearly all of them are kept, and each look takes longer.
THRESHOLDS = (2_000, 5, 1_000_000)
LOOK_S = 10.0
QUIET_S = 60.0  # between full collections, when the node has little to do
BUSY_S = 900.0  # the same when it is never quiet
QUIET = 1_000  # transactions


def give_back() -> None:
    """Return free pages to the system; without effect where the C library is not GNU's."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Garbage:
    """Decides when cycles are collected.

    Args: transactions: how many are remembered now.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, transactions: Callable[[], int]) -> None:
        self.collections = 0
        self._loop = loop
        self._transactions = transactions
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Collect what the start left behind; from now on nobody collects but this."""
        gc.set_threshold(*THRESHOLDS)
        self._collect()
        self._timer = self._loop.call_later(LOOK_S, self._look)

    def stop(self) -> None:
        """Leave the collector alone."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        pause = QUIET_S if self._transactions() < QUIET else BUSY_S
        if self._loop.time() - self._last >= pause:
            self._collect()
        self._timer = self._loop.call_later(LOOK_S, self._look)

    def _collect(self) -> None:
        """Collect; what is left lives long and is not walked again."""
        gc.collect()
        gc.freeze()
        give_back()
        self.collections += 1
        self._last = self._loop.time()
