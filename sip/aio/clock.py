# SPDX-License-Identifier: Apache-2.0
"""The clocks of the machine."""

from __future__ import annotations

import time


class SystemClock:
    """Monotonic seconds for deadlines, epoch seconds for dates."""

    __slots__ = ()

    def now(self) -> float:
        """Return monotonic seconds; a change of the date does not touch them."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since the epoch, UTC."""
        return time.time()  # noqa: TID251  # the one clock everybody else is handed
