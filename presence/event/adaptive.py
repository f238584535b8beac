# SPDX-License-Identifier: Apache-2.0
"""The adaptive minimum rate of NOTIFYs: the more there were of late, the longer silence may last.

RFC 6446 7. The notifications of the last period are counted by an average that fades with it,
which needs no record of each.
"""

from __future__ import annotations

from math import exp
from typing import Final

__all__ = ["AdaptiveRate"]

_PERIODS: Final = 10.0  # length of the period, in reciprocals of the rate (7.4: several times)


class AdaptiveRate:
    """What one subscription asked for. rate: NOTIFYs per second."""

    __slots__ = ("_at", "_count", "rate")

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._count = _PERIODS  # as if the rate had been kept so far (7.2 step 1)
        self._at = now

    def sent(self, now: float) -> None:
        """Count a NOTIFY."""
        self._count = self._count * exp((self._at - now) * self.rate / _PERIODS) + 1.0
        self._at = now

    @property
    def timeout_s(self) -> float:
        """Seconds after which the next one is due: count / (rate^2 * period), equation (1)."""
        return self._count / (self.rate * _PERIODS)
