# SPDX-License-Identifier: Apache-2.0
"""Servers that did not answer, and for how long others are tried first.

Spec: RFC 3263 4.3; RFC 3261 21.5.4 (Retry-After of a 503).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeVar

__all__ = ["Quarantine"]

_MOST = 4096

_Key = TypeVar("_Key", bound=Hashable)


class Quarantine:
    """Servers that failed, each until a monotonic time. A full table forgets its oldest entry.

    Nobody in it is refused: where every server of a domain is, they are tried in their old order.
    """

    __slots__ = ("_until", "period_s")

    def __init__(self, period_s: float) -> None:
        self.period_s = period_s
        self._until: dict[Hashable, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def add(self, server: Hashable, now: float) -> None:
        """Put a server behind the others for the period."""
        self._until.pop(server, None)
        if len(self._until) >= _MOST:
            del self._until[next(iter(self._until))]
        self._until[server] = now + self.period_s

    def holds(self, server: Hashable, now: float) -> bool:
        """Tell whether a server is behind the others; one whose time is over is forgotten."""
        until = self._until.get(server)
        if until is None:
            return False
        if until > now:
            return True
        del self._until[server]
        return False

    def release(self, server: Hashable) -> None:
        """Forget what was held against a server that answers."""
        self._until.pop(server, None)

    def ordered(self, servers: Iterable[_Key], now: float) -> list[_Key]:
        """Return servers with those that failed last, otherwise in their order."""
        if not self._until:
            return list(servers)
        return sorted(servers, key=lambda each: self.holds(each, now))
