# SPDX-License-Identifier: Apache-2.0
"""One subscription, as its notifier sees it (RFC 6665 4.2)."""

from __future__ import annotations

from math import inf
from sys import intern
from typing import Final, Protocol

from sip.dialog import Dialog
from sip.flow import Flow

from .adaptive import AdaptiveRate
from .package import Decision, EventPackage, Terms
from .states import WatcherEvent, WatcherState

__all__ = ["EXPIRY", "NEWS", "NOW", "RATE", "Subscription", "TimerOwner"]

#: What `due` says: the state changed (as often as the rate lets it be told), or something that
#: must be told at once.
NEWS: Final = 1
NOW: Final = 2

#: Kinds of timers.
EXPIRY: Final = 1
RATE: Final = 2


class TimerOwner(Protocol):
    """Who is told of a subscription's timers."""

    def on_subscription_timer(self, sub: Subscription, kind: int, now: float) -> None: ...


class Subscription:
    """A watcher's subscription to the state of a resource.

    For packages: `resource`, `watcher` ("" without identity), `decision`, `terms`, `kind` (media
    type of its bodies), `interest` (what the package made of the terms), `memo` (what was sent
    last; None when full state is due), `version` (of the last body that had one, -1 before).

    number: its name in the store. event_id: `id` of Event. cseq_limit: numbers up to here may be
    used without asking the store. since, expires_at: monotonic seconds. ending: for when the timer
    of its end is set. gap_s, longest_s: least and most time between two NOTIFYs, 0.0 for no demand.
    not_before: when the rate permits the next one. due: NEWS, NOW. busy: a NOTIFY waits for the
    store or its answer. kept: the store has the subscription. flow: the way to the watcher when it
    talks to us itself, with `origin` (transport, host, port) to find it again; `bound` when there
    is no other way (NAT, or a connection). suppress: entity tag whose state need not be sent
    (RFC 5839). etag: of the state that was sent last. adaptive: the adaptive minimum rate, None
    without one. charging: the icid-value under which the watcher's network accounts for it, b""
    for none.
    """

    __slots__ = (
        "adaptive", "armed", "bound", "busy", "charging", "contact", "cseq_limit", "decision",
        "dialog", "due", "ending", "etag", "event", "event_id", "expires_at", "flow", "gap_s",
        "interest", "kept", "kind", "longest_s", "memo", "not_before", "number", "origin", "owner",
        "package", "rates", "resource", "retry_after", "since", "state", "suppress", "terms",
        "version", "watcher",
    )  # fmt: skip

    def __init__(
        self,
        owner: TimerOwner,
        number: int,
        package: EventPackage,
        resource: str,
        watcher: str,
        dialog: Dialog,
        terms: Terms,
        event_id: bytes,
        contact: bytes,
        now: float,
    ) -> None:
        self.owner = owner
        self.number = number
        self.package = package
        # One user is a party of many subscriptions.
        self.resource = intern(resource)
        self.watcher = intern(watcher)
        self.dialog = dialog
        self.terms = terms
        self.event_id = event_id
        self.contact = contact
        self.since = now
        self.expires_at = now
        self.ending = inf
        self.state: WatcherState = WatcherState.INIT
        self.event: WatcherEvent = WatcherEvent.SUBSCRIBE
        self.decision: Decision | None = None
        self.kind: bytes = package.types[0] if package.types else b""
        self.interest: object = None
        self.memo: object = None
        self.version = -1
        self.cseq_limit = 0
        self.gap_s = package.interval_s
        self.longest_s = 0.0
        self.rates = b""
        self.not_before = 0.0
        self.due = 0
        self.busy = False
        self.kept = False
        self.armed = 0.0
        self.flow: Flow | None = None
        self.origin: tuple[str, str, int] | None = None
        self.bound = False
        self.suppress = b""
        self.etag = b""
        self.retry_after = -1
        self.charging = b""
        self.adaptive: AdaptiveRate | None = None

    def __repr__(self) -> str:
        return f"<Subscription {self.number} {self.package.name} {self.watcher} {self.resource}>"

    def on_timer(self, kind: int, now: float) -> None:
        """Pass a timer on."""
        self.owner.on_subscription_timer(self, kind, now)

    @property
    def live(self) -> bool:
        """True while its watcher is told of anything."""
        return self.state in (WatcherState.PENDING, WatcherState.ACTIVE)
