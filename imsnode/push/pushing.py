# SPDX-License-Identifier: Apache-2.0
"""Everything of a node that has to do with waking devices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sip.proxy import Fork

from .. import settings as settings_of
from ..metrics import Metrics
from ..seal import Seal
from .bucket import Bucket
from .capability import Capability
from .device import Device
from .dialogs import Dialogs
from .dispatcher import Dispatcher
from .messages import MessageWaker
from .push import Push
from .reference import References
from .refresher import Refresher
from .sender import Sender
from .webhook import WebhookSender, webhook_secret

if TYPE_CHECKING:
    from ..app import App
    from ..config import Config

__all__ = ["Pushing"]

COUNTS = {
    "sent": "Push notifications sent.",
    "failed": "Push notifications that the sender could not hand on.",
    "joined": "Push notifications not sent: one to the same device was under way.",
    "dropped": "Push notifications not sent: too many were under way.",
    "woken": "Devices that registered after one.",
}
BUCKET = {
    "released": "Requests sent on to devices that have been woken.",
    "given_up": "Requests that waited for devices that did not come.",
}


class Pushing:
    """The parts that wake devices, joined to the node.

    Raises: ConfigError for a sender that cannot be loaded.
    """

    def __init__(self, app: App) -> None:
        config, location, timers = app.config, app.location, app.edge.endpoint.timers
        self.dispatcher = Dispatcher(
            self._sender(app, config), config.push.parallel, config.push.timeout
        )
        self.bucket = Bucket(
            location.targets, location.device_of, timers, config.push.wait, config.push.waiting
        )
        self.push = Push(
            location.bindings,
            self.dispatcher,
            self.bucket,
            settings_of.push_settings(config),
            lambda: f"push_{app.ids.token(20)}",
            app.clock.now,
        )
        self.references = References(Seal(app.edge.key_for(b"purr")), location.bindings)
        self.refresher = Refresher(self.push, location.bindings, timers)
        location.asleep = self.push.asleep
        location.heed(self.push.moved)
        app.registrar.push = Capability(self.push, self.references.of)
        app.node.push = self.push
        app.node.aiming.dialogs = Dialogs(self.push, self.references, location)
        app.messaging.pager.waker = self
        app.messaging.pager.observe(
            MessageWaker(self.push, self._everybody, app.storage.ledger, app.clock.wall)
        )
        self._bindings = location.bindings

    def _sender(self, app: App, config: Config) -> Sender:
        if config.push.sender == "webhook":
            secret = webhook_secret(app.edge.key)
            return WebhookSender(app.messaging.poster, config.push.url, secret, app.clock.wall)
        return settings_of.push_sender(config)

    def start(self, bound: Iterable[str], now: float) -> None:
        """Watch the registrations of an earlier run."""
        self.refresher.start(bound, now)

    def configure(self, config: Config) -> None:
        """Use other settings from now on."""
        self.push.settings = settings_of.push_settings(config)
        self.bucket.wait_s, self.bucket.most = config.push.wait, config.push.waiting
        self.dispatcher.most, self.dispatcher.timeout_s = config.push.parallel, config.push.timeout

    def registered(self, aor: str, now: float) -> None:
        """Send what waited for the devices of a user, one of which has registered."""
        self.bucket.arrived(aor, now)
        self.refresher.watch(aor, now)

    def expect(self, fork: Fork, recipient: str, device: str, now: float) -> int:
        """Wake the devices that a message is for which may not be stored (`pager.ports.Waker`)."""
        return self.push.expect(fork, recipient, "message", now, device)

    def hold(self, fork: Fork, recipient: str, device: str, now: float) -> None:
        """Let such a message wait for them."""
        self.bucket.hold(fork, recipient, device, now)

    def report(self, metrics: Metrics) -> None:
        """Show what was done under public names."""
        metrics.stats("push", self.push.stats, COUNTS)
        metrics.stats("push", self.bucket, BUCKET)
        metrics.gauge("push_waiting", "Requests that wait for devices.", lambda: self.bucket.count)

    async def close(self) -> None:
        """Give up what is under way."""
        await self.dispatcher.close()

    def _everybody(self, aor: str, now: float) -> Sequence[Device]:
        found = map(self.push.device, self._bindings(aor, now))
        return list(dict.fromkeys(device for device in found if device is not None))
