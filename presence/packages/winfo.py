# SPDX-License-Identifier: Apache-2.0
"""The package `presence.winfo`: who follows a user (RFC 3857, RFC 3858)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip.bodies.xml import Element, add, new_root, write_xml, written

from ..event.package import Body, Standing
from ..event.ports import Watch
from ..event.states import WatcherEvent, WatcherState
from ..event.subscription import Subscription
from .own import OwnPackage, Terrain

if TYPE_CHECKING:
    from ..event.notifier import Notifier

__all__ = ["MEDIA_TYPE", "WatcherInfoPackage"]

MEDIA_TYPE: Final = b"application/watcherinfo+xml"

_NAMESPACE: Final = "urn:ietf:params:xml:ns:watcherinfo"
_ON_LISTS: Final = 500  # watchers through lists that are told of
_ENDED: Final = 200  # watchers of one user whose end is remembered for the next NOTIFY

#: id, status and event of a watcher; what a NOTIFY said of each is compared with what is now.
_Seen = dict[str, tuple[str, str]]


class WatcherInfoPackage(OwnPackage):
    """`presence.event.package.EventPackage`, and an observer of the package it tells about.

    Args: inner: key of that package.
    """

    def __init__(self, inner: str, terrain: Terrain) -> None:
        super().__init__(f"{inner}.winfo", MEDIA_TYPE, terrain)
        self._inner = inner
        self._ended: dict[str, dict[str, _Watcher]] = {}

    def joined(self, notifier: Notifier) -> None:
        """Learn who knows the watchers."""
        super().joined(notifier)
        notifier.observers.append(self)

    def close(self, sub: Subscription) -> None:
        """Forget who left when nobody asks any more."""
        if not self.notifier.subscriptions(self.key, sub.resource):
            self._ended.pop(sub.resource, None)

    def render(self, sub: Subscription, wall: float) -> Body | None:
        """Return all watchers, or those who changed since the last NOTIFY."""
        watchers = self._watchers(sub.resource, wall)
        before: _Seen | None = sub.memo if isinstance(sub.memo, dict) else None
        sub.memo = {one.id: (one.status, one.event) for one in watchers}
        if before is not None:
            ended = self._ended.get(sub.resource, {})
            gone = [ended[one] for one in before if one not in sub.memo and one in ended]
            watchers = [w for w in watchers if before.get(w.id) != (w.status, w.event)] + gone
        sub.version += 1
        root = new_root(_NAMESPACE, "watcherinfo")
        root.set("version", str(sub.version))
        root.set("state", "full" if before is None else "partial")
        listed = add(root, "watcher-list")
        listed.set("resource", sub.resource)
        listed.set("package", self._inner)
        for watcher in watchers:
            watcher.write(listed)
        return Body(MEDIA_TYPE, write_xml(root))

    def on_transition(self, sub: Subscription, event: WatcherEvent, now: float) -> None:
        """Take note that a watcher came, was decided about, or left."""
        if sub.package.key != self._inner:
            return
        resource = sub.resource
        if not self.notifier.subscriptions(self.key, resource):
            return
        if sub.state is WatcherState.TERMINATED:
            self._remember(resource, self._watcher(sub, now))
        self.notifier.changed(self.key, resource, now)

    def on_notified(self, sub: Subscription, status: int) -> None:
        """How NOTIFYs fare is nobody else's business."""

    def on_watch(self, package: str, resource: str, watch: Watch, there: bool) -> None:
        """Take note of a watcher who follows the user on a list."""
        if package != self._inner or not self.notifier.subscriptions(self.key, resource):
            return
        sub, now = watch.sub, self.terrain.now()
        if not there:
            self._remember(resource, self._on_list(sub, "terminated", "timeout", now))
        self.notifier.changed(self.key, resource, now)

    def _remember(self, resource: str, watcher: _Watcher) -> None:
        ended = self._ended.setdefault(resource, {})
        while len(ended) >= _ENDED:
            del ended[next(iter(ended))]
        ended[watcher.id] = watcher

    def _watchers(self, resource: str, wall: float) -> list[_Watcher]:
        now = self.terrain.now()
        live = self.notifier.subscriptions(self._inner, resource)
        watchers = [self._watcher(sub, now) for sub in live if sub.live]
        watchers += self._through_lists(resource, wall, now)
        for waiting in self.notifier.waiting(self._inner, resource):
            since = max(0, int(wall - waiting.since))
            watchers.append(
                _Watcher(str(waiting.number), waiting.watcher, "waiting", "timeout", since, -1)
            )
        return watchers

    def _through_lists(self, resource: str, wall: float, now: float) -> list[_Watcher]:
        """Return who follows the user on a list, as they would stand without one (RFC 4662 4.4)."""
        inner = self.notifier.package(self._inner)
        found: dict[str, _Watcher] = {}
        for watch in self.notifier.watches(self._inner, resource):
            if inner is None or len(found) == _ON_LISTS:
                break
            standing = inner.authorise(resource, watch.sub.watcher, wall).standing
            if standing is Standing.CONFIRM:
                watcher = self._on_list(watch.sub, "pending", "subscribe", now)
            elif standing is not Standing.BLOCK:
                watcher = self._on_list(watch.sub, "active", "approved", now)
            else:
                continue
            found[watcher.id] = watcher
        return list(found.values())

    def _on_list(self, sub: Subscription, status: str, event: str, now: float) -> _Watcher:
        left = -1 if status == "terminated" else max(0, int(sub.expires_at - now))
        since = max(0, int(now - sub.since))
        return _Watcher(str(sub.number), sub.watcher, status, event, since, left)

    def _watcher(self, sub: Subscription, now: float) -> _Watcher:
        over = sub.state is WatcherState.TERMINATED
        return _Watcher(
            str(sub.number),
            sub.watcher,
            sub.state.name.lower(),
            "noresource" if sub.event is WatcherEvent.INVARIANT else sub.event.name.lower(),
            max(0, int(now - sub.since)),
            -1 if over else max(0, int(sub.expires_at - now)),
        )


class _Watcher:
    """One <watcher>; since: seconds it has been there; left: until it expires, -1 for no word."""

    __slots__ = ("event", "id", "left", "since", "status", "uri")

    def __init__(
        self, number: str, uri: str, status: str, event: str, since: int, left: int
    ) -> None:
        self.id = number
        self.uri = uri or "sip:anonymous@anonymous.invalid"
        self.status = status
        self.event = event
        self.since = since
        self.left = left

    def write(self, listed: Element) -> None:
        element = add(listed, "watcher", written(self.uri))
        element.set("id", self.id)
        element.set("status", self.status)
        element.set("event", self.event)
        element.set("duration-subscribed", str(self.since))
        if self.left >= 0:
            element.set("expiration", str(self.left))
