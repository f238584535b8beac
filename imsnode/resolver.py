# SPDX-License-Identifier: Apache-2.0
"""Names to addresses and services: DNS without threads, so that no server that is silent stops
anybody who asks another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from errno import ENOENT
from functools import cached_property
from pathlib import Path
from secrets import randbelow
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sip.locating import Answer, Naptr, Question, Srv, in_order
from sip.quarantine import Quarantine

if TYPE_CHECKING:
    import dns.message
    import dns.name

__all__ = ["Resolver", "Unknown"]

_HOSTS = Path("/etc/hosts")
_PORT: Final = 53
_MOST_ANSWERS: Final = 4096
_MOST_ASKING: Final = 512
# Seconds: less would ask for every message of a domain, more would outlive a change of it.
_SHORTEST: Final = 5.0
_LONGEST: Final = 3600.0
_LONGEST_NEGATIVE: Final = 300.0
_SILENCE_KEPT: Final = 10.0
_LONGEST_STALE: Final = 86_400.0
_SERVER_REST: Final = 30.0
# Shares of a question's time that the rounds through the servers get.
_ROUNDS: Final = (1 / 3, 2 / 3)


class Unknown:
    """Stands for an answer that has to be asked for."""


_UNKNOWN: Final = Unknown()


class _Kept(NamedTuple):
    """An answer that is remembered: until when, and until when its owner stood for it."""

    until: float
    answer: Answer
    true_until: float


_Told: TypeAlias = tuple[float, Answer]  # seconds that it is good for


class Resolver:
    """Asks name servers, after the hosts file as every program does.

    Answers are kept for as long as their owner says, also that there is none (RFC 2308), and up to
    a day longer while nobody answers (RFC 8767). What many want to know at a time is asked once. A
    name server that said nothing is asked after the others for a while.

    Args: servers: (address, port) of those to ask, by default the system's. lifetime_s: of one
        question, with every server that is asked. now: monotonic seconds.
    """

    def __init__(
        self,
        servers: Sequence[tuple[str, int]] = (),
        lifetime_s: float = 3.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configured = tuple(servers)
        self._lifetime_s = lifetime_s
        self._now = now
        self._answers: dict[Question, _Kept] = {}
        self._asking: dict[Question, asyncio.Task[Answer]] = {}
        self._quarantine = Quarantine(_SERVER_REST)
        #: Counters: questions put to servers, those without any answer, answers from memory.
        self.asked = self.silent = self.remembered = 0

    # -- what others ask -------------------------------------------------------------------------

    async def addresses(self, name: str) -> list[str]:
        """Return the addresses of a name, those of IPv6 first; there is at least one.

        Raises: OSError.
        """
        answers = await asyncio.gather(*(self.ask(Question(name, kind)) for kind in ("AAAA", "A")))
        found = [each for answer in answers for each in answer or () if isinstance(each, str)]
        if not found:
            raise OSError(ENOENT, "name not found")
        return found

    async def services(self, service: str, name: str) -> list[tuple[str, int]]:
        """Return host and port of each that offers a service, as RFC 2782 wants them tried.

        Args: service: with its transport, as in "_msrps._tcp".
        """
        answer = await self.ask(Question(f"{service}.{name}", "SRV"))
        records = [each for each in answer or () if isinstance(each, Srv)]
        return [(each.target, each.port) for each in in_order(records, randbelow) if each.target]

    def known(self, question: Question, stale: bool = False) -> Answer | Unknown:
        """Return an answer that need not be asked for, else what stands for that.

        stale: one that was good before will do; it is asked for again (RFC 8767).
        """
        name = question.name.rstrip(".").lower()
        if question.kind in ("A", "AAAA"):
            listed = self._hosts.get(name)
            if listed is not None:
                return [each for each in listed if (":" in each) is (question.kind == "AAAA")]
        kept = self._answers.get(Question(name, question.kind))
        if kept is None:
            return _UNKNOWN
        if kept.until <= self._now():
            if not stale:
                return _UNKNOWN
            self._begin(Question(name, question.kind))
        self.remembered += 1
        return kept.answer

    async def ask(self, question: Question) -> Answer:
        """Return the answer to a question; None when nobody gave any."""
        known = self.known(question)
        if not isinstance(known, Unknown):
            return known
        task = self._begin(Question(question.name.rstrip(".").lower(), question.kind))
        # Whoever loses patience leaves the answer to the others.
        return None if task is None else await asyncio.shield(task)

    def _begin(self, question: Question) -> asyncio.Task[Answer] | None:
        """Have a question asked, once however many want to know; None: too many are asked."""
        task = self._asking.get(question)
        if task is None and len(self._asking) < _MOST_ASKING:
            task = asyncio.get_running_loop().create_task(self._find_out(question))
            self._asking[question] = task
            task.add_done_callback(lambda _: self._asking.pop(question, None))
        return task

    def load(self) -> None:
        """Load the library now; else the first question does, while everybody waits."""
        _ = self._servers

    async def close(self) -> None:
        """Ask no more; questions that are under way get no answer."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    # -- name servers ----------------------------------------------------------------------------

    async def _find_out(self, question: Question) -> Answer:
        self.asked += 1
        seconds, answer = await self._from_servers(question)
        now = self._now()
        kept = _Kept(now + seconds, answer, now + seconds)
        if answer is None:
            self.silent += 1
            before = self._answers.get(question)
            if before is not None and now < before.true_until + _LONGEST_STALE:
                kept = before._replace(until=kept.until)
        if len(self._answers) >= _MOST_ANSWERS:
            del self._answers[next(iter(self._answers))]
        self._answers[question] = kept
        return kept.answer

    async def _from_servers(self, question: Question) -> _Told:
        import dns.asyncquery
        import dns.exception
        import dns.message
        import dns.rcode

        servers = self._servers
        try:
            query = dns.message.make_query(question.name, question.kind)
        except (dns.exception.DNSException, UnicodeError):
            return _LONGEST_NEGATIVE, ()  # no name of DNS
        for share in _ROUNDS:
            for server in self._quarantine.ordered(servers, self._now()):
                limit = self._lifetime_s * share / len(servers)
                try:
                    response, _ = await dns.asyncquery.udp_with_fallback(
                        query, server[0], limit, server[1]
                    )
                except (dns.exception.DNSException, OSError, EOFError):
                    self._quarantine.add(server, self._now())
                    continue
                if response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    self._quarantine.release(server)
                    return _read(response)
        return _SILENCE_KEPT, None

    @cached_property
    def _servers(self) -> tuple[tuple[str, int], ...]:
        # Loaded by the first who names a name: most nodes never do.
        import dns.asyncquery
        import dns.resolver

        if self._configured:
            return self._configured
        try:
            system = dns.resolver.Resolver()
        except dns.resolver.NoResolverConfiguration:
            return ()
        return tuple((str(each), _PORT) for each in system.nameservers)

    @cached_property
    def _hosts(self) -> dict[str, list[str]]:
        """What the hosts file says; read once."""
        found: dict[str, list[str]] = {}
        try:
            text = _HOSTS.read_text("utf-8", "replace")
        except OSError:
            text = ""
        for line in text.splitlines():
            address, *names = line.partition("#")[0].split() or [""]
            for name in names:
                found.setdefault(name.lower(), []).append(address)
        return found


def _read(response: dns.message.Message) -> _Told:
    """Return what a response says, along its CNAMEs (RFC 2308 5 for what it denies)."""
    import dns.exception
    import dns.message

    assert isinstance(response, dns.message.QueryMessage)
    try:
        chain = response.resolve_chaining()
    except dns.exception.DNSException:
        return _SILENCE_KEPT, ()
    seconds = max(float(chain.minimum_ttl), _SHORTEST)
    if chain.answer is None:
        return min(seconds, _LONGEST_NEGATIVE), ()
    return min(seconds, _LONGEST), [_record(each) for each in chain.answer]


def _record(found: Any) -> Any:  # a record of whatever kind was asked for, in both forms
    """Return a record of the library as `sip.locating` has it."""
    kind = found.rdtype.name
    if kind == "SRV":
        return Srv(found.priority, found.weight, found.port, _text(found.target))
    if kind == "NAPTR":
        flags, service = (each.decode("ascii", "replace") for each in (found.flags, found.service))
        return Naptr(found.order, found.preference, flags, service, _text(found.replacement))
    return found.address


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if name.labels != (b"",) else ""
