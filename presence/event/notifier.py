# SPDX-License-Identifier: Apache-2.0
"""The notifier: every subscription of the node, and what happens to them (RFC 6665 4.2).

All that concerns one subscription happens here, in one order, on one thread (design D1). SUBSCRIBE
requests come from `presence.event.subscribe`, NOTIFYs leave by `presence.event.delivery`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf

from sip.dialog import Dialog, DialogKey
from sip.timers import TimerQueue

from .delivery import Delivery
from .fields import parse_event
from .package import Decision, EventPackage, Refused, Standing
from .ports import Clock, KeptSubscription, Observer, SubscriptionStore, Watch
from .review import Reviews
from .rounds import Rounds
from .settings import NotifierSettings
from .states import WatcherEvent, WatcherState, next_state
from .subscription import EXPIRY, NEWS, NOW, RATE, Subscription
from .table import Table, Waiting

__all__ = ["Notifier"]


class Notifier:
    """Subscriptions by dialog and by resource.

    Args:
        delivery: carries NOTIFYs; it is told here whose notifier it is.
        store: keeps subscriptions; what is promised has been kept before.
    """

    def __init__(
        self,
        packages: Iterable[EventPackage],
        delivery: Delivery,
        store: SubscriptionStore,
        timers: TimerQueue,
        clock: Clock,
        settings: NotifierSettings,
    ) -> None:
        self.settings = settings
        self.delivery = delivery
        self.store = store
        self.timers = timers
        self.clock = clock
        self.observers: list[Observer] = []
        self.dialogs: dict[DialogKey, Subscription] = {}
        self.by_watcher: dict[str, int] = {}
        self.next_number = 1
        self._tables: dict[str, Table] = {}
        self._rounds = Rounds(timers, clock, delivery)
        self._reviews = Reviews(timers, clock, self._decide, self._reviewed)
        delivery.notifier = self
        for package in packages:
            self.add(package)

    # ---------------------------------------------------------------- packages

    def add(self, package: EventPackage) -> None:
        """Serve one more package."""
        self._tables[package.key] = Table(package)
        package.joined(self)

    def package(self, name: str) -> EventPackage | None:
        """Return the package of that name."""
        table = self._tables.get(name)
        return None if table is None else table.package

    @property
    def allow_events(self) -> bytes:
        """The Allow-Events header line."""
        names = sorted({table.package.name for table in self._tables.values()})
        return b"Allow-Events: " + ", ".join(names).encode("ascii")

    # ----------------------------------------------------------------- look-up

    def __len__(self) -> int:
        return len(self.dialogs)

    def subscriptions(self, package: str, resource: str) -> Sequence[Subscription]:
        """Return the live subscriptions to a resource, oldest first."""
        table = self._tables.get(package)
        return () if table is None else table.of(resource)

    def resources(self, package: str) -> Sequence[str]:
        """Return what has subscriptions."""
        table = self._tables.get(package)
        return () if table is None else table.resources()

    def waiting(self, package: str, resource: str) -> Sequence[Waiting]:
        """Return the undecided watchers of a resource who have gone (RFC 3857 4.7)."""
        table = self._tables.get(package)
        return () if table is None else tuple(table.waiting.get(resource, {}).values())

    def __iter__(self) -> Iterator[Subscription]:
        return iter(list(self.dialogs.values()))

    def number(self) -> int:
        """Return a number that no subscription has had."""
        self.next_number += 1
        return self.next_number - 1

    # ------------------------------------------------------------------ events

    def changed(self, package: str, resource: str, now: float) -> None:
        """Tell everybody who follows a resource that its state changed, as rates permit."""
        table = self._tables.get(package)
        if table is None:
            return
        subs = table.of(resource)
        if subs:
            self._rounds.run(subs, NEWS, now)
        for watch in table.watches.get(resource, ()):
            watch.changed(resource, now)

    def touch(self, sub: Subscription, now: float) -> None:
        """Tell one subscription that there is news for it."""
        sub.due |= NEWS
        self.delivery.push(sub, now)

    def touch_all(self, subs: Sequence[Subscription], now: float) -> None:
        """Tell these subscriptions, some at a time, that there may be news for them."""
        self._rounds.run(subs, NEWS, now)

    def authorise_again(self, package: str, resource: str, now: float) -> None:
        """Ask anew what everybody who follows a resource may see, and tell those who notice."""
        table = self._tables.get(package)
        if table is not None:
            self._reviews.begin(table, resource, now)

    def settled(self, resource: str, done: Callable[[], None]) -> None:
        """Call ``done`` when everybody who follows a resource has been decided about."""
        self._reviews.settled(resource, done)

    def _reviewed(self, table: Table, resource: str, now: float) -> None:
        wall = self.clock.wall()
        for waiting in list(table.waiting.get(resource, {}).values()):
            standing = table.package.authorise(resource, waiting.watcher, wall).standing
            if standing is not Standing.CONFIRM:
                self.forget_waiting(table, waiting)
        for watch in table.watches.get(resource, ()):
            watch.changed(resource, now)
            for observer in self.observers:
                observer.on_watch(table.package.key, resource, watch, True)

    def watch(self, package: str, resource: str, watch: Watch) -> None:
        """Have `watch` told of every change of a resource."""
        table = self._tables[package]
        table.watches.setdefault(resource, []).append(watch)
        self._came_back(table, resource, watch.sub.watcher)
        for observer in self.observers:
            observer.on_watch(package, resource, watch, True)

    def watches(self, package: str, resource: str) -> Sequence[Watch]:
        """Return who inside the node follows a resource."""
        table = self._tables.get(package)
        return () if table is None else table.watches.get(resource, ())

    def wait(self, package: str, resource: str, watch: Watch) -> None:
        """Remember a watcher whose watch is about to end undecided (RFC 3857 4.7)."""
        table, watcher = self._tables[package], watch.sub.watcher
        others = [one.sub for one in table.watches.get(resource, ()) if one is not watch]
        if all(sub.watcher != watcher for sub in (*others, *table.of(resource))):
            self._wait(table, self.number(), resource, watch.sub)

    def unwatch(self, package: str, resource: str, watch: Watch) -> None:
        """Take back `watch`."""
        watches = self._tables[package].watches
        left = [one for one in watches.get(resource, ()) if one is not watch]
        if left:
            watches[resource] = left
        else:
            watches.pop(resource, None)
        for observer in self.observers:
            observer.on_watch(package, resource, watch, False)

    # ---------------------------------------------------- life of a subscription

    def begin(self, sub: Subscription, now: float) -> None:
        """Enter a subscription that is new; nobody is told before it is kept."""
        self.dialogs[sub.dialog.key] = sub
        table = self._tables[sub.package.key]
        table.add(sub)
        self.by_watcher[sub.watcher] = self.by_watcher.get(sub.watcher, 0) + 1
        self._came_back(table, sub.resource, sub.watcher)

    def admit(self, sub: Subscription, decision: Decision, now: float) -> None:
        """Take a decision about a subscription and draw the conclusion from it."""
        sub.decision = decision
        if decision.standing is Standing.BLOCK:
            self.terminate(sub, WatcherEvent.REJECTED, now)
        elif decision.standing is Standing.CONFIRM:
            self._move(sub, WatcherEvent.SUBSCRIBE, now)
        else:
            self._move(sub, WatcherEvent.APPROVED, now)

    def terminate(
        self,
        sub: Subscription,
        event: WatcherEvent,
        now: float,
        *,
        silent: bool = False,
        retry_after: int = -1,
    ) -> None:
        """End a subscription.

        silent: its watcher is not told, because the dialog is gone. retry_after: seconds after
        which it may come back (RFC 6665 4.1.3).
        """
        if sub.state is WatcherState.TERMINATED:
            return
        undecided = next_state(sub.state, event) is WatcherState.WAITING
        sub.event = event
        sub.retry_after = retry_after
        self.dialogs.pop(sub.dialog.key, None)
        table = self._tables[sub.package.key]
        table.remove(sub)
        self._count_off(sub.watcher)
        sub.package.close(sub)
        told = sub.state is not WatcherState.INIT and not silent
        if told:
            # What the last NOTIFY shows is what was active until now.
            self.delivery.part(sub, now)
        sub.state = WatcherState.TERMINATED
        self.delivery.forget(sub)
        waits = undecided and self._wait(table, sub.number, sub.resource, sub)
        if sub.kept and not waits:
            self.store.append(sub.number, None, _nobody_waits)
        for observer in self.observers:
            observer.on_transition(sub, event, now)

    def remove(
        self,
        number: int,
        now: float,
        event: WatcherEvent = WatcherEvent.DEACTIVATED,
        retry_after: int = -1,
    ) -> bool:
        """End the subscription of that number, or forget the watcher; False when there is none."""
        for sub in self.dialogs.values():
            if sub.number == number:
                self.terminate(sub, event, now, retry_after=retry_after)
                return True
        for table in self._tables.values():
            for waiting in table.all_waiting():
                if waiting.number == number:
                    self.forget_waiting(table, waiting)
                    return True
        return False

    def forget_user(self, aor: str, now: float) -> None:
        """End all subscriptions to somebody who is no user any more, and all of that user."""
        for sub in list(self.dialogs.values()):
            if sub.resource == aor:
                self.terminate(sub, WatcherEvent.NORESOURCE, now)
            elif sub.watcher == aor:
                self.terminate(sub, WatcherEvent.DEACTIVATED, now)
        for table in self._tables.values():
            for waiting in table.all_waiting():
                if aor in (waiting.resource, waiting.watcher):
                    self.forget_waiting(table, waiting)

    def ended_early(self, sub: Subscription) -> None:
        """Forget a subscription that was terminated before the store had it."""
        self.store.append(sub.number, None, _nobody_waits)

    def prolong(self, sub: Subscription, expires: int, now: float) -> None:
        """Set the time at which a subscription ends unless it is refreshed."""
        sub.expires_at = now + expires
        self._arm(sub)

    def _arm(self, sub: Subscription) -> None:
        """Set the timer of its end, unless one is set that comes before and looks again."""
        if sub.expires_at < sub.ending:
            sub.ending = sub.expires_at
            self.timers.schedule(sub.ending, sub, EXPIRY)

    def on_subscription_timer(self, sub: Subscription, kind: int, now: float) -> None:
        """Expire, ask for a new decision, or send what the rate held back."""
        if sub.state is WatcherState.TERMINATED:
            return
        if kind == EXPIRY:
            if sub.ending <= now:
                sub.ending = inf
            if sub.expires_at <= now:
                self.terminate(sub, WatcherEvent.TIMEOUT, now)
            else:
                self._arm(sub)
        elif kind == RATE:
            sub.armed = 0.0
            decision = sub.decision
            if decision is not None and decision.until <= self.clock.wall():
                wall = self.clock.wall()
                decision = sub.package.authorise(sub.resource, sub.watcher, wall)
                self._decide(sub, decision, now)
            self.delivery.on_rate(sub, now)

    # ------------------------------------------------------------------- store

    def keep(self, sub: Subscription, done: Callable[[bool], None]) -> None:
        """Have the store keep a subscription as it is now."""
        self.store.append(sub.number, self.delivery.kept(sub), done)

    def restore(self, rows: Iterable[tuple[int, KeptSubscription]], now: float) -> int:
        """Go on with what the store holds; every watcher is told the current state, in turn.

        Returns: how many subscriptions there are.
        """
        wall = self.clock.wall()
        for number, kept in rows:
            self.next_number = max(self.next_number, number + 1)
            table = self._tables.get(kept.package)
            gone = kept.since + self.settings.waiting_s if kept.waiting else kept.expires_at
            if table is None or gone <= wall:
                self.store.append(number, None, _nobody_waits)
            elif kept.waiting:
                table.wait(Waiting(number, kept.resource, kept.watcher, kept.since))
            else:
                self._resume(number, kept, table.package, now, wall)
        subs = sorted(self.dialogs.values(), key=lambda sub: sub.number)
        self._rounds.run(subs, NOW, now, self.settings.restore_batch)
        return len(subs)

    def _resume(
        self, number: int, kept: KeptSubscription, package: EventPackage, now: float, wall: float
    ) -> None:
        dialog = Dialog(
            kept.call_id, kept.local_tag, kept.remote_tag, kept.local_uri, kept.remote_uri,
            kept.remote_target, kept.route_set, kept.local_cseq, kept.remote_cseq, kept.secure,
        )  # fmt: skip
        event = parse_event(kept.terms.event)
        sub = Subscription(
            self, number, package, kept.resource, kept.watcher, dialog, kept.terms, event.id,
            kept.contact, now - max(0.0, wall - kept.since),
        )  # fmt: skip
        sub.version = kept.version
        sub.cseq_limit = kept.local_cseq
        sub.origin = kept.origin if kept.origin[0] else None
        sub.bound = kept.bound
        sub.kept = True
        self.delivery.pace(sub, event)
        self.begin(sub, now)
        try:
            package.open(sub, wall)
        except Refused:
            self.prolong(sub, 0, now)
        else:
            self.prolong(sub, max(0, int(kept.expires_at - wall)), now)
        sub.decision = package.authorise(sub.resource, sub.watcher, wall)
        pending = sub.decision.standing is Standing.CONFIRM
        sub.state = WatcherState.PENDING if pending else WatcherState.ACTIVE
        if sub.decision.standing is Standing.BLOCK:
            sub.state = WatcherState.ACTIVE
            self.terminate(sub, WatcherEvent.REJECTED, now)

    # ------------------------------------------------------------------ inside

    def _decide(self, sub: Subscription, decision: Decision, now: float) -> None:
        if not sub.live:
            return
        before = sub.decision
        if before is not None and decision.standing is before.standing:
            sub.decision = decision
            if decision.view != before.view and sub.state is WatcherState.ACTIVE:
                sub.due |= NOW
                self.delivery.push(sub, now)
            return
        self.admit(sub, decision, now)
        if sub.live:
            sub.due |= NOW
            self.delivery.push(sub, now)

    def _move(self, sub: Subscription, event: WatcherEvent, now: float) -> None:
        sub.state = next_state(sub.state, event)
        sub.event = event
        for observer in self.observers:
            observer.on_transition(sub, event, now)

    def _wait(self, table: Table, number: int, resource: str, sub: Subscription) -> bool:
        """Remember a watcher under a number; False for one without a name, or too many."""
        known = table.waiting.get(resource, {})
        if not sub.watcher or sub.watcher in known or len(known) >= self.settings.waiting:
            return False
        wall = self.clock.wall()
        table.wait(Waiting(number, resource, sub.watcher, wall))
        kept = KeptSubscription(
            table.package.key, resource, sub.watcher, sub.terms, wall, wall, waiting=True
        )
        self.store.append(number, kept, _nobody_waits)
        return True

    def _came_back(self, table: Table, resource: str, watcher: str) -> None:
        """Forget a watcher who waited: its new subscription is what there is to decide about."""
        waiting = table.waiting.get(resource, {}).get(watcher)
        if waiting is not None:
            self.forget_waiting(table, waiting)

    def forget_waiting(self, table: Table, waiting: Waiting) -> None:
        """Forget a watcher who waited for a decision."""
        table.forget(waiting)
        self.store.append(waiting.number, None, _nobody_waits)

    def _count_off(self, watcher: str) -> None:
        left = self.by_watcher.get(watcher, 0) - 1
        if left > 0:
            self.by_watcher[watcher] = left
        else:
            self.by_watcher.pop(watcher, None)


def _nobody_waits(_committed: bool) -> None:
    """When it is lost the dialog's peer says so after the next start, by a 481."""
