# SPDX-License-Identifier: Apache-2.0
"""From a domain to the servers that take its requests, in the order to try them.

`locate` asks questions and is given answers; who asks them, and what is remembered, is no concern
of this module. Chance comes in as a function.

Spec: RFC 3263 4.1 and 4.2; RFC 2782 (order by priority, then by weighted chance); RFC 7984 4 (the
addresses of both families are asked for).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple, TypeAlias

from .errors import SipError
from .nexthop import default_port

__all__ = [
    "Answer",
    "Below",
    "Naptr",
    "NotLocated",
    "Question",
    "Server",
    "Srv",
    "Steps",
    "in_order",
    "is_literal",
    "locate",
]

#: What one name may make us do: servers that are looked up, addresses that are tried.
_MOST_SERVERS: Final = 16
_MOST_ADDRESSES: Final = 32
_MOST_NAPTR: Final = 16

#: RFC 3263 4.1, table: what a NAPTR record offers.
_OFFERS: Final = {"SIPS+D2T": "TLS", "SIP+D2T": "TCP", "SIP+D2U": "UDP"}
_SERVICES: Final = {"TLS": "_sips._tcp", "TCP": "_sip._tcp", "UDP": "_sip._udp"}


class Question(NamedTuple):
    """What is asked of DNS; `kind` is "A", "AAAA", "SRV" or "NAPTR"."""

    name: str
    kind: str


class Srv(NamedTuple):
    """A server of a service (RFC 2782); `target` is "" when there is decidedly none."""

    priority: int
    weight: int
    port: int
    target: str


class Naptr(NamedTuple):
    """A service of a domain (RFC 3403), without the expression that SIP has no use for."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Server(NamedTuple):
    """One address to try."""

    transport: str
    address: str
    port: int


#: Records of the kind that was asked for, addresses as text; None: nobody answered.
Answer: TypeAlias = Sequence[Srv] | Sequence[Naptr] | Sequence[str] | None
#: Returns a whole number from 0 up to, not including, the one it is given.
Below: TypeAlias = Callable[[int], int]
#: A search, step by step.
Steps: TypeAlias = Generator[tuple[Question, ...], Sequence[Answer], list[Server]]


class NotLocated(SipError):
    """No server is known. silent: some question got no answer, so there may be one later."""

    def __init__(self, silent: bool) -> None:
        super().__init__("no answer from DNS" if silent else "no server in DNS")
        self.silent = silent


def locate(
    host: str, port: int | None, transport: str | None, secure: bool, usable: Sequence[str],
    below: Below,
) -> Steps:  # fmt: skip
    """Find the servers of `host`, all of one transport: which one is the domain's choice.

    Args:   port, transport: as the URI names them; transport "TLS" for a sips URI with TCP.
            secure: nothing but TLS will do. usable: those of UDP, TCP and TLS that we have, those
            we prefer first.
    Yields: questions to ask at once; wants their answers in the same order.
    Raises: NotLocated.
    """
    search = _Search(below)
    ours = [each for each in usable if transport in (None, each) and (not secure or each == "TLS")]
    if not ours:
        raise NotLocated(silent=False)
    # 4.1: UDP for sip where nothing says otherwise.
    wanted = "UDP" if "UDP" in ours else ours[0]
    if is_literal(host):
        return [Server(wanted, host, port or default_port(wanted))]
    if port is not None:
        found = yield from search.addresses(wanted, [(host, port)])
    elif transport is not None:
        found = yield from search.services(host, ours)
    else:
        found = yield from search.domain(host, ours)
    if not found and port is None and not search.decided:
        # 4.2: no SRV record at all.
        found = yield from search.addresses(wanted, [(host, default_port(wanted))])
    if not found:
        raise NotLocated(search.silent)
    return found


