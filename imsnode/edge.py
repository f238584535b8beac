# SPDX-License-Identifier: Apache-2.0
"""Where SIP comes in and goes out: listeners, the endpoint on them, and the proxy's way on."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Sequence
from functools import cached_property

from sip.aio.driver import Bound, Driver, UdpOptions
from sip.contact_policy import ContactPolicy
from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.ids import IdSource
from sip.nexthop import NextHopPolicy, is_inner
from sip.ports import Transport
from sip.proxy import Proxy
from sip.routing import OwnNames
from sip.timers import TimerConfig
from sip.tokens import FlowTokens

from . import settings as settings_of
from .addresses import listens_on_loopback, own_addresses
from .certificates import Certificates, Contexts
from .config import Config
from .identity import LocalNames
from .resolver import Resolver
from .seal import derived_key
from .secret import SECRET_FILE, node_secret

__all__ = ["Edge"]

log = logging.getLogger(__name__)

OWN_ADDRESSES = 1024  # of one machine
DAY_S = 86_400.0
FAULT_LINES = 20  # tracebacks a minute; the counter goes on


class Edge:
    """The node's listeners and everything that is true of its addresses.

    Bound when made; nothing is read before `Driver.start`. key: the node's own secret, which is the
    same after a restart.

    Raises: BindError for an address that cannot be opened, TlsConfigError for a certificate that
        does not load.
    """

    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop, ids: IdSource) -> None:
        self._config = config
        self._loop = loop
        self._watch: asyncio.TimerHandle | None = None
        self._ids = ids
        self.faults = 0
        self._fault_window = 0.0
        self._fault_lines = 0
        self.limits = settings_of.sip_limits(config)
        self.driver = Driver(
            loop,
            self._endpoint,
            streams=settings_of.stream_limits(config),
            udp=UdpOptions(),
            limits=self.limits,
            advertise=config.network.advertise or "",
        )
        self.bound = self._listen()
        self.key = node_secret(config.directory / SECRET_FILE)
        own = self.own = own_addresses(self.bound, config)
        self.endpoint.own.update(own)
        self.proxy = Proxy(
            self.endpoint,
            OwnNames(self.endpoint.own, config.domains),
            FlowTokens(self.key),
            self.next_hops(config),
            settings_of.proxy_config(config),
        )
        self.resolver = Resolver([(each.host, each.port) for each in config.network.name_servers])
        self.own_hosts = {host for host, _ in own}
        self.names = LocalNames(config.domains, self.own_hosts)

    def outgoing(self) -> Sequence[str]:
        """Return the transports that requests can leave by, those we prefer first."""
        bound = {each.transport for each in self.bound}
        return [each for each in ("TLS", "TCP", "UDP") if each in bound]

    def key_for(self, purpose: bytes) -> bytes:
        """Return a key of the node for one purpose, the same after a restart."""
        return derived_key(self.key, purpose)

    def next_hops(self, config: Config) -> NextHopPolicy:
        """Where requests may go at all (threats.md R2, S11)."""
        return NextHopPolicy(
            self.own, listens_on_loopback(self.bound), [str(n) for n in config.network.allow]
        )

    def is_inner(self, host: str) -> bool:
        """Tell whether names of strangers must not lead to an address (threats.md R2)."""
        return is_inner(host, self._config.network.allow)

    def contact_policy(self, config: Config) -> ContactPolicy:
        """Which contacts a client may register (threats.md R2)."""
        return ContactPolicy(self.own, [str(n) for n in config.network.allow])

    def learn(self, address: tuple[str, int]) -> bool:
        """Take an address of this machine for our own; False when that changes nothing.

        A listener on every address names none of them; the kernel does when it accepts.
        """
        if len(self.own) >= OWN_ADDRESSES:
            return False
        self.own.append(address)
        self.own_hosts.add(address[0])
        self.endpoint.own.add(address)
        return True

    def _endpoint(self, transport: Transport) -> Endpoint:
        config = self._config
        self.endpoint = Endpoint(
            transport,
            None,
            self._ids,
            limits=self.limits,
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
        for listener in self._config.listen:
            if listener.transport == "UDP":
                bound.append(self.driver.add_udp(listener.host, listener.port))
            elif listener.transport == "TCP":
                bound.append(self.driver.add_tcp(listener.host, listener.port))
            else:
                self.driver.trust(self.certificates.contexts.sip)
                context = self.certificates.listener(str(listener))
                bound.append(self.driver.add_tls(listener.host, listener.port, context))
        return bound

    @cached_property
    def certificates(self) -> Certificates:
        """The certificates of TLS listeners and connections; made by the first who needs them."""
        return Certificates(Contexts(settings_of.tls_settings(self._config)))

    def certificate_ends(self) -> dict[str, float]:
        """Return when the certificates in use end, in Unix time, by domain ("" the general one)."""
        return self.certificates.ends() if "certificates" in self.__dict__ else {}

    def watch_certificates(self) -> None:
        """Say it while a certificate in use is about to end; looks again every day."""
        if "certificates" in self.__dict__:
            self.certificates.warn(dt.datetime.now(dt.UTC))
        self._watch = self._loop.call_later(DAY_S, self.watch_certificates)

    async def close(self, drain_s: float) -> None:
        """Close the listeners, then what is connected."""
        if self._watch is not None:
            self._watch.cancel()
        await self.resolver.close()
        await self.driver.close(drain_s)

    def contexts_of(self, config: Config) -> Contexts | None:
        """Read the certificates of a configuration anew; None while nobody has used any.

        Raises: TlsConfigError.
        """
        if "certificates" not in self.__dict__:
            return None
        return Contexts(settings_of.tls_settings(config))

    def configure(self, config: Config, contexts: Contexts | None) -> None:
        """Take a new configuration; connections that stand keep the certificates they have."""
        self._config = config
        if contexts is not None:
            self.certificates.use(contexts)
            self.certificates.warn(dt.datetime.now(dt.UTC))
            self.driver.trust(contexts.sip)

    def tap(self, tap: object) -> None:
        """Show a trace what passes from now on; None: nothing."""
        self.driver.tap = tap  # type: ignore[assignment]  # TraceHub hands out what the driver takes

    def on_fault(self, error: Exception, where: str, flow: Flow | None, now: float) -> None:
        """Log a fault of our own code with its traceback, a bounded number a minute (G1, O1)."""
        self.faults += 1
        if now - self._fault_window > 60:
            self._fault_window, self._fault_lines = now, 0
        self._fault_lines += 1
        if self._fault_lines <= FAULT_LINES:
            source = flow.remote[0] if flow is not None else ""
            log.error("fault", exc_info=error, extra={"where": where, "source": source})
