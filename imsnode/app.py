# SPDX-License-Identifier: Apache-2.0
"""The one place that builds the node's areas and joins ports to implementations.

Order matters twice: nothing listens before storage is open and the bindings are back, and at the
end nothing new is taken before what is under way ended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator

from presence.xcap import Server, all_usages
from sip.aio.clock import SystemClock
from sip.aio.ids import SystemIds
from sip.gruu import Gruus

from . import settings as settings_of
from .addresses import own_addresses
from .admission import Admission
from .aiming import Aiming
from .config import Config
from .documents import Documents
from .edge import Edge
from .first_hop import FirstHop
from .garbage import Garbage
from .held import Held
from .http.app import Readiness
from .http.xcap import PATH as XCAP_PATH
from .ims.registrations import is_third_party
from .ims.roles import Roles
from .location import Location
from .mailing import reserved_aors
from .messaging import Messaging
from .msrp import Sessions
from .msrp.filegate import FileGate
from .node import Node
from .node_metrics import node_metrics
from .peers.peering import Peering
from .presence import Presence
from .push.pushing import Pushing
from .registration import Registrar
from .rooms.rooms import Rooms
from .seal import Seal
from .services import Services
from .sms.bridge import SmsBridge
from .sms.centre import ServiceCentre
from .storage import AorState, CdrSettings, Storage, StorageSettings, open_storage
from .ways import Ways
from .web import Web

__all__ = ["App"]

log = logging.getLogger(__name__)

DRAIN_S = 2.0  # for requests under way; the whole stop stays below the 5 s of the contract
SWITCH_S = 0.0001
CLOCK_STEP_S = 60.0  # what a clock may be off without a word
CLOCK_LOOK_S = 30.0


class App:
    """A node with everything it is made of; `start` and `stop` are its life."""

    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        self.config = config
        self.loop = loop
        self.clock = SystemClock()
        self.ids = SystemIds()
        self.readiness = Readiness("storage", "listeners")
        self.content_rules = settings_of.content_rules(config)
        self.sessions: Sessions | None = None
        self.rooms: Rooms | None = None
        self.pushing: Pushing | None = None

    # ------------------------------------------------------------------ start

    async def start(self) -> None:
        """Open storage, bring the state back, open the listeners, in this order."""
        config = self.config
        self.storage = self._open_storage()
        try:
            await asyncio.sleep(0)  # here and below: to be stopped between two long steps
            self._build()
            self.web.bind()
            self._open_doors()
            await asyncio.sleep(0)
            now, wall = self.clock.now(), self.clock.wall()
            if self.storage.newest() > wall + CLOCK_STEP_S:
                log.warning("the clock is behind the newest message in the store: is it set?")
            self.messaging.policies.restore(self.storage, now, wall)
            states = self._of_users(self.storage.locations.load(now, wall))
            bound = self.location.restore(states, now, wall)
            self.messaging.start(bound, now, wall)
            if self.pushing is not None:
                self.pushing.start(bound, now)
            if self.rooms is not None:
                self.rooms.start()
            if self.presence is not None:
                self.presence.start(now)
            self.readiness.watch("storage", self._storage_trouble)
            await self.web.start()
            if self.sessions is not None:
                self.sessions.start()
            self.edge.driver.start()
            self.edge.watch_certificates()
            self.peering.health.start()
            self.sms.start()
            if self.service_centre is not None:
                self.service_centre.start(now)
        except BaseException:
            await self.stop()
            raise
        self.readiness.set("listeners", None)
        self._watch_clock(0.0)
        self.garbage.start()
        # The loop asks the writer's thread for the interpreter back after every system call.
        sys.setswitchinterval(SWITCH_S)
        log.info(
            "started",
            extra={
                "domains": ",".join(config.domains),
                "accounts": len(self.admission.directory),
            },
        )

    def _open_storage(self) -> Storage:
        config = self.config
        cdr = None
        if config.cdr_file is not None:
            cdr = CdrSettings(config.cdr_file, config.cdr.rotate_size, config.cdr.keep)
        settings = StorageSettings(
            url=config.storage_url,
            duplicate_memory_s=config.pager.duplicate_memory,
            ledger_retention_s=config.ledger.retention,
            report_retention_s=config.policy.report_retention,
            cdr=cdr,
            domains=config.domains,
            reserved=reserved_aors(config.domains),
        )
        return open_storage(
            settings,
            self._deliver,
            self.clock.wall,
            os.environ.get("IMSNODE_FAIL_POINT"),
            self.loop.call_soon,
        )

    def _watch_clock(self, known: float) -> None:
        """Say it when the machine's clock was set: this node goes on by the old date."""
        behind = self.clock.behind()
        if abs(behind - known) > CLOCK_STEP_S:
            known = behind
            log.warning(
                "the machine's clock was set; the node keeps its own time until it is restarted",
                extra={"seconds": round(behind)},
            )
        self.clock_watch = self.loop.call_later(CLOCK_LOOK_S, self._watch_clock, known)

    def _deliver(self, callbacks: Callable[[], None]) -> None:
        self.loop.call_soon_threadsafe(callbacks)

    def _build(self) -> None:
        config, storage = self.config, self.storage
        self.edge = Edge(config, self.loop, self.ids)
        endpoint = self.edge.endpoint
        accounts = storage.accounts.load_all()
        self.admission = Admission(config, accounts, self.edge, self._ban, self.clock.now())
        self.peering = Peering(self, self.admission.peers)
        self.peering.take_stored(storage.peers.load_all())
        self.location = Location(
            self.edge.driver,
            endpoint.timers,
            storage.locations,
            config.registrar.device_memory,
            self.clock.wall,
            config.registrar.max_devices,
        )
        self.services = Services()
        self.documents = Documents(
            Server(all_usages(), XCAP_PATH, settings_of.xcap_limits(config)),
            storage.documents,
            lambda: self.web.xcap_root(),
            config.xcap.cache_size,
            lambda: self.ids.token(16),
            self.clock.now,
            self.clock.wall,
            self._is_used,
        )
        self.messaging = Messaging(self, self.content_rules)
        self.gruus = Gruus(Seal(self.edge.key_for(b"gruu")))
        self.registrar = Registrar(
            endpoint,
            self.location,
            self.clock,
            settings_of.registrar_limits(config),
            self.edge.contact_policy(config),
            self.messaging.pager.registered,
            self.retry_after,
        )
        self.registrar.words = settings_of.registrar_words(config, self.gruus)
        self.ways = Ways(
            self.edge.driver,
            self.edge.resolver,
            self.edge.outgoing,
            lambda host, port: self.edge.proxy.may_send_to(host, port),
            self.edge.is_inner,
            self.clock.now,
        )
        self.ways.configure(settings_of.way_settings(config))
        self.node = Node(
            endpoint,
            self.edge.proxy,
            self.edge.names,
            self.admission.directory,
            self.admission.authenticator,
            self.admission.peers,
            self.admission.users,
            self.location,
            self.registrar,
            self.messaging.pager,
            self.services,
            self.messaging.recalls,
            self.messaging.reporting,
            self.clock,
            self.peering.interconnect,
            self.peering.dial,
            self.ways,
            Held(endpoint, config.interconnect.waiting, self.edge.driver.wake),
            Aiming(self.gruus, self.edge.names, self.location),
            self.retry_after,
            self._learn_address,
        )
        self.sms = SmsBridge(self)
        ims = settings_of.ims_settings(config)
        self.ims = self.node.ims = Roles(
            self.node, ims, self.edge.limits, self.edge.key_for(b"dialogs")
        )
        self.ims.take_stored(storage.profiles.load_all())
        number = config.sms.service_centre
        self.service_centre = ServiceCentre(self, number, self.sms) if number else None
        self.node.agreement = self.admission.authenticator.agreement
        if config.edge.domains:
            self.node.first_hop = FirstHop(
                endpoint,
                self.edge.proxy,
                self.admission.peers,
                frozenset(config.edge.domains),
                self.node.onward.way_to,
                self.admission.sources.allow,
                self.admission.users.allow,
                config.edge.registrations,
            )
        if config.push.providers:
            self.pushing = Pushing(self)
            self.registrar.registered = self._registered
        self.registrar.words.identities = self.admission.directory.identities
        self.admission.admit_cards(config, self.edge, storage.cards, self.location, self.clock)
        self.presence: Presence | None = Presence(self) if config.presence.enabled else None
        self.node.events = None if self.presence is None else self.presence.server
        files = settings_of.file_policy(config)
        self.node.files = FileGate(files) if files.active else None
        takes = config.msrp.deferred or config.msrp.interwork
        if self._has_rooms():
            self._open_rooms()
        elif config.msrp.anchor != "never" or takes or config.msrp.relay:
            self._open_sessions()
        endpoint.user = self.node
        self.edge.driver.after_batch = storage.give_way
        layer = endpoint.layer
        self.garbage: Garbage = Garbage(
            self.loop, lambda: layer.server_count + layer.completed_count
        )
        self.web: Web = Web(self, self.readiness)
        node_metrics(self.web.metrics, self)

    def _open_sessions(self) -> Sessions:
        """Take part in MSRP sessions. Raises: BindError, TlsConfigError."""
        sessions = self.sessions = Sessions(self)
        if self.config.msrp.anchor != "never":
            self.node.sessions = sessions.calls
        self.node.talks, self.node.deferring = sessions.talks, sessions.deferring
        return sessions

    def _open_rooms(self) -> Rooms:
        """Serve rooms. Raises: BindError, TlsConfigError."""
        sessions = self.sessions or self._open_sessions()
        rooms = self.rooms = Rooms(self, sessions.talks)
        self.registrar.registered = self._registered
        return rooms

    def serve_rooms(self) -> None:
        """Begin to serve rooms on a running node, where there is one now; blocks.

        Raises: BindError, TlsConfigError.
        """
        if self.rooms is not None or not self._has_rooms():
            return
        if self.sessions is None:
            self._open_sessions().start()
            self._open_doors()
        self._open_rooms().start()

    def _open_doors(self) -> None:
        """Let SIP and sessions know where WebSocket connections come in."""
        doors = self.web.doors()
        for address in own_addresses(doors, self.config):
            self._learn_address(address)
        if self.sessions is not None:
            self.sessions.doors = doors

    def _has_rooms(self) -> bool:
        """Say whether rooms are served: by configuration, or because there is one; blocks."""
        enabled = self.config.rooms.enabled
        if enabled == "auto":
            listens = "listen" in self.config.msrp.model_fields_set
            return listens or bool(self.storage.rooms.load_all())
        return enabled == "on"

    def _is_used(self, aor: str) -> bool:
        """Say whether an address is a user's, a group's or a service's."""
        return (
            self.admission.directory.get(aor) is not None
            or aor in self.services.by_aor
            or self.messaging.mailing.groups.get(aor) is not None
        )

    def _of_users(self, states: Iterable[tuple[str, AorState]]) -> Iterator[tuple[str, AorState]]:
        """Leave out who was switched off while the node was down; forget who was removed."""
        for aor, state in states:
            if self.admission.is_user(aor):
                yield aor, state
            elif self.admission.directory.get(aor) is None:
                elsewhere = tuple(one for one in state.bindings if is_third_party(one))
                yield aor, AorState(elsewhere, {})

    def ready_line(self) -> str:
        """Return the line that tells which listeners accept traffic."""
        listeners = [str(bound) for bound in self.edge.bound]
        if self.sessions is not None:
            listeners += self.sessions.listeners()
        return " ".join(["imsnode ready", *listeners, *self.web.listeners()])

    # ------------------------------------------------------------------- stop

    async def stop(self) -> None:
        """Take nothing new, let what is under way end, keep everything, close."""
        if hasattr(self, "node"):
            self.node.draining = True
            self.readiness.set("listeners", "stopping")
            self.messaging.stop()
            self.edge.driver.stop_accepting()
            self.peering.health.stop()
            deadline = self.clock.now() + DRAIN_S
            layer = self.edge.endpoint.layer
            while layer.server_count and self.clock.now() < deadline:  # noqa: ASYNC110  # a count
                await asyncio.sleep(0.02)
        if self.rooms is not None:
            self.rooms.stop()
        if self.sessions is not None:
            self.sessions.stop()
        if hasattr(self, "sms"):
            await self.sms.close()
        if self.pushing is not None:
            await self.pushing.close()
        if hasattr(self, "messaging"):
            await self.messaging.close()
        if hasattr(self, "clock_watch"):
            self.clock_watch.cancel()
        if hasattr(self, "garbage"):
            self.garbage.stop()
        if hasattr(self, "web"):
            await self.web.stop()
        if self.sessions is not None:
            await self.sessions.close()
        if hasattr(self, "edge"):
            await self.edge.close(0.5)
        await self.loop.run_in_executor(None, self.storage.close, 1.5)
        # The last completions were queued before the writer ended.
        await asyncio.sleep(0)

    # ------------------------------------------------------------- small ports

    def _registered(self, aor: str, now: float) -> None:
        """Deliver to a user who has registered what waited, and what was missed in rooms."""
        if self.pushing is not None:
            self.pushing.registered(aor, now)
        self.messaging.pager.registered(aor, now)
        if self.rooms is not None:
            self.rooms.upkeep.registered(aor, now)

    def _ban(self, host: str, until: float) -> None:
        """Stop listening to a source above its rate, unless users of ours are behind it.

        Those would be silenced by whoever forges their address; of such a source only requests
        without credentials are dropped.
        """
        if not self.location.reaches(host):
            self.edge.driver.ban(host, until)

    def _learn_address(self, address: tuple[str, int]) -> None:
        """Take an address of this machine, found out by a request that came to it, for our own."""
        if self.edge.learn(address):
            self.edge.proxy.may_send_to = self.edge.next_hops(self.config)
            self.registrar.contact_allowed = self.edge.contact_policy(self.config)

    def _storage_trouble(self) -> str | None:
        # The store's own words name files and servers; those are for `imsnode status` and the log.
        return "cannot be written" if self.storage.trouble else None

    def retry_after(self) -> tuple[bytes, ...]:
        """Return the Retry-After line of a 503, spread so that clients do not come in step."""
        limits = self.config.limits
        low, high = int(limits.retry_after_min), int(limits.retry_after_max)
        return (b"Retry-After: %d" % (low + secrets.randbelow(max(1, high - low + 1))),)
