# SPDX-License-Identifier: Apache-2.0
"""The presence server of the node: the packages it serves, and what it tells them of its users."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from presence.documents.compose import Facts
from presence.event.package import Decision, EventPackage, Standing
from presence.event.states import WatcherEvent
from presence.packages.dialog import DialogPackage
from presence.packages.message_summary import MessageSummaryPackage
from presence.packages.own import Terrain
from presence.packages.presence import PresencePackage
from presence.packages.reg import RegPackage
from presence.packages.winfo import WatcherInfoPackage
from presence.packages.xcap_diff import XcapDiffPackage
from presence.publication.publication import PublishedPackage
from sip.errors import ParseError
from sip.flow import Flow
from sip.registrar import Binding

from .. import settings as settings_of
from ..storage import StorageError
from .authority import PresenceRules
from .chronicle import Chronicle
from .lists import LISTS, SERVICES, Lists
from .service import EventSettings, PresenceServer

if TYPE_CHECKING:
    from ..app import App

__all__ = ["RULES", "Presence"]

#: Where users keep hard state (RFC 4827) and rules: application usage and name of the document.
HARD_STATE: Final = ("pidf-manipulation", "index")
RULES: Final = (("pres-rules", "index"), ("org.openmobilealliance.pres-rules", "pres-rules"))

_SETTLED_S: Final = 5.0  # for how long a change of rules waits for its decisions


class Presence:
    """Everything of a node that has to do with event state."""

    def __init__(self, app: App) -> None:
        self._app = app
        config, storage = app.config, app.storage
        settings = settings_of.event_settings(config)
        self._strangers = settings_of.watcher_standing(config)
        self.rules = PresenceRules(self._documents, self._standing, self._is_on_list)
        self.presence = PresencePackage(
            self.rules,
            app.admission.is_user,
            self._facts,
            settings.subscription,
            settings.interval_s,
            self._hard_state,
        )
        terrain = Terrain(
            app.admission.is_user, app.clock.now, settings.subscription, settings.interval_s
        )
        self.reg = RegPackage(
            app.location.bindings,
            terrain,
            app.registrar.words.gruus,
            app.admission.directory.identities.shown,
        )
        keeper = app.messaging.pager.keeper
        self.summary = MessageSummaryPackage(keeper.untaken, terrain)
        self.dialog = DialogPackage(self._decide, terrain)
        self.diff = XcapDiffPackage(app.documents, app.admission.is_user, settings.interval_s)
        self.lists = Lists(
            [self.presence],
            app.documents,
            lambda uri: app.edge.names.is_local(uri.rpartition("@")[2]),
            app.edge.proxy,
            self._way_to,
            settings.lists,
            self._expect,
        )
        packages: list[EventPackage] = [
            self.presence,
            WatcherInfoPackage(self.presence.key, terrain),
            self.reg,
            self.summary,
            self.dialog,
            self.diff,
            *self.lists.packages,
        ]
        published: list[PublishedPackage] = [self.presence, self.dialog]
        self.server = PresenceServer(
            app.edge.proxy,
            app.location,
            storage.subscriptions,
            storage.publications,
            packages,
            published,
            app.clock,
            settings,
            app.retry_after,
        )
        self.server.subscribes.choose = self.lists.choose
        self.server.remotes = self.lists.remotes
        #: Says whether a user is in a room; set where rooms are to show in presence.
        self.in_room: Callable[[str], bool] = _in_no_room
        self._by_operator = ""
        app.location.moved = self._moved
        keeper.counted = self._counted
        self.server.notifier.observers.append(Chronicle(storage.ledger, app.clock.wall))
        app.documents.observe(self)
        app.documents.settle = self._settle

    def start(self, now: float) -> None:
        """Go on with what the store holds; blocks while it reads."""
        storage = self._app.storage
        self.server.compositor.restore(storage.publications.load(), now)
        self.server.notifier.restore(storage.subscriptions.load(), now)

    def configure(self, settings: EventSettings, strangers: dict[str, Standing]) -> None:
        """Put other settings in force; who was told something else hears of it."""
        self.server.configure(settings)
        self.lists.configure(settings.lists)
        if strangers != self._strangers:
            self._strangers = strangers
            notifier, now = self.server.notifier, self._app.clock.now()
            followed = {*notifier.resources(self.presence.key), *notifier.resources("dialog")}
            for resource in followed:
                self._decide_again(resource, now)

    def document_changed(
        self, auid: str, xui: str, path: str, old: str | None, new: str | None, now: float
    ) -> None:
        """Decide anew about everybody who follows a user whose rules changed.

        Who follows hard state or the document itself is told.
        """
        self.diff.document_changed(auid, xui, path, old, new, now)
        if auid in (SERVICES, LISTS):
            self.lists.changed(xui, now, self._app.clock.wall())
        # Rules may be for the members of a list (OMA's external-list).
        if (auid, path) in RULES or auid == LISTS:
            self.rules.forget(xui)
            self._decide_again(xui, now)
        elif (auid, path) == HARD_STATE:
            self.presence.state_changed(xui, now)
        self._app.edge.driver.wake()

    async def _settle(self, owner: str) -> None:
        """Wait until everybody who follows a user whose rules changed has been decided about."""
        settled = asyncio.Event()
        self.server.notifier.settled(owner, settled.set)
        with contextlib.suppress(TimeoutError):  # a fault in a decision must not hold up an answer
            async with asyncio.timeout(_SETTLED_S):
                await settled.wait()

    def _hard_state(self, aor: str) -> bytes | None:
        """Return what a user keeps for when no device publishes; None when it cannot be read."""
        try:
            return self._app.documents.get(HARD_STATE[0], aor, HARD_STATE[1])
        except StorageError:
            return None

    def _documents(self, aor: str) -> list[bytes]:
        """Return the rules of a user; what cannot be read lets nobody in (threats.md X7)."""
        try:
            found = [self._app.documents.get(auid, aor, path) for auid, path in RULES]
        except StorageError as error:
            raise ParseError("rules", f"rules cannot be read: {error}") from error
        return [document for document in found if document is not None]

    def _expect(self, users: list[str]) -> None:
        """Have what the presence of these users depends on read at once."""
        try:
            self._app.documents.expect(users, (HARD_STATE, *RULES))
        except StorageError:
            return  # each will be asked for alone, and its failure is told there

    def _is_on_list(self, owner: str, reference: str, watcher: str) -> bool:
        return self.lists.is_member(owner, reference, watcher)

    def _way_to(self, host: str, now: float) -> Flow | None:
        """Return a flow to whoever takes requests for a foreign domain."""
        return self._app.node.onward.way_to(host, now)

    def ended_by_operator(self, aor: str) -> None:
        """Take note that the next change of a user's bindings is an operator's."""
        self._by_operator = aor

    def remove(self, number: int, reason: str, retry_after: int) -> bool:
        """End a subscription by order of the operator; False when there is none.

        reason: of RFC 6665 4.1.3. retry_after: seconds, -1 for no word.
        """
        notifier, now = self.server.notifier, self._app.clock.now()
        removed = notifier.remove(number, now, WatcherEvent[reason.upper()], retry_after)
        self._app.edge.driver.wake()
        return removed

    def users_gone(self, aors: Iterable[str]) -> None:
        """End what concerns users who are removed or switched off."""
        now = self._app.clock.now()
        for aor in aors:
            self.rules.forget(aor)
            self.server.notifier.forget_user(aor, now)
            self.server.compositor.forget_user(aor, now)
        self._app.edge.driver.wake()

    def _decide(self, resource: str, watcher: str, wall: float) -> Decision:
        return self.presence.authorise(resource, watcher, wall)

    def _decide_again(self, resource: str, now: float) -> None:
        for key in (self.presence.key, self.dialog.key):
            self.server.notifier.authorise_again(key, resource, now)

    def _counted(self, aor: str) -> None:
        self.summary.counted(aor, self._app.clock.now())

    def _standing(self, aor: str) -> Standing:
        return self._strangers.get(aor.rpartition("@")[2], Standing.BLOCK)

    def _facts(self, aor: str) -> Facts:
        registered = bool(self._app.location.bindings(aor, self._app.clock.now()))
        return Facts(registered, self.in_room(aor))

    def _moved(
        self, aor: str, old: tuple[Binding, ...], new: tuple[Binding, ...], now: float
    ) -> None:
        """Take note that devices came or went."""
        by_operator, self._by_operator = self._by_operator == aor, ""
        self.reg.moved(aor, old, new, now, by_operator)
        if new:
            self.server.delivery.came(aor, now)
        if bool(old) != bool(new):
            self.presence.state_changed(aor, now)


def _in_no_room(_aor: str) -> bool:
    return False
