# SPDX-License-Identifier: Apache-2.0
"""The chat rooms of a node: what answers for their addresses, and what others may ask of them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from presence.packages.own import Terrain
from session_msrp.rooms.edits import RoomRefused
from session_msrp.rooms.live import LiveRoom
from session_msrp.rooms.ports import Changed, Edit
from session_msrp.rooms.values import Room
from sip.flow import Flow
from sip.message import Request
from sip.routing import Refusal

from .. import settings as settings_of
from ..identity.accounts import Account
from ..msrp import new_tid
from ..msrp.talks import Talks
from .conference import ConferencePackage
from .contact import contact_for, hidden_as, unsupported
from .factory import Factory, factory_aor
from .focus import NOT_FOUND, Focus
from .invitation import Done
from .inviting import Inviting
from .keeping import Keeping
from .referring import Referring
from .upkeep import Upkeep

if TYPE_CHECKING:
    from ..app import App

__all__ = ["Rooms"]

_SWEEP_S: Final = 5.0
_METHODS: Final = b"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, REFER, SUBSCRIBE, UPDATE"


class Rooms:
    """Serves the addresses of all rooms (`imsnode.services.Service`); rooms: those there are."""

    def __init__(self, app: App, talks: Talks) -> None:
        self._app = app
        config, names = app.config, app.edge.names
        self.upkeep = Upkeep(app)
        self.focus = Focus(
            settings_of.room_limits(config),
            self.upkeep.keeper,
            app.clock,
            new_tid,
            names.aor_of,
            self._name_of,
        )
        self.keeping = Keeping(self.focus, app.storage.rooms, app.services, app.clock)
        self.keeping.service = self
        self.keeping.observers.append(self.upkeep.changed)
        self.rooms: Mapping[str, LiveRoom] = self.keeping.rooms
        self.inviting = Inviting(
            self.focus, talks, app.location, app.clock, names.is_local, self._way_to,
            app.edge.driver.wake,
        )  # fmt: skip
        self.referring = Referring(
            talks, self.focus, self.keeping, self.inviting, app.clock, names.aor_of,
            app.messaging.policies.turns_away, app.edge.driver.wake,
        )  # fmt: skip
        self.focus.requested_of = self.referring.within
        self.focus.onlookers.append(self.upkeep)
        self.factory = self._factory(talks) if config.rooms.factory else None
        self._talks = talks
        self._sweeper: asyncio.TimerHandle | None = None
        self._join_presence()
        app.admission.directory.on_change.append(self._account_changed)

    def _factory(self, talks: Talks) -> Factory:
        app = self._app
        factory = Factory(
            settings_of.factory_settings(app.config),
            app.edge.endpoint,
            talks,
            self.focus,
            self.keeping,
            self.inviting,
            app.storage.rooms,
            app.clock,
            app.edge.names.aor_of,
            self._may_be_called,
            self._must_be_asked,
            app.messaging.policies.turns_away,
            _new_name,
            app.edge.driver.wake,
        )
        app.services.offer(factory, [factory_aor(domain) for domain in app.config.domains])
        return factory

    def _join_presence(self) -> None:
        """Let rosters be followed, and presence know who is in a room."""
        app, presence = self._app, self._app.presence
        if presence is None:
            self.focus.changed = lambda live, now: app.edge.driver.wake()
            return
        settings = settings_of.event_settings(app.config)
        terrain = Terrain(
            app.admission.is_user, app.clock.now, settings.subscription, settings.interval_s
        )
        package = ConferencePackage(self.rooms, app.config.rooms.participants, terrain)
        presence.server.host(package)

        def changed(live: LiveRoom, now: float) -> None:
            package.changed(live, now)
            app.edge.driver.wake()

        self.focus.changed = changed
        self.keeping.rules_changed = package.rules_changed
        self.keeping.removed = package.removed
        if app.config.rooms.presence:
            presence.in_room = self.focus.is_present
            self.focus.moved = presence.presence.state_changed

    # -- start, stop -----------------------------------------------------------------------------

    def start(self) -> None:
        """Take up the rooms of the store; blocks while it reads."""
        app = self._app
        self.keeping.start(app.storage.rooms.load_all(), app.clock.now())
        self.upkeep.open(self.rooms, self.focus.switch, self._call, self.keeping.change)
        self._sweep()

    def _sweep(self) -> None:
        self.keeping.sweep(self._app.clock.now())
        self._sweeper = self._app.loop.call_later(_SWEEP_S, self._sweep)

    def stop(self) -> None:
        """Begin nothing further; the sessions end with all others."""
        if self._sweeper is not None:
            self._sweeper.cancel()

    # -- requests --------------------------------------------------------------------------------

    def request(self, request: Request, flow: Flow, sender: str, aor: str, now: float) -> None:
        """Answer one request for a room."""
        live = self.rooms.get(aor)
        refusal: Refusal | None = None
        if live is None or not live.room.is_known_to(sender):
            refusal = NOT_FOUND
        elif request.method == "SUBSCRIBE":
            refusal = self._subscribe(request, flow, sender, aor, now)
        elif request.method == "MESSAGE":
            self.upkeep.door.request(request, flow, sender, live, now)
        elif request.method == "REFER" and not request.to_tag:
            self.referring.outside(request, flow, sender, live, now)
        elif request.method == "INVITE" and not request.to_tag:
            refusal = unsupported(request) or self.focus.refusal(live, sender)
            refusal = refusal or self._join(request, flow, sender, live, now)
        elif request.method == "OPTIONS":
            contact = b"Contact: " + contact_for(request, aor)
            lines = (_METHODS, contact, b"Accept: application/sdp, message/cpim")
            refusal = Refusal(200, None, lines)
        elif request.to_tag:
            refusal = Refusal(481, None, ())
        else:
            refusal = Refusal(405, None, (_METHODS,))
        if refusal is not None:
            self._app.edge.endpoint.reply(
                request, flow, refusal.status, now, refusal.reason, refusal.lines
            )

    def _subscribe(
        self, request: Request, flow: Flow, sender: str, aor: str, now: float
    ) -> Refusal | None:
        events = self._app.node.events
        if events is None:
            return Refusal(489, b"Presence is switched off", ())
        hidden = bool(hidden_as(request, aor, str))
        served = events.request(request, flow, sender, aor, hidden, now)
        return None if served else Refusal(489, None, (b"Allow-Events: conference",))

    def _join(
        self, request: Request, flow: Flow, sender: str, live: LiveRoom, now: float
    ) -> Refusal | None:
        aor = live.room.aor
        hidden = hidden_as(request, aor, _new_name)
        talk = self._talks.take(
            self.focus, request, flow, aor, sender, self.focus.limits.msrp, now,
            contact=contact_for(request, aor),
        )  # fmt: skip
        if isinstance(talk, Refusal):
            return talk
        self.focus.admit(talk, live, hidden)
        return None

    # -- for operators, programs and other parts ---------------------------------------------------

    async def changed(self, aors: Sequence[str] | None) -> int:
        """Put in force what a command wrote into the store; None: about any room.

        Returns: how many rooms there are.
        """
        if aors is None:
            load = self._app.storage.rooms.table.load_all
            stored = await self._app.loop.run_in_executor(None, load)
            aors = list({*(room.aor for room in stored), *self.rooms})
        for aor in aors:
            # Read in turn with changes that are on their way: no older state comes last.
            what = await self._changed(aor, lambda there: there, "")
            live = self.rooms.get(aor)
            if live is not None and what.room is None and not what.refused:
                self.keeping.apply(live.room, None, self._now())
        self._app.edge.driver.wake()
        return len(self.rooms)

    async def change(self, aor: str, edit: Edit, actor: str) -> Room | None:
        """Change a room and put it in force; returns it, None when it is no more.

        Raises: RoomRefused.
        """
        what = await self._changed(aor, edit, actor)
        if what.refused:
            raise RoomRefused(what.refused)
        self._app.edge.driver.wake()
        return what.room

    async def _changed(self, aor: str, edit: Edit, actor: str) -> Changed:
        done: asyncio.Future[Changed] = self._app.loop.create_future()
        self.keeping.change(aor, edit, done.set_result, actor)
        return await done

    def kick(self, aor: str, who: str, by: str) -> int:
        """End every session of somebody in a room; returns how many there were."""
        live = self.rooms.get(aor)
        ended = 0 if live is None else self.focus.remove(live, who, f"removed by {by}")
        self._app.edge.driver.wake()
        return ended

    def invite(self, aor: str, people: Iterable[str], by: str = "") -> int:
        """Call people into a room; returns how many devices ring."""
        live = self.rooms.get(aor)
        before = self.inviting.called
        if live is not None:
            for who in people:
                self.inviting.invite(live, who, _nobody_asks, by)
        self._app.edge.driver.wake()
        return self.inviting.called - before

    def _call(self, aor: str, who: str, done: Done) -> None:
        live = self.rooms.get(aor)
        if live is None:
            done(404)
        else:
            self.inviting.invite(live, who, done)
            self._app.edge.driver.wake()

    def participants(self, aor: str) -> list[Mapping[str, Any]]:
        """Say who is in a room, a row for each session."""
        live = self.rooms.get(aor)
        if live is None:
            return []
        return [
            {
                "user": visit.aor,
                "role": live.role(visit.participant).value,
                "nickname": visit.nickname,
                "since": visit.began,
                "messages": visit.messages,
                "octets": visit.octets,
            }
            for visit in live.visits
        ]

    def _account_changed(self, aor: str, account: Account | None) -> None:
        if account is None or not account.enabled:
            self.focus.dismiss(aor, "the account is switched off")

    # -- small ports -----------------------------------------------------------------------------

    def _now(self) -> float:
        return self._app.clock.now()

    def _name_of(self, aor: str) -> str:
        account = self._app.admission.directory.get(aor)
        return "" if account is None else account.display_name

    def _may_be_called(self, aor: str) -> bool:
        """Say whether somebody on a list can be: a user, or somebody of a domain with a route."""
        host = aor.rpartition("@")[2]
        if self._app.edge.names.is_local(host):
            return self._app.admission.is_user(aor)
        return self._app.node.onward.knows(host)

    def _must_be_asked(self, aor: str) -> bool:
        """Say whether somebody elsewhere has not agreed to be on lists (RFC 5360)."""
        names, lists = self._app.edge.names, self._app.messaging.mailing.list_service
        return not names.is_local(aor.rpartition("@")[2]) and not lists.consent.given(aor)

    def _way_to(self, host: str, now: float) -> Flow | None:
        """Return a flow to whoever takes requests for a foreign domain."""
        return self._app.node.onward.way_to(host, now)


def _new_name() -> str:
    """Return a name that nobody can guess: 80 random bits."""
    return secrets.token_hex(10)


def _nobody_asks(_status: int) -> None:
    """The roster shows who came."""
