# SPDX-License-Identifier: Apache-2.0
"""The clocks of the machine."""

from __future__ import annotations

import time
from functools import partial


class SystemClock:
    """Monotonic seconds for deadlines, epoch seconds for dates and for what outlives the process.

    The date is read once and goes on by itself: when somebody sets the machine's clock, by hours or
    years, nothing that is kept falls due at once (threats.md section 11). Time that the machine
    slept counts.
    """

    __slots__ = ("_offset", "_running")

    def __init__(self) -> None:
        self._running = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
        self._offset = time.time() - self._running()  # noqa: TID251  # the one clock for all

    #: Monotonic seconds; a change of the date does not touch them. Asked for every message: the
    #: function itself, with no call in between.
    now = staticmethod(time.monotonic)

    def wall(self) -> float:
        """Return seconds since the epoch, UTC, by the date that was set when this was made."""
        return self._running() + self._offset

    def behind(self) -> float:
        """Return by how many seconds the machine's clock has been set forward since."""
        return time.time() - self.wall()  # noqa: TID251
