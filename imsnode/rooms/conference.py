# SPDX-License-Identifier: Apache-2.0
"""The package `conference`: who is in a room, for those who may come in (RFC 4575)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from presence.event.package import Body, Decision, Standing
from presence.event.states import WatcherEvent
from presence.event.subscription import Subscription
from presence.packages.own import OwnPackage, Terrain
from session_msrp.rooms.conference import MEDIA_TYPE, Roster
from session_msrp.rooms.live import LiveRoom

__all__ = ["ConferencePackage"]

_MAY: Final = Decision(Standing.ALLOW, None, "may come into the room")
_MAY_NOT: Final = Decision(Standing.BLOCK, None, "may not come into the room")


class ConferencePackage(OwnPackage):
    """`presence.event.package.EventPackage` for rooms. Args: most: participants of a room."""

    def __init__(self, rooms: Mapping[str, LiveRoom], most: int, terrain: Terrain) -> None:
        super().__init__("conference", MEDIA_TYPE, terrain)
        self._rooms = rooms
        self._most = most
        self._rosters: dict[str, Roster] = {}

    def admits(self, resource: str) -> bool:
        """Tell whether there is such a room."""
        return resource in self._rooms

    def authorise(self, resource: str, watcher: str, wall: float) -> Decision:
        """Show the roster to whoever may come in."""
        live = self._rooms.get(resource)
        may = live is not None and live.room.role_of(watcher) is not None
        return _MAY if may and watcher else _MAY_NOT

    def render(self, sub: Subscription, wall: float) -> Body | None:
        """Return everybody, or what changed since the last NOTIFY."""
        live = self._rooms.get(sub.resource)
        if live is None:
            return None
        roster = self._rosters.get(sub.resource)
        if roster is None:
            roster = self._rosters[sub.resource] = Roster(live, self._most)
        since = sub.memo if isinstance(sub.memo, int) else None
        sub.memo = live.changes.revision
        sub.version += 1
        return Body(MEDIA_TYPE, roster.document(since, sub.version))

    def changed(self, live: LiveRoom, now: float) -> None:
        """Tell the watchers of a room."""
        self.notifier.changed(self.key, live.room.aor, now)

    def rules_changed(self, aor: str, now: float) -> None:
        """Decide anew who may follow a room."""
        self.notifier.authorise_again(self.key, aor, now)

    def removed(self, aor: str, now: float) -> None:
        """End the subscriptions to a room that is no more."""
        self._rosters.pop(aor, None)
        for sub in list(self.notifier.subscriptions(self.key, aor)):
            self.notifier.terminate(sub, WatcherEvent.NORESOURCE, now)
