# SPDX-License-Identifier: Apache-2.0
"""Requests that wait until a name is looked up: each once, however often it is repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sip.endpoint import Endpoint
from sip.errors import BadMessage
from sip.flow import Flow
from sip.message import Request
from sip.transaction.keys import server_key

from .ways import Search, Way

__all__ = ["Held"]

#: The part of all places that one name may take, so that a name server that says nothing stops
#: only those who ask it.
_SHARE: Final = 4


class Held:
    """What waits, within a bound. A request has no transaction before it goes on.

    Args: most: requests at a time. wake: has the endpoint's timers and output looked after.
    keys: the transactions of those that wait, for who only wants to know that there are none.
    """

    def __init__(self, endpoint: Endpoint, most: int, wake: Callable[[], None]) -> None:
        self.endpoint = endpoint
        self.most = most
        self.wake = wake
        self.keys: set[bytes] = set()
        self._names: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def has(self, request: Request) -> bool:
        """Tell whether a request repeats one that waits."""
        return server_key(request) in self.keys

    def hold(
        self, request: Request, flow: Flow, search: Search, go: Callable[[Way, float], None]
    ) -> bool:
        """Keep a request until its way is known, then `go`; False when too many wait."""
        name = search.hops[0].host
        waiting = self._names.get(name, 0)
        if len(self.keys) >= self.most or waiting * _SHARE >= self.most:
            return False
        waiter = _Waiter(self, request, flow, name, go)
        self.keys.add(waiter.key)
        self._names[name] = waiting + 1
        search.then(waiter.found)
        return True

    def release(self, key: bytes, name: str) -> None:
        """Let go of a request."""
        self.keys.discard(key)
        self._names[name] -= 1
        if not self._names[name]:
            del self._names[name]


class _Waiter:
    """One request that waits for a name, and what is to be done with it."""

    __slots__ = ("_flow", "_go", "_held", "_name", "_request", "_way", "key")

    def __init__(
        self, held: Held, request: Request, flow: Flow, name: str, go: Callable[[Way, float], None]
    ) -> None:
        self.key = server_key(request)
        self._held = held
        self._request = request
        self._flow = flow
        self._name = name
        self._go = go
        self._way: Way | None = None

    def found(self, way: Way) -> None:
        """Go on in the endpoint's own time, where a fault costs this request and no other."""
        self._way = way
        self._held.endpoint.timers.schedule(0.0, self, 0)
        self._held.wake()

    def on_timer(self, kind: int, now: float) -> None:
        """Go on."""
        assert self._way is not None
        self._held.release(self.key, self._name)
        try:
            self._go(self._way, now)
        except BadMessage as error:
            # A part that is parsed on demand turned out to be broken.
            self._held.endpoint.reply(
                self._request, self._flow, error.status_hint, now, error.phrase
            )
