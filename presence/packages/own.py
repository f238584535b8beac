# SPDX-License-Identifier: Apache-2.0
"""What packages have in common whose state is shown to the user alone whom it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..event.package import Decision, Standing
from ..event.subscription import Subscription
from .negotiate import choose_type

if TYPE_CHECKING:
    from ..event.notifier import Notifier

__all__ = ["OwnPackage", "Terrain"]

_OWN: Final = Decision(Standing.ALLOW, None, "own state")
_OTHERS: Final = Decision(Standing.BLOCK, None, "state of somebody else")


@dataclass(frozen=True, slots=True)
class Terrain:
    """What all packages of a node share.

    known: tells whether an AoR is a user. now: monotonic seconds. expires: default, least and most
    seconds of a subscription. interval_s: between two NOTIFYs.
    """

    known: Callable[[str], bool]
    now: Callable[[], float]
    expires: tuple[int, int, int] = (3_600, 60, 3_600)
    interval_s: float = 5.0


class OwnPackage:
    """The part of `presence.event.package.EventPackage` that does not depend on the state."""

    lines: tuple[bytes, ...] = ()

    def __init__(self, name: str, kind: bytes, terrain: Terrain) -> None:
        self.key = self.name = name
        self.types: tuple[bytes, ...] = (kind,)
        self.expires_default, self.expires_min, self.expires_max = terrain.expires
        self.interval_s = terrain.interval_s
        self.terrain = terrain

    def joined(self, notifier: Notifier) -> None:
        """Learn who tells the watchers."""
        self.notifier = notifier

    def admits(self, resource: str) -> bool:
        """Tell whether there is such a user."""
        return self.terrain.known(resource)

    def authorise(self, resource: str, watcher: str, wall: float) -> Decision:
        """Let users see what is theirs."""
        return _OWN if watcher == resource else _OTHERS

    def open(self, sub: Subscription, wall: float) -> None:
        """Check what is accepted. Raises: Refused (406)."""
        sub.kind = choose_type(sub.terms.accept, self.types)

    def close(self, sub: Subscription) -> None:
        """Nothing was taken."""

    def etag(self, sub: Subscription, wall: float) -> bytes:
        """Give none: what a NOTIFY says depends on the one before."""
        return b""
