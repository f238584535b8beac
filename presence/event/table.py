# SPDX-License-Identifier: Apache-2.0
"""The subscriptions of one event package, by resource."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .package import EventPackage
from .ports import Watch
from .subscription import Subscription

__all__ = ["Table", "Waiting"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A watcher whom nobody decided about before it left; since: wall seconds."""

    number: int
    resource: str
    watcher: str
    since: float


class Table:
    """Who follows which resource.

    watches: those inside the node. waiting: by resource and watcher.
    """

    __slots__ = ("_by_resource", "package", "waiting", "watches")

    def __init__(self, package: EventPackage) -> None:
        self.package = package
        self.watches: dict[str, list[Watch]] = {}
        self.waiting: dict[str, dict[str, Waiting]] = {}
        # A tuple is replaced by every change, so it can be passed on while they happen.
        self._by_resource: dict[str, tuple[Subscription, ...]] = {}

    def of(self, resource: str) -> Sequence[Subscription]:
        """Return the subscriptions to a resource, oldest first."""
        return self._by_resource.get(resource, ())

    def resources(self) -> Sequence[str]:
        """Return every resource that somebody follows."""
        return tuple(self._by_resource)

    def add(self, sub: Subscription) -> None:
        """Enter a subscription."""
        self._by_resource[sub.resource] = (*self._by_resource.get(sub.resource, ()), sub)

    def remove(self, sub: Subscription) -> None:
        """Take a subscription out."""
        left = tuple(one for one in self._by_resource.get(sub.resource, ()) if one is not sub)
        if left:
            self._by_resource[sub.resource] = left
        else:
            self._by_resource.pop(sub.resource, None)

    def all_waiting(self) -> Sequence[Waiting]:
        """Return every watcher who left undecided."""
        return tuple(one for some in self.waiting.values() for one in some.values())

    def wait(self, waiting: Waiting) -> None:
        """Remember a watcher who left undecided."""
        self.waiting.setdefault(waiting.resource, {})[waiting.watcher] = waiting

    def forget(self, waiting: Waiting) -> None:
        """Forget such a watcher."""
        of_resource = self.waiting.get(waiting.resource, {})
        of_resource.pop(waiting.watcher, None)
        if not of_resource:
            self.waiting.pop(waiting.resource, None)
