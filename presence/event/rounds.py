# SPDX-License-Identifier: Apache-2.0
"""Many NOTIFYs without holding up anybody else: some at a time, the rest when the loop comes by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sip.timers import TimerQueue

from .delivery import Delivery
from .ports import Clock
from .subscription import Subscription

__all__ = ["Rounds"]

_AT_ONCE: Final = 250  # subscriptions that are served before anything else has its turn
_PAUSE_S: Final = 0.1
_SLICE_S: Final = 0.02  # for how long they may be served


class Rounds:
    """Walks through subscriptions and pushes each."""

    def __init__(self, timers: TimerQueue, clock: Clock, delivery: Delivery) -> None:
        self._timers = timers
        self._clock = clock
        self._delivery = delivery

    def run(self, subs: Sequence[Subscription], due: int, now: float, paced: int = 0) -> None:
        """Mark all of `subs` as due, and push them; `paced` are so many in a tenth of a second."""
        for sub in subs:
            sub.due |= due
        _Round(self, subs, paced).on_timer(0, now)

    def serve(self, subs: Sequence[Subscription], start: int, end: int, now: float) -> int:
        """Push some, fewer than asked for when they take long; returns where to go on."""
        delivery, clock = self._delivery, self._clock
        begun = clock.now()
        while start < end:
            delivery.push(subs[start], now)
            start += 1
            if clock.now() - begun > _SLICE_S:
                break
        return start

    def again(self, at: float, target: _Round) -> None:
        """Go on with a round."""
        self._timers.schedule(at, target, 0)


class _Round:
    """One walk through many subscriptions."""

    __slots__ = ("_at", "_paced", "_rounds", "_subs")

    def __init__(self, rounds: Rounds, subs: Sequence[Subscription], paced: int) -> None:
        self._rounds = rounds
        self._subs = subs
        self._paced = paced
        self._at = 0

    def on_timer(self, kind: int, now: float) -> None:
        end = min(self._at + (self._paced or _AT_ONCE), len(self._subs))
        self._at = self._rounds.serve(self._subs, self._at, end, now)
        if self._at < len(self._subs):
            pause = self._paced and self._at == end
            self._rounds.again(now + (_PAUSE_S if pause else 0.0), self)
