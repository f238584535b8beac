# SPDX-License-Identifier: Apache-2.0
"""New decisions about everybody who follows a resource, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from sip.timers import TimerQueue

from .package import Decision
from .ports import Clock
from .subscription import Subscription
from .table import Table

__all__ = ["Reviews"]

_SLICE_S: Final = 0.02  # for how long decisions are made before anything else has its turn

#: Takes a decision about a subscription.
Decide = Callable[[Subscription, Decision, float], None]
#: What is left to do when all decisions have been made, by (table, resource, now).
Closing = Callable[[Table, str, float], None]


class Reviews:
    """Has everybody who follows a resource decided about anew, each watcher once.

    A review that begins ends one of the same resource that is under way.
    """

    def __init__(self, timers: TimerQueue, clock: Clock, decide: Decide, closing: Closing) -> None:
        self._timers = timers
        self._clock = clock
        self._decide = decide
        self._closing = closing
        self._running: dict[tuple[str, str], _Review] = {}
        self._waiting: dict[str, list[Callable[[], None]]] = {}

    def begin(self, table: Table, resource: str, now: float) -> None:
        """Decide at once about as many as there is time for, soon about the others."""
        key = (table.package.key, resource)
        review = self._running[key] = _Review(self, table, resource)
        review.on_timer(0, now)

    def settled(self, resource: str, done: Callable[[], None]) -> None:
        """Call ``done`` when no review of a resource is under way, at once if there is none."""
        if self._under_way(resource):
            self._waiting.setdefault(resource, []).append(done)
        else:
            done()

    def _under_way(self, resource: str) -> bool:
        return any(one == resource for _, one in self._running)

    def go_on(self, review: _Review, now: float) -> None:
        """Make decisions until there are none left, or time is up."""
        table, resource, wall = review.table, review.resource, self._clock.wall()
        key = (table.package.key, resource)
        if self._running.get(key) is not review:
            return
        del self._running[key]  # whatever happens, nobody waits for ever
        if self._some(review, wall, now):
            self._running[key] = review
            self._timers.schedule(now, review, 0)
            return
        self._closing(table, resource, now)
        if not self._under_way(resource):
            for done in self._waiting.pop(resource, ()):
                done()

    def _some(self, review: _Review, wall: float, now: float) -> bool:
        """Decide about some; True when there may be others."""
        begun = self._clock.now()
        for sub in review.left:
            decision = review.decided.get(sub.watcher)
            if decision is None:
                decision = review.table.package.authorise(review.resource, sub.watcher, wall)
                review.decided[sub.watcher] = decision
            self._decide(sub, decision, now)
            if self._clock.now() - begun > _SLICE_S:
                return True
        return False


class _Review:
    """One walk through the subscriptions to a resource."""

    __slots__ = ("_reviews", "decided", "left", "resource", "table")

    def __init__(self, reviews: Reviews, table: Table, resource: str) -> None:
        self._reviews = reviews
        self.table = table
        self.resource = resource
        self.left: Iterator[Subscription] = iter(table.of(resource))
        self.decided: dict[str, Decision] = {}

    def on_timer(self, _kind: int, now: float) -> None:
        self._reviews.go_on(self, now)
