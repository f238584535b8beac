# SPDX-License-Identifier: Apache-2.0
"""What goes on around rooms: history, members who are away or have no sessions, records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from imsnode.msrp.talk import Talk
from pager.identity import MessageIds
from session_msrp.rooms.live import LiveRoom, Visit
from session_msrp.rooms.switch import Switch
from session_msrp.rooms.values import Room

from .attendance import Attendance
from .door import Door
from .feeds import Feeds
from .keeper import RoomKeeper
from .records import Records
from .replays import Replays
from .returns import Change, Invite, Returns

if TYPE_CHECKING:
    from imsnode.app import App

__all__ = ["Upkeep"]

_LOOK: Final = 1
_LOOK_S: Final = 5.0


class Upkeep:
    """Joins the parts. ``keeper`` is for the switch, which ``open`` is then given."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._store = app.storage.rooms
        self._records = Records(self._store, app.storage.ledger, app.clock.wall)
        self._talks: dict[Visit, Talk] = {}
        ids = MessageIds(app.ids.token(5))
        self.keeper = RoomKeeper(
            self._store, app.storage.ledger, ids, app.clock, self._records.call_of, self._judge,
            app.admission.users.allow,
        )  # fmt: skip
        self.attendance = Attendance(self._store, app.edge.endpoint.timers, self._is_through)

    def open(
        self, rooms: Mapping[str, LiveRoom], switch: Switch, invite: Invite, change: Change
    ) -> None:
        """Begin; blocks while it reads. Args: rooms: those there are, by AoR."""
        app = self._app
        self.attendance.start([live.room for live in rooms.values()], self._store.table.newest())
        self.feeds = Feeds(self._store, self.attendance, app.messaging.submit)
        self.keeper.onlookers += [self.feeds, self.attendance]
        self.returns = Returns(
            rooms, self._store, change, self.attendance, self.feeds, invite, app.location.targets
        )
        timers = app.edge.endpoint.timers
        self._replays = Replays(self._store, switch, self.attendance, timers, app.clock)
        self.door = Door(
            app.edge.endpoint,
            switch,
            self.returns,
            app.clock,
            app.edge.names.aor_of,
            app.config.limits.message_body_size,
            app.retry_after,
        )
        now = app.clock.now()
        for live in rooms.values():
            for member in live.room.members.values():
                if member.pager and self.attendance.owes(live.room, member.aor):
                    self.feeds.catch_up(live.room, member.aor)
        self._look_again(now)

    def _is_through(self, visit: Visit) -> bool:
        talk = self._talks.get(visit)
        connection = None if talk is None else talk.connection
        return connection is not None and not connection.unacknowledged

    def joined(self, visit: Visit, talk: Talk, now: float) -> None:
        """Take note that a session with a room stands, before anything is sent to it."""
        self._talks[visit] = talk
        self._records.joined(visit, talk, now)
        self._replays.joined(visit, talk.invite)
        self.attendance.joined(visit, now)
        self.returns.joined(visit)

    def left(self, visit: Visit, talk: Talk, why: str, now: float) -> None:
        """Take note that one ended."""
        self._talks.pop(visit, None)
        self.attendance.left(visit, why, now)
        self.returns.left(visit, why)
        self._records.left(visit, talk, why, now)

    def changed(self, before: Room | None, after: Room | None) -> None:
        """Take note of other rules or members."""
        self.attendance.changed(before, after)
        if after is None and before is not None:
            self.feeds.forget(before.aor)
            self.returns.forget(before.aor)

    def registered(self, aor: str, now: float) -> None:
        """See to a user who has just registered."""
        self.returns.registered(aor, now)

    def _judge(self, body: bytes, sender: str, room: str) -> str:
        """Hold a sender to the rules of their domain; return the one that refuses a message."""
        pager, clock = self._app.messaging.pager, self._app.clock
        if not pager.screens_all or pager.screen is None:
            return ""
        verdict = pager.screen.limit(b"message/cpim", body, sender, room, clock.now(), clock.wall())
        return "" if verdict is None else verdict.decision.rule

    def on_timer(self, kind: int, now: float) -> None:
        """Look who has gone away."""
        self.returns.look(now)
        self._look_again(now)

    def _look_again(self, now: float) -> None:
        self._app.edge.endpoint.timers.schedule(now + _LOOK_S, self, _LOOK)
