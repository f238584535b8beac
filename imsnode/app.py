# SPDX-License-Identifier: Apache-2.0
"""The one place that builds the node's objects and joins ports to implementations.

`serve` runs a node until SIGTERM or SIGINT. Order matters twice: nothing listens before storage is
open and the bindings are back, and at the end nothing new is taken before what is under way ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import uvloop

from pager import Pager
from pager.identity import MessageIds
from pager.receipts import Receipts
from sip.aio.clock import SystemClock
from sip.aio.driver import Bound, Driver, UdpOptions
from sip.aio.ids import SystemIds
from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.message import Request
from sip.nexthop import NextHopPolicy
from sip.ports import Transport
from sip.proxy import Proxy
from sip.registrar import ContactPolicy, date_line
from sip.routing import OwnNames
from sip.timers import TimerConfig
from sip.tokens import FlowTokens

from . import __version__
from . import settings as settings_of
from .addresses import listens_on_loopback, own_addresses
from .builtin import BuiltIn
from .carbons import Carbons
from .config import Config
from .content import ContentStore
from .control.path import short_path
from .control.plane import Plane
from .control.server import make_control_app
from .desk import Desk
from .echo import Echo
from .garbage import Garbage
from .history import HistoryObserver, Keeping
from .history_desk import HistoryDesk, registered
from .http.api import (
    Bearer,
    file_operations,
    make_api,
)
from .http.app import Readiness, make_app
from .http.server import HttpServer
from .identity import (
    Authenticator,
    Directory,
    FailureThrottle,
    LocalNames,
    PeerTable,
    SourceLimiter,
    UserLimiter,
)
from .identity.tokens import TokenTable
from .local import Asked, local_message
from .location import Location
from .logs import configure
from .mailing import Mailing
from .mailroom import Mailroom
from .metrics import Metrics, driver_metrics
from .node import Node
from .node_metrics import node_metrics
from .recalls import Recalls
from .receipts import Courier
from .registration import Registrar
from .screening import Policies
from .services import Services
from .storage import (
    AorState,
    CdrSettings,
    ServiceAccount,
    Storage,
    StorageSettings,
    open_storage,
)
from .tls import client_context, self_signed, server_context
from .trace import TraceHub
from .webhook import Poster, Webhook

log = logging.getLogger(__name__)

DRAIN_S = 2.0  # for requests under way; the whole stop stays below the 5 s of the contract
SWITCH_S = 0.0001
CLOCK_STEP_S = 60.0  # what a clock may be off without a word
CLOCK_LOOK_S = 30.0
OWN_ADDRESSES = 1024  # of one machine
FAULT_LINES = 20  # tracebacks a minute; the counter goes on


def serve(config: Config, *, announce: Callable[[str], None]) -> int:
    """Run a node in the foreground; returns the exit code.

    Args: announce: gets the one line that says that every listener accepts traffic.
    Raises: BindError for an address that cannot be opened, StorageError for a store that must not
        be used, TlsConfigError for a certificate that does not load.
    """
    configure(config.log.level, config.log.format, lines_per_source=config.limits.log_lines)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(config, announce))


async def _run(config: Config, announce: Callable[[str], None]) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    # Asked for before there is something to reload; the file may have changed since it was read.
    early: list[int] = []
    loop.add_signal_handler(signal.SIGHUP, early.append, signal.SIGHUP)
    app = App(config, loop)
    if not await _started(app, stopping):
        return 0
    try:
        loop.add_signal_handler(signal.SIGHUP, app.plane.reload_soon)
        if early:
            app.plane.reload_soon()
        announce(app.ready_line())
        await stopping.wait()
    finally:
        await app.stop()
    return 0


async def _started(app: App, stopping: asyncio.Event) -> bool:
    """Start the node; False when it was told to stop before it was ready, and is stopped."""
    starting = asyncio.ensure_future(app.start())
    told = asyncio.ensure_future(stopping.wait())
    await asyncio.wait((starting, told), return_when=asyncio.FIRST_COMPLETED)
    if not told.done():
        told.cancel()
    elif starting.cancel():
        await asyncio.wait((starting,))
        log.info("stopped while starting")
        return False
    await starting
    return True


class App:
    """A node with everything it is made of; `start` and `stop` are its life."""

    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        self.config = config
        self.loop = loop
        self.clock = SystemClock()
        self.ids = SystemIds()
        self.readiness = Readiness("storage", "listeners")
        self.metrics = Metrics()
        self.faults = 0
        self.fault_window = 0.0
        self.fault_lines = 0
        self.content_rules = settings_of.content_rules(config)

    # ------------------------------------------------------------------ start

    async def start(self) -> None:
        """Open storage, bring the state back, open the listeners, in this order."""
        config = self.config
        self.storage = self._open_storage()
        try:
            await asyncio.sleep(0)  # here and below: to be stopped between two long steps
            self._build()
            # The control socket also says that no other node works on this store.
            self._bind_http()
            await asyncio.sleep(0)
            now, wall = self.clock.now(), self.clock.wall()
            if self.storage.newest() > wall + CLOCK_STEP_S:
                log.warning("the clock is behind the newest message in the store: is it set?")
            self.policies.restore(self.storage, now, wall)
            states = self._of_users(self.storage.locations.load(now, wall))
            self.pager.start(self.location.restore(states, now, wall), now, wall)
            self.serve_accounts(self.storage.services.load_all())
            self.mailing.start(self.pager.keeper.waiting_recipients(), now)
            self.readiness.watch("storage", self._storage_trouble)
            self.content.start(self.loop)
            await self.http.start()
            await self.control.start()
            self.driver.start()
        except BaseException:
            await self.stop()
            raise
        self.readiness.set("listeners", None)
        self._watch_clock(0.0)
        self.garbage.start()
        # The loop asks the writer's thread for the interpreter back after every system call.
        sys.setswitchinterval(SWITCH_S)
        log.info(
            "started", extra={"domains": ",".join(config.domains), "accounts": len(self.directory)}
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
        config = self.config
        self.sip_limits = settings_of.sip_limits(config)
        self.driver = Driver(
            self.loop,
            self._endpoint,
            streams=settings_of.stream_limits(config),
            udp=UdpOptions(),
            limits=self.sip_limits,
            client_tls=client_context(),
            advertise=config.network.advertise or "",
        )
        self.bound = self._listen()
        secret = node_secret(config.directory / "imsnode.key")
        own = self.own = own_addresses(self.bound, config)
        self.endpoint.own.update(own)
        self.proxy = Proxy(
            self.endpoint,
            OwnNames(self.endpoint.own, config.domains),
            FlowTokens(secret),
            self.next_hops(config),
            settings_of.proxy_config(config),
        )
        self.own_hosts = {host for host, _ in own}
        self.names = LocalNames(config.domains, self.own_hosts)
        self.directory = Directory(self.storage.accounts.load_all())
        self.peers = PeerTable(settings_of.peers(config))
        rates = settings_of.rates(config)
        self.sources = SourceLimiter(rates, self.peers, self.ban)
        self.users = UserLimiter(rates)
        self.throttle = FailureThrottle(settings_of.throttle(config))
        self.authenticator = Authenticator(
            self.directory,
            self.peers,
            self.names,
            blake2b(b"nonces", key=secret[:64]).digest(),
            secrets.randbits(64),
            settings=settings_of.auth_settings(config),
            throttle=self.throttle,
            sources=self.sources,
            listeners=self.endpoint.own,
            # RFC 3261 17.1.2.2: so long a client repeats what it sent before we came up.
            resends_until=self.clock.now() + 64 * config.timers.t1,
        )
        self.location = Location(
            self.driver,
            self.endpoint.timers,
            self.storage.locations,
            config.registrar.device_memory,
            self.clock.wall,
            config.registrar.max_devices,
        )
        self.pager = Pager(
            self.proxy,
            self.endpoint.timers,
            self.location,
            self.storage.messages,
            self.storage.ledger,
            self.clock,
            self.ids,
            settings_of.pager_settings(config),
        )
        content, allowed = self.content_rules, settings_of.policy_settings(config)
        self.policies = Policies.on(
            self.pager, self.endpoint.timers, self.storage, content, allowed
        )
        self.registrar = Registrar(
            self.endpoint,
            self.location,
            self.clock,
            settings_of.registrar_limits(config),
            self.contact_policy(config),
            self.pager.registered,
            self.retry_after,
        )
        self.keeping = Keeping(settings_of.history_settings(config), self.storage.choices.load())
        self.storage.archive.keep = self.keeping.of
        self.pager.observe(
            HistoryObserver(self.storage.archive.note, self.storage.archive.displayed)
        )
        self.carbons = Carbons(self.proxy, self.location, registered, self.keeping.carbons)
        self.pager.observe(self.carbons)
        domains = config.domains if config.pager.echo else ()
        self.echo = Echo(domains, self._is_user, self._send)
        self.echo_service = BuiltIn(
            self.endpoint,
            self.echo,
            self.storage.ledger,
            MessageIds(self.ids.token(5)),
            self.clock.wall,
        )
        self.services = Services()
        self.services.offer(self.echo_service, self.echo.aors)
        self.recalls = Recalls(
            self.pager, self.storage, self.clock, self._is_user, self._send, self.retry_after
        )
        self._join_receipts(secret)
        self.mailing = Mailing(self)
        self.node = Node(
            self.endpoint,
            self.proxy,
            self.names,
            self.directory,
            self.authenticator,
            self.peers,
            self.users,
            self.location,
            self.registrar,
            self.pager,
            self.services,
            self.recalls,
            self.clock,
            settings_of.routes(config),
            self.retry_after,
            self.learn_address,
        )
        self.endpoint.user = self.node
        self.driver.after_batch = self.storage.give_way
        layer = self.endpoint.layer
        self.garbage = Garbage(self.loop, lambda: layer.server_count)
        self.poster = Poster(settings_of.webhook_policy(config), self.clock.wall)
        self.mailroom = Mailroom(
            self.storage.messages,
            self.storage.ledger,
            self.pager.keeper.uncount,
            self.clock,
            settings_of.webhook_retry(config),
            lambda: self.pager.observers,
        )
        self.recalls.recall.heard = self.mailroom.recalled
        self.serving = False
        self.tokens = TokenTable(self.storage.tokens.load_all())
        self.bearer = Bearer(
            self.tokens, settings_of.token_limits(config), self.clock.now, self.clock.wall
        )
        self.history_desk = HistoryDesk(self, secret)
        kept_at = config.content_directory
        self.content = ContentStore(kept_at, settings_of.content(config), self.clock.wall)
        self.trace = TraceHub(self._tap, self.clock.wall)
        self.plane = Plane(self)
        driver_metrics(self.metrics, self.driver)
        node_metrics(self.metrics, self)

    def _join_receipts(self, secret: bytes) -> None:
        """Make the node an intermediary of RFC 5438, at an address of its own."""
        config = self.config
        courier = Courier(
            self.endpoint,
            self.proxy,
            self.pager,
            self.storage.ledger,
            self.ids,
            self.clock,
            self._is_user,
            self._way_to,
            self.driver.wake,
            config.domains,
        )
        self.receipts = courier.receipts = Receipts(
            courier.send,
            self.names.aor_of,
            self._is_user,
            self.storage.ledger,
            self.location,
            self.clock,
            secret,
            config.pager.imdn_record_route,
            self.storage.archive.displayed,
        )
        self.pager.examiner = self.receipts
        self.pager.observe(self.receipts)
        self.services.offer(courier, courier.aors)

    def _endpoint(self, transport: Transport) -> Endpoint:
        config = self.config
        self.endpoint = Endpoint(
            transport,
            None,
            self.ids,
            limits=settings_of.sip_limits(config),
            timers_config=TimerConfig(
                t1=config.timers.t1,
                t2=config.timers.t2,
                t4=config.timers.t4,
                timer_c=config.timers.c,
            ),
            max_transactions=config.limits.transactions,
            max_completed=2 * config.limits.transactions,
            on_fault=self.on_fault,
        )
        return self.endpoint

    def _listen(self) -> list[Bound]:
        """Bind every SIP listener; nothing is read before `Driver.start`."""
        bound = []
        context = None
        for listener in self.config.listen:
            if listener.transport == "UDP":
                bound.append(self.driver.add_udp(listener.host, listener.port))
            elif listener.transport == "TCP":
                bound.append(self.driver.add_tcp(listener.host, listener.port))
            else:
                if context is None:
                    context = server_context(*self._certificate())
                bound.append(self.driver.add_tls(listener.host, listener.port, context))
        return bound

    def _certificate(self) -> tuple[Path, Path]:
        config = self.config
        if config.certificate is not None:
            return config.certificate
        files = self_signed(config.tls_directory, config.domains)
        return files.cert, files.key

    def _of_users(self, states: Iterable[tuple[str, AorState]]) -> Iterator[tuple[str, AorState]]:
        """Leave out who was switched off while the node was down; forget who was removed."""
        for aor, state in states:
            if self._is_user(aor):
                yield aor, state
            elif self.directory.get(aor) is None:
                yield aor, AorState((), {})

    def _bind_http(self) -> None:
        operations = [
            *Desk(self).operations(self.bearer),
            *self.history_desk.operations(),
        ]
        if self.config.content.domains:
            operations += file_operations(self.content, self.history_desk.access, self.base_url)
        self.http: HttpServer = HttpServer(
            make_app(self.readiness, self.metrics, (make_api(operations, __version__),)),
            host=self.config.http.listen.host,
            port=self.config.http.listen.port,
            limits=settings_of.http_limits(self.config),
        )
        self.control: HttpServer = HttpServer(
            make_control_app(self.plane, self.trace),
            unix_path=Path(short_path(self.config.control_socket)),
            setting="control.socket",
        )
        self.http.bind()
        self.control.bind()

    def ready_line(self) -> str:
        """Return the line that tells which listeners accept traffic."""
        listeners = [str(bound) for bound in self.bound]
        return " ".join(["imsnode ready", *listeners, f"http:{self.http.address}"])

    # ------------------------------------------------------------------- stop

    async def stop(self) -> None:
        """Take nothing new, let what is under way end, keep everything, close."""
        if hasattr(self, "node"):
            self.node.draining = True
            self.readiness.set("listeners", "stopping")
            self.mailing.stop()
            self.pager.stop()
            self.driver.stop_accepting()
            deadline = self.clock.now() + DRAIN_S
            layer = self.endpoint.layer
            while layer.server_count and self.clock.now() < deadline:  # noqa: ASYNC110  # a count
                await asyncio.sleep(0.02)
        if hasattr(self, "mailroom"):
            await self.mailroom.close()
            await self.poster.close()
        if hasattr(self, "clock_watch"):
            self.clock_watch.cancel()
        if hasattr(self, "content"):
            self.content.stop()
        if hasattr(self, "garbage"):
            self.garbage.stop()
        if hasattr(self, "trace"):
            self.trace.close()
        servers = [getattr(self, name) for name in ("http", "control") if hasattr(self, name)]
        await asyncio.gather(*(server.stop(0.5) for server in servers), return_exceptions=True)
        if hasattr(self, "driver"):
            await self.driver.close(0.5)
        await self.loop.run_in_executor(None, self.storage.close, 1.5)
        # The last completions were queued before the writer ended.
        await asyncio.sleep(0)

    # ------------------------------------------------------------- small ports

    def base_url(self) -> str:
        """Return what links to files begin with."""
        return self.config.content.base_url or f"http://{self.http.address}"

    def ban(self, host: str, until: float) -> None:
        """Stop listening to a source above its rate, unless users of ours are behind it.

        Those would be silenced by whoever forges their address; of such a source only requests
        without credentials are dropped.
        """
        if not self.location.reaches(host):
            self.driver.ban(host, until)

    def learn_address(self, address: tuple[str, int]) -> None:
        """Take an address of this machine, found out by a request that came to it, for our own.

        A listener on every address names none of them; the kernel does when it accepts.
        """
        if len(self.own) >= OWN_ADDRESSES:
            return
        self.own.append(address)
        self.own_hosts.add(address[0])
        self.endpoint.own.add(address)
        self.proxy.may_send_to = self.next_hops(self.config)
        self.registrar.contact_allowed = self.contact_policy(self.config)

    def next_hops(self, config: Config) -> NextHopPolicy:
        """Where requests may go at all (threats.md R2, S11)."""
        return NextHopPolicy(
            self.own, listens_on_loopback(self.bound), [str(n) for n in config.network.allow]
        )

    def contact_policy(self, config: Config) -> ContactPolicy:
        """Which contacts a client may register (threats.md R2)."""
        return ContactPolicy(self.own, [str(n) for n in config.network.allow])

    def serve_accounts(self, services: Iterable[ServiceAccount]) -> None:
        """Take messages for exactly these service accounts to their handlers."""
        handlers = {
            one.aor: Webhook(self.poster, one.webhook, one.secret) if one.webhook else None
            for one in services
        }
        self.mailroom.configure(handlers)
        # Nobody looks at every message for accounts that do not exist.
        if handlers and not self.serving:
            self.serving = True
            self.pager.observe(self.mailroom)

    def _storage_trouble(self) -> str | None:
        # The store's own words name files and servers; those are for `imsnode status` and the log.
        return "cannot be written" if self.storage.trouble else None

    def retry_after(self) -> tuple[bytes, ...]:
        """Return the Retry-After line of a 503, spread so that clients do not come in step."""
        limits = self.config.limits
        low, high = int(limits.retry_after_min), int(limits.retry_after_max)
        return (b"Retry-After: %d" % (low + secrets.randbelow(max(1, high - low + 1))),)

    def on_fault(self, error: Exception, where: str, flow: Flow | None, now: float) -> None:
        """Log a fault of our own code with its traceback, a bounded number a minute (G1, O1)."""
        self.faults += 1
        if now - self.fault_window > 60:
            self.fault_window, self.fault_lines = now, 0
        self.fault_lines += 1
        if self.fault_lines <= FAULT_LINES:
            source = flow.remote[0] if flow is not None else ""
            log.error("fault", exc_info=error, extra={"where": where, "source": source})

    def _tap(self, tap: object) -> None:
        self.driver.tap = tap  # type: ignore[assignment]  # TraceHub hands out what the driver takes

    def _is_user(self, aor: str) -> bool:
        account = self.directory.get(aor)
        return account is not None and account.enabled

    def _way_to(self, host: str, now: float) -> Flow | None:
        """Return a flow to the next hop that is configured for a foreign domain."""
        route = self.node.routes.get(host)
        return None if route is None else self.driver.flow_to(*route, now)

    def _send(
        self, sender: str, recipient: str, content_type: bytes, body: bytes, now: float = 0.0
    ) -> None:
        self.submit(sender, recipient, content_type, body, _nobody_asks)

    def submit(
        self,
        sender: str,
        recipient: str,
        content_type: bytes,
        body: bytes,
        answered: Callable[[int, str], None],
        headers: Sequence[tuple[bytes, bytes]] = (),
        identity: str = "",
    ) -> str:
        """Hand a message of the node's own to the pager; returns its id.

        ``answered(status, reason)`` comes once: 200 delivered, 202 stored, or the refusal.
        ``headers`` and ``identity`` as in `local_message`.
        """
        now, wall = self.clock.now(), self.clock.wall()
        request: Request = local_message(
            self.ids,
            sender,
            recipient,
            content_type,
            body,
            date_line(wall),
            headers,
            identity,
            self.sip_limits,
        )
        asked = Asked(request, answered)
        if self.mailing.groups.get(recipient) is not None:
            message_id = self.mailing.group_service.send(
                asked, request, sender, recipient, now, local=True
            )
        else:
            message_id = self.pager.originate(asked, request, sender, recipient, now, wall)
        self.driver.wake()
        return message_id


def _nobody_asks(_status: int, _reason: str) -> None:
    """The ledger tells what became of it."""


def node_secret(path: Path) -> bytes:
    """Read the key that signs flow tokens; made once, so that dialogs outlive a restart."""
    with contextlib.suppress(FileNotFoundError):
        secret = path.read_bytes()
        if len(secret) >= 32:
            return secret
    secret = secrets.token_bytes(32)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)
    return secret
