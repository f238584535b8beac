# SPDX-License-Identifier: Apache-2.0
"""Event packages, notifier and compositor of a node, joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from presence.event.delivery import Delivery
from presence.event.fields import parse_event
from presence.event.notifier import Notifier
from presence.event.package import EventPackage
from presence.event.ports import Clock, SubscriptionStore
from presence.event.settings import NotifierSettings
from presence.event.stats import EventStats
from presence.event.subscribe import SubscribeServer
from presence.event.subscription import Subscription
from presence.lists.backend import BackendSubscriptions
from presence.publication.compositor import Compositor, CompositorSettings
from presence.publication.publication import PublicationStore, PublishedPackage
from sip.endpoint import Endpoint
from sip.errors import ParseError
from sip.flow import Flow
from sip.forward import Proxy, Target
from sip.message import Request

from .lists import ListSettings

__all__ = ["EventSettings", "PresenceServer"]


@dataclass(frozen=True, slots=True)
class EventSettings:
    """What the presence server is told by the configuration.

    subscription: default, least and most seconds. passed_on: packages whose SUBSCRIBEs go to the
    devices of the user.
    """

    notifier: NotifierSettings = field(default_factory=NotifierSettings)
    compositor: CompositorSettings = field(default_factory=CompositorSettings)
    subscription: tuple[int, int, int] = (3_600, 60, 3_600)
    interval_s: float = 5.0
    lists: ListSettings = field(default_factory=ListSettings)
    passed_on: frozenset[str] = frozenset()


class Bindings(Protocol):
    """Where the devices of a user are (`imsnode.location.Location`)."""

    def targets(self, aor: str, now: float) -> Sequence[Target]: ...


class PresenceServer:
    """Serves SUBSCRIBE and PUBLISH for the users of the node.

    Args:
        packages: what is served; `presence` is among them.
        retry_after: header lines of a 503.
    """

    def __init__(
        self,
        proxy: Proxy,
        bindings: Bindings,
        subscriptions: SubscriptionStore,
        publications: PublicationStore,
        packages: list[EventPackage],
        published: list[PublishedPackage],
        clock: Clock,
        settings: EventSettings,
        retry_after: Callable[[], tuple[bytes, ...]],
    ) -> None:
        endpoint = proxy.endpoint
        #: Subscriptions of the node's own, which lists have.
        self.remotes: BackendSubscriptions | None = None
        self.endpoint: Endpoint = endpoint
        self.proxy = proxy
        self.stats = EventStats()
        self._bindings = bindings
        self._passed_on = settings.passed_on
        self._hosted: set[str] = set()
        self.delivery = Delivery(proxy, self._way, clock, settings.notifier, self.stats)
        self.notifier = Notifier(
            packages, self.delivery, subscriptions, endpoint.timers, clock, settings.notifier
        )
        self.subscribes = SubscribeServer(
            endpoint, self.notifier, self.delivery, clock, self._trusts, retry_after, self.stats
        )
        self.compositor = Compositor(
            published,
            endpoint,
            endpoint.ids,
            publications,
            clock,
            settings.compositor,
            retry_after,
            self.stats,
        )

    def host(self, package: EventPackage) -> None:
        """Serve a package of another part of the node for the resources that it admits.

        SUBSCRIBEs to other resources go where they went before, to the devices of a user.
        """
        self.notifier.add(package)
        self._hosted.add(package.name)

    def configure(self, settings: EventSettings) -> None:
        """Put other bounds in force, for what comes from now on."""
        self._passed_on = settings.passed_on
        self.notifier.settings = self.delivery.settings = settings.notifier
        self.compositor.settings = settings.compositor

    def request(
        self, request: Request, flow: Flow, sender: str, aor: str, hidden: bool, now: float
    ) -> bool:
        """Serve a SUBSCRIBE or PUBLISH for a user of ours; False for one that goes to devices.

        Args:
            sender: canonical AoR of the authenticated sender, "" without one. hidden: it is not to
                be known to the user, and so subscribes as nobody in particular (RFC 3323).
        """
        if request.method == "PUBLISH":
            if sender != aor:
                self.endpoint.reply(request, flow, 403, now, b"Only about oneself")
            else:
                self.compositor.request(request, flow, aor, now)
            return True
        if self._goes_on(request, aor, now):
            return False
        self.subscribes.request(request, flow, "" if hidden else sender, aor, now)
        return True

    def in_dialog(self, request: Request, flow: Flow, sender: str, now: float) -> None:
        """Serve a SUBSCRIBE to our own Contact: the refresh or the end of a subscription."""
        self.subscribes.request(request, flow, sender, "", now)

    def notified(self, request: Request, flow: Flow, now: float) -> bool:
        """Take a NOTIFY of a subscription of the node's own; False when it is of none.

        Whoever knows the tags of its dialog is the server that was subscribed to.
        """
        return self.remotes is not None and self.remotes.notified(request, flow, now)

    def _trusts(self, flow: Flow) -> bool:
        return self.proxy.trusts(flow)

    def _goes_on(self, request: Request, aor: str, now: float) -> bool:
        """Tell whether a SUBSCRIBE is for the user's devices: packages that only they may have.

        They answer for themselves (489 among it); where there are none, the node does.
        """
        value = request.get("event")
        try:
            package = parse_event(value).package if value is not None else ""
        except ParseError:
            return False
        hosted = self.notifier.package(package) if package in self._hosted else None
        if hosted is not None and hosted.admits(aor):
            return False
        if package in self._passed_on:
            return True
        return self.notifier.package(package) is None and bool(self._bindings.targets(aor, now))

    def _way(self, sub: Subscription, now: float) -> Flow | None:
        """Find the flow of a watcher who spoke to us itself (design D7): as its device registered.

        Over UDP the address it spoke from will do, which is where it was authenticated.
        """
        if sub.origin is None:
            return None
        transport, host, port = sub.origin
        for target in self._bindings.targets(sub.watcher, now):
            flow = target.flow
            here = (flow.transport, *flow.remote) == sub.origin
            if not flow.closed and (here or target.uri == sub.dialog.remote_target):
                return flow
        if transport != "UDP":
            return None
        return self.proxy.transport.flow_to(transport, host, port, now)
