# SPDX-License-Identifier: Apache-2.0
"""The ways out of this node: next hops, the servers behind their names, the order to try them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from secrets import randbelow
from typing import Final, NamedTuple, Protocol

from sip.flow import Flow
from sip.forward import Target
from sip.locating import Answer, NotLocated, Question, Server, Steps, is_literal, locate
from sip.nexthop import next_hop
from sip.quarantine import Quarantine
from sip.routing import Refusal
from sip.uri import Uri, parse_uri

from .resolver import Resolver, Unknown

__all__ = ["NextHop", "Search", "Way", "WaySettings", "Ways"]

NOWHERE: Final = Refusal(404, b"Domain has no SIP service", ())
UNHEARD: Final = Refusal(480, b"Domain cannot be looked up", ())
UNREACHED: Final = Refusal(480, b"Next hop cannot be reached", ())


@dataclass(frozen=True, slots=True)
class WaySettings:
    """What may be found by DNS.

    found: domains, "*" for all. patience_s: how long a server may be silent. rest_s: how long one
    that failed is tried after the others.
    """

    found: frozenset[str] = frozenset()
    patience_s: float = 4.0
    rest_s: float = 30.0


class NextHop(NamedTuple):
    """Where requests are to go next.

    transport: "" lets DNS choose. host: an address, or a name to look up. port: 0 lets DNS choose.
    tls_name: what the server's certificate has to name, by default the host. foreign: the name is a
    user's word and not the operator's, so it must not lead into inner networks (threats.md R2).
    """

    transport: str
    host: str
    port: int = 0
    tls_name: str = ""
    foreign: bool = False


class Dialler(Protocol):
    """Opens flows (`sip.aio.driver.Driver`)."""

    def flow_to(
        self, transport: str, host: str, port: int, now: float, server_name: str = ""
    ) -> Flow | None: ...


class _Candidate(NamedTuple):
    server: Server
    hop: NextHop


class Way:
    """The servers that one request may try, in order; those still left are its spares.

    refusal: what to say when there is no target. See `sip.ports.Spares`.
    """

    __slots__ = ("_current", "_left", "_ways", "patience", "refusal")

    def __init__(self, ways: Ways, candidates: list[_Candidate], refusal: Refusal) -> None:
        self._ways = ways
        self._left = candidates
        self._current: _Candidate | None = None
        self.patience = ways.settings.patience_s
        self.refusal = refusal

    def target(self, uri: bytes, now: float) -> Target | Refusal:
        """Return the first server that there is a flow to, with the others behind it."""
        flow = self._following(now)
        if flow is None:
            return self.refusal
        return Target(uri, flow, spares=self if self._left else None)

    def next(self, now: float) -> Flow | None:
        """Return the way to the next server; the one before did not serve."""
        if self._current is not None:
            self._ways.failed(*self._current, now)
        return self._following(now)

    def _following(self, now: float) -> Flow | None:
        while self._left:
            self._current = self._left.pop(0)
            flow = self._ways.flow_to(*self._current, now)
            if flow is not None:
                return flow
        self._current = None
        return None


class Search:
    """A way of which some names have to be asked for. It goes on when somebody wants it."""

    def __init__(self, ways: Ways, hops: Sequence[NextHop], secure: bool) -> None:
        self._ways = ways
        self.hops = hops
        self._secure = secure

    def then(self, done: Callable[[Way], None]) -> None:
        """Call `done` with the way once everything that can be known is."""
        self._ways.spawn(self._run(done))

    async def _run(self, done: Callable[[Way], None]) -> None:
        ways = self._ways
        found: list[list[Server] | NotLocated] = [NotLocated(silent=True)] * len(self.hops)
        try:
            found = await asyncio.gather(*(ways.locate(each, self._secure) for each in self.hops))
        finally:
            done(ways.made_of(self.hops, found))


class Ways:
    """Makes ways of next hops.

    Args:
        usable: our transports, those we prefer first. may_send_to: holds addresses that come from
            DNS against threats.md R2 and S11. is_inner: tells those of inner networks, where only
            names of the operator's lead. now: monotonic seconds.
    on_failed: told which hop did not serve.
    """

    def __init__(
        self,
        dialler: Dialler,
        resolver: Resolver,
        usable: Callable[[], Sequence[str]],
        may_send_to: Callable[[str, int], bool],
        is_inner: Callable[[str], bool],
        now: Callable[[], float],
    ) -> None:
        self._dialler = dialler
        self.resolver = resolver
        self._usable = usable
        self._may_send_to = may_send_to
        self._is_inner = is_inner
        self._now = now
        self.settings = WaySettings()
        self.quarantine = Quarantine(self.settings.rest_s)
        self.on_failed: Callable[[NextHop, float], None] = _nobody_asks
        self._tasks: set[asyncio.Task[None]] = set()

    def configure(self, settings: WaySettings) -> None:
        """Find by these settings from now on."""
        self.settings = settings
        self.quarantine.period_s = settings.rest_s
        if settings.found:
            self.resolver.load()

    def way(self, hops: Sequence[NextHop], now: float, secure: bool = False) -> Way | Search:
        """Return the way over these hops, tried in their order, or the search for it.

        Args: secure: for a sips URI; nothing but TLS will do.
        """
        found: list[list[Server] | NotLocated] = []
        for hop in hops:
            known = self._known(hop, secure)
            if known is None:
                return Search(self, hops, secure)
            found.append(known)
        return self.made_of(hops, found)

    def abroad(self, uri: Uri, now: float) -> Way | Search | None:
        """Return the way to the domain of a URI by DNS; None where that may not be asked.

        Transport, port and maddr of the URI count (RFC 3263 4.1): a domain that is named among
        those to be found is trusted with that, any other leads nowhere but to the Internet.
        """
        hop = next_hop(uri)
        if hop is None or not self.finds(uri.host) or not self.finds(hop.host):
            return None
        transport = hop.transport if "transport" in uri.params else ""
        foreign = hop.host not in self.settings.found
        way_there = NextHop(transport, hop.host, uri.port or 0, foreign=foreign)
        return self.way((way_there,), now, hop.secure)

    def finds(self, host: str) -> bool:
        """Tell whether a host is a domain that DNS may be asked for."""
        found = self.settings.found
        return host in found or ("*" in found and "." in host and not is_literal(host))

    def target(self, hop: NextHop, uri: bytes, now: float) -> Target | None:
        """Return a target at a hop; None where there is none.

        None also while its name is looked up for the first time. Later a name stands for what it
        stood for last, until it has been looked up again.
        """
        known = self._known(hop, secure=False, stale=True)
        if known is None:
            Search(self, (hop,), secure=False).then(lambda _: None)
            return None
        found = self.made_of((hop,), (known,)).target(uri, now)
        return None if isinstance(found, Refusal) else found

    def flow_abroad(self, host: str, now: float) -> Flow | None:
        """Return a flow to a domain that may be found by DNS, None when there is none.

        None also while its name is looked up, which this begins: there is one the next time.
        """
        way = self.abroad(parse_uri(b"sip:" + host.encode()), now)
        if isinstance(way, Search):
            way.then(lambda _: None)
        if not isinstance(way, Way):
            return None
        target = way.target(b"", now)
        return None if isinstance(target, Refusal) else target.flow

    # -- names -----------------------------------------------------------------------------------

    def _steps(self, hop: NextHop, secure: bool) -> Steps:
        return locate(
            hop.host, hop.port or None, hop.transport or None, secure, self._usable(), randbelow
        )

    def _known(
        self, hop: NextHop, secure: bool, stale: bool = False
    ) -> list[Server] | NotLocated | None:
        """Return the servers of a hop, None where that has to be asked for.

        stale: what was true before will do, and is asked for again behind it.
        """
        steps = self._steps(hop, secure)
        try:
            questions = next(steps)
            while True:
                answers: list[Answer] = []
                for each in questions:
                    answer = self.resolver.known(each, stale)
                    if isinstance(answer, Unknown):
                        return None
                    answers.append(answer)
                questions = steps.send(answers)
        except StopIteration as end:
            found: list[Server] = end.value
            return found
        except NotLocated as reason:
            return reason

    async def locate(self, hop: NextHop, secure: bool) -> list[Server] | NotLocated:
        """Look up the servers of a hop."""
        steps = self._steps(hop, secure)
        try:
            questions = next(steps)
            while True:
                questions = steps.send(await self._ask(questions))
        except StopIteration as end:
            found: list[Server] = end.value
            return found
        except NotLocated as reason:
            return reason

    async def _ask(self, questions: Sequence[Question]) -> list[Answer]:
        return await asyncio.gather(*(self.resolver.ask(each) for each in questions))

    def made_of(self, hops: Sequence[NextHop], found: Sequence[list[Server] | NotLocated]) -> Way:
        """Return the way over what was found for each hop; who failed lately comes last."""
        candidates: list[_Candidate] = []
        refusal = NOWHERE
        for hop, servers in zip(hops, found, strict=True):
            if isinstance(servers, NotLocated):
                refusal = UNHEARD if servers.silent else refusal
                continue
            refusal = UNREACHED
            candidates += [_Candidate(each, hop) for each in servers if self._allowed(each, hop)]
        if len(self.quarantine):
            now = self._now()
            candidates.sort(key=lambda each: self.quarantine.holds(each.server, now))
        return Way(self, candidates, refusal)

    def _allowed(self, server: Server, hop: NextHop) -> bool:
        if server.address == hop.host:
            return True  # an address that the operator wrote is the operator's choice
        if hop.foreign and self._is_inner(server.address):
            return False
        return self._may_send_to(server.address, server.port)

    # -- servers ---------------------------------------------------------------------------------

    def flow_to(self, server: Server, hop: NextHop, now: float) -> Flow | None:
        """Return a flow to a server of a hop, None where there can be none."""
        if server.transport != "TLS":
            return self._dialler.flow_to(*server, now)
        return self._dialler.flow_to(*server, now, hop.tls_name or hop.host)

    def failed(self, server: Server, hop: NextHop, now: float) -> None:
        """Take note that a server of a hop did not serve."""
        self.quarantine.add(server, now)
        self.on_failed(hop, now)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run a search to its end."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _nobody_asks(hop: NextHop, now: float) -> None:
    """Nobody keeps account of hops."""
