# SPDX-License-Identifier: Apache-2.0
"""Ways to other domains, by a real name server; flows are only noted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from imsnode.held import Held
from imsnode.resolver import Resolver
from imsnode.ways import NextHop, Search, Way, Ways, WaySettings
from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.forward import Target
from sip.ids import SeededIds
from sip.message import Request
from sip.nexthop import NextHopPolicy, is_inner
from sip.parser import parse_message
from sip.routing import Refusal
from sip.uri import parse_uri
from tests.support.names import NameServer
from tests.support.proxied import LIMITS, Recorder, request_text

LOCAL = ("192.0.2.1", 5060)
ALLOWED = [ip_network("10.9.0.0/16")]
RECORDS = {
    ("_sips._tcp.far.test", "SRV"): ["10 1 5061 one.far.test.", "20 1 5062 two.far.test."],
    ("one.far.test", "A"): ["203.0.113.1"],
    ("two.far.test", "A"): ["203.0.113.2"],
    ("inside.test", "A"): ["127.0.0.1"],
    ("office.test", "A"): ["10.1.2.3"],
    ("office.test", "AAAA"): ["fd00::7"],
}


class Dialled:
    """Notes what is dialled; `refused` are addresses that there is no flow to."""

    def __init__(self) -> None:
        self.dialled: list[tuple[str, str, int, str]] = []
        self.refused: set[str] = set()

    def flow_to(
        self, transport: str, host: str, port: int, now: float, server_name: str = ""
    ) -> Flow | None:
        self.dialled.append((transport, host, port, server_name))
        return None if host in self.refused else Flow(transport, LOCAL, (host, port))


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer(RECORDS) as running:
        yield running


@pytest.fixture
def dialled() -> Dialled:
    return Dialled()


def ways_of(dialled: Dialled, server: NameServer, *found: str, lifetime_s: float = 3.0) -> Ways:
    made = Ways(
        dialled,
        Resolver([server.address], lifetime_s),
        lambda: ("TLS", "TCP", "UDP"),
        NextHopPolicy([LOCAL]),
        lambda host: is_inner(host, ALLOWED),
        lambda: 0.0,
    )
    made.configure(WaySettings(frozenset(found), rest_s=30.0))
    return made


async def looked_up(way: Way | Search | None) -> Way:
    assert isinstance(way, Search)
    found: asyncio.Future[Way] = asyncio.get_running_loop().create_future()
    way.then(found.set_result)
    return await found


FAR = parse_uri(b"sip:bob@far.test")


async def test_the_servers_of_a_domain_one_after_the_other(
    dialled: Dialled, server: NameServer
) -> None:
    ways = ways_of(dialled, server, "*")
    failed: list[str] = []
    ways.on_failed = lambda hop, now: failed.append(hop.host)
    way = await looked_up(ways.abroad(FAR, 0.0))
    target = way.target(FAR.raw, 0.0)
    assert isinstance(target, Target)
    assert target.flow.remote == ("203.0.113.1", 5061)
    assert target.spares is way
    second = way.next(0.0)
    assert second is not None
    assert second.remote == ("203.0.113.2", 5062)
    assert way.next(0.0) is None
    assert failed == ["far.test"] * 2
    # Whoever dials has to find the domain in the certificate, not the server's name (RFC 5922).
    assert {name for *_, name in dialled.dialled} == {"far.test"}


async def test_who_failed_comes_last_and_answers_are_remembered(
    dialled: Dialled, server: NameServer
) -> None:
    ways = ways_of(dialled, server, "far.test")
    way = await looked_up(ways.abroad(FAR, 0.0))
    way.target(FAR.raw, 0.0)
    way.next(0.0)
    asked = ways.resolver.asked
    again = ways.abroad(FAR, 0.0)
    assert isinstance(again, Way)
    target = again.target(FAR.raw, 0.0)
    assert isinstance(target, Target)
    assert target.flow.remote == ("203.0.113.2", 5062)
    assert ways.resolver.asked == asked


@pytest.mark.parametrize(
    "uri",
    ["sip:bob@other.test", "sip:bob@far.test;maddr=203.0.113.9", "sip:bob@203.0.113.9", "tel:+1"],
)
async def test_what_is_not_asked_for(dialled: Dialled, server: NameServer, uri: str) -> None:
    assert ways_of(dialled, server, "far.test").abroad(parse_uri(uri.encode()), 0.0) is None
    assert ways_of(dialled, server).abroad(FAR, 0.0) is None


async def test_all_domains_are_names(dialled: Dialled, server: NameServer) -> None:
    ways = ways_of(dialled, server, "*")
    assert ways.finds("any.test")
    assert not ways.finds("203.0.113.9")
    assert not ways.finds("2001:db8::9")
    assert not ways.finds("localhost")


@pytest.mark.parametrize(
    ("uri", "status"),
    [("sip:bob@nobody.test", 404), ("sip:bob@inside.test", 480), ("sips:bob@inside.test", 480)],
)
async def test_no_way(dialled: Dialled, server: NameServer, uri: str, status: int) -> None:
    """A name that does not exist, and one that stands for what only this node can reach (R2)."""
    way = await looked_up(ways_of(dialled, server, "*").abroad(parse_uri(uri.encode()), 0.0))
    refusal = way.target(b"sip:x", 0.0)
    assert isinstance(refusal, Refusal)
    assert refusal.status == status
    assert dialled.dialled == []


async def test_a_name_that_a_user_made_up_leads_to_no_inner_network(
    dialled: Dialled, server: NameServer
) -> None:
    """Whoever owns a domain could have the node knock at any door behind it (R2)."""
    uri = parse_uri(b"sip:bob@office.test:6379;transport=tcp")
    way = await looked_up(ways_of(dialled, server, "*").abroad(uri, 0.0))
    assert isinstance(way.target(uri.raw, 0.0), Refusal)
    assert dialled.dialled == []
    way = await looked_up(ways_of(dialled, server, "office.test").abroad(uri, 0.0))
    assert isinstance(way.target(uri.raw, 0.0), Target)
    assert dialled.dialled == [("TCP", "fd00::7", 6379, "")]


@pytest.mark.parametrize(
    ("host", "inner"),
    [
        ("10.1.2.3", True), ("10.9.2.3", False), ("::ffff:192.168.1.1", True), ("fd00::1", True),
        ("100.100.0.1", True), ("203.0.113.9", False), ("2001:db8::1", False), ("far.test", False),
    ],
)  # fmt: skip
def test_inner_addresses(host: str, inner: bool) -> None:
    assert is_inner(host, ALLOWED) is inner


async def test_a_configured_hop_may_be_anywhere(dialled: Dialled, server: NameServer) -> None:
    ways = ways_of(dialled, server)
    way = ways.way([NextHop("UDP", "127.0.0.1", 5080), NextHop("TLS", "203.0.113.5")], 0.0)
    assert isinstance(way, Way)
    dialled.refused = {"127.0.0.1"}
    assert isinstance(way.target(b"sip:x", 0.0), Target)
    assert dialled.dialled == [
        ("UDP", "127.0.0.1", 5080, ""),
        ("TLS", "203.0.113.5", 5061, "203.0.113.5"),
    ]


async def test_a_flow_for_what_the_node_sends_itself(dialled: Dialled, server: NameServer) -> None:
    ways = ways_of(dialled, server, "far.test")
    assert ways.flow_abroad("far.test", 0.0) is None  # is being looked up
    await looked_up(ways.abroad(FAR, 0.0))
    flow = ways.flow_abroad("far.test", 0.0)
    assert flow is not None
    assert flow.remote == ("203.0.113.1", 5061)
    assert ways.flow_abroad("other.test", 0.0) is None


async def test_a_peers_name_is_good_until_there_is_another(
    dialled: Dialled, server: NameServer
) -> None:
    """What was true before is used while it is asked for again, also when nobody answers then."""
    now = 0.0
    ways = ways_of(dialled, server)
    ways.resolver = resolver = Resolver([server.address], 0.2, lambda: now)
    hop = NextHop("UDP", "one.far.test", 5080)
    assert ways.target(hop, b"sip:x", now) is None
    await resolver.addresses("one.far.test")
    RECORDS[("one.far.test", "A")] = ["203.0.113.7"]
    for after, address in ((61.0, "203.0.113.1"), (62.0, "203.0.113.7"), (200.0, "203.0.113.7")):
        now = after
        target = ways.target(hop, b"sip:x", now)
        assert target is not None
        assert target.flow.remote == (address, 5080)
        if after == 200.0:
            server.silent = True
        await resolver.addresses("one.far.test")
    now = 220.0
    assert ways.target(hop, b"sip:x", now) is not None
    await resolver.close()
    RECORDS[("one.far.test", "A")] = ["203.0.113.1"]


def message(number: int, domain: str) -> Request:
    text = request_text(uri=f"sip:bob@{domain}", branch=f"z9hG4bK{number}")
    request = parse_message(text, LIMITS)
    assert isinstance(request, Request)
    return request


async def test_a_name_server_that_says_nothing_stops_only_who_asks_it(
    dialled: Dialled, server: NameServer
) -> None:
    endpoint = Endpoint(Recorder(), None, SeededIds(1))
    woken = asyncio.Event()
    held = Held(endpoint, 8, woken.set)
    flow = Flow("UDP", LOCAL, ("198.51.100.1", 5060))
    gone: list[tuple[str, int]] = []

    def hold(ways: Ways, number: int, domain: str) -> bool:
        request = message(number, domain)
        search = ways.abroad(request.ruri(), 0.0)
        assert isinstance(search, Search)
        return held.hold(
            request, flow, search,
            lambda way, now: gone.append((domain, _status(way.target(b"sip:x", now)))),
        )  # fmt: skip

    with NameServer(silent=True) as silent:
        lost = ways_of(dialled, silent, "*", lifetime_s=0.2)
        taken = [hold(lost, number, "lost.test") for number in range(4)]
        assert taken == [True, True, False, False]  # a quarter of all places
        assert held.has(message(0, "lost.test"))
        assert hold(ways_of(dialled, server, "*"), 9, "far.test")
        await woken.wait()
        endpoint.handle_timeouts(0.0)
        assert gone == [("far.test", 0)]
        while held:
            woken.clear()
            await woken.wait()
            endpoint.handle_timeouts(0.0)
        assert gone[1:] == [("lost.test", 480)] * 2


def _status(found: Target | Refusal) -> int:
    return found.status if isinstance(found, Refusal) else 0
