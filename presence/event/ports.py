# SPDX-License-Identifier: Apache-2.0
"""What the event framework needs from the world around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sip.flow import Flow

    from .package import Terms
    from .states import WatcherEvent
    from .subscription import Subscription

__all__ = ["Clock", "KeptSubscription", "Observer", "SubscriptionStore", "Watch", "Way"]

#: Way(sub, now): the flow to a watcher whose own flow is gone; None when there is none now.
Way = Callable[["Subscription", float], "Flow | None"]


class Clock(Protocol):
    """Time for what a commit or an answer sets off: monotonic and wall seconds."""

    def now(self) -> float: ...
    def wall(self) -> float: ...


@dataclass(frozen=True, slots=True)
class KeptSubscription:
    """What of a subscription outlives the process; times are wall seconds.

    waiting: no subscription any more but a watcher the owner of the resource has to hear of
    (RFC 3857 4.7); it has no dialog. local_cseq: nothing above it was used. origin: as in
    `Subscription`, host "" for none.
    """

    package: str
    resource: str
    watcher: str
    terms: Terms
    since: float
    expires_at: float
    version: int = -1
    waiting: bool = False
    call_id: bytes = b""
    local_tag: bytes = b""
    remote_tag: bytes = b""
    local_uri: bytes = b""
    remote_uri: bytes = b""
    remote_target: bytes = b""
    route_set: tuple[bytes, ...] = ()
    local_cseq: int = 0
    remote_cseq: int = 0
    secure: bool = False
    contact: bytes = b""
    origin: tuple[str, str, int] = ("", "", 0)
    bound: bool = False


class SubscriptionStore(Protocol):
    """Keeps subscriptions by number."""

    def append(
        self, number: int, kept: KeptSubscription | None, done: Callable[[bool], None]
    ) -> None:
        """Keep the whole of a subscription, None to forget it; ``done(True)`` after the commit."""
        ...


class Watch(Protocol):
    """Somebody inside the node who follows a resource for a watcher, as lists do.

    sub: the subscription that it is part of.
    """

    @property
    def sub(self) -> Subscription: ...

    def changed(self, resource: str, now: float) -> None:
        """The state of the resource, or what may be seen of it, has changed."""
        ...


class Observer(Protocol):
    """Told of every transition of a subscription, and of watches."""

    def on_transition(self, sub: Subscription, event: WatcherEvent, now: float) -> None: ...

    def on_notified(self, sub: Subscription, status: int) -> None:
        """The first NOTIFY had its final answer, or one failed; 408 and 503 also stand for none."""
        ...

    def on_watch(self, package: str, resource: str, watch: Watch, there: bool) -> None:
        """A watch began or was decided about anew, or it ended and is not ``there`` any more."""
        ...