class _Search:
    """The steps of one search. silent: see NotLocated. decided: DNS knows the domain's services."""

    def __init__(self, below: Below) -> None:
        self._below = below
        self.silent = False
        self.decided = False

    def domain(self, host: str, ours: Sequence[str]) -> Steps:
        """Let the domain choose the transport by NAPTR, else see which services it has (4.1)."""
        offers = [
            each
            for each in (yield from self._ask_naptr(host))
            if each.flags.lower() == "s" and each.service.upper() in _OFFERS
        ]
        if not offers:
            return (yield from self.services(host, ours))
        self.decided = True
        offers.sort(key=lambda each: (each.order, each.preference))
        for offer in offers[:_MOST_NAPTR]:
            transport = _OFFERS[offer.service.upper()]
            if transport in ours:
                records = yield from self._ask_srv((offer.replacement,))
                found = yield from self._of_service(transport, records[0])
                if found:
                    return found
        return []

    def services(self, host: str, transports: Sequence[str]) -> Steps:
        """Take the first of these transports that the domain has a service for."""
        names = [f"{_SERVICES[each]}.{host}" for each in transports]
        for transport, records in zip(transports, (yield from self._ask_srv(names)), strict=True):
            found = yield from self._of_service(transport, records)
            if found:
                return found
        return []

    def addresses(self, transport: str, servers: Sequence[tuple[str, int]]) -> Steps:
        """Look up the addresses of servers, keeping the servers' order; of each, IPv6 first."""
        servers = servers[:_MOST_SERVERS]
        questions = tuple(
            Question(name, kind)
            for name, _ in servers
            if not is_literal(name)
            for kind in ("AAAA", "A")
        )
        answers = dict(zip(questions, (yield questions) if questions else (), strict=True))
        found: dict[Server, None] = {}
        for name, port in servers:
            if is_literal(name):
                found[Server(transport, name, port)] = None
                continue
            for kind in ("AAAA", "A"):
                answer = self._heard(answers[Question(name, kind)])
                for address in self._shuffled([each for each in answer if isinstance(each, str)]):
                    found[Server(transport, address, port)] = None
        return list(found)[:_MOST_ADDRESSES]

    def _of_service(self, transport: str, records: Sequence[Srv]) -> Steps:
        if not records:
            return []
        self.decided = True
        ordered = in_order(records, self._below)
        return (
            yield from self.addresses(
                transport, [(each.target, each.port) for each in ordered if each.target]
            )
        )

    def _ask_naptr(
        self, host: str
    ) -> Generator[tuple[Question, ...], Sequence[Answer], list[Naptr]]:
        answers = yield (Question(host, "NAPTR"),)
        return [each for each in self._heard(answers[0]) if isinstance(each, Naptr)]

    def _ask_srv(
        self, names: Iterable[str]
    ) -> Generator[tuple[Question, ...], Sequence[Answer], list[list[Srv]]]:
        questions = tuple(Question(name, "SRV") for name in names)
        answers = (yield questions) if questions else ()
        return [
            [each for each in self._heard(answer) if isinstance(each, Srv)] for answer in answers
        ]

    def _heard(self, answer: Answer) -> Sequence[object]:
        if answer is None:
            self.silent = True
            return ()
        return answer

    def _shuffled(self, addresses: list[str]) -> list[str]:
        """Spread the load over the addresses of a name, which DNS gives in no order."""
        left = list(addresses)
        return [left.pop(self._below(len(left))) for _ in addresses]


def in_order(records: Iterable[Srv], below: Below) -> list[Srv]:
    """Order records by priority, and by weighted chance where that is equal (RFC 2782)."""
    # Those without weight come first in their group, so that they have a small chance at all.
    left = sorted(records, key=lambda each: (each.priority, each.weight))
    ordered: list[Srv] = []
    while left:
        group = [each for each in left if each.priority == left[0].priority]
        mark = below(sum(each.weight for each in group) + 1)
        for each in group:
            mark -= each.weight
            if mark <= 0:
                break
        ordered.append(each)
        left.remove(each)
    return ordered


def is_literal(host: str) -> bool:
    """Tell whether a host is an IP address and not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
