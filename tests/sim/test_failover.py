"""One request to several addresses of peers, one after another (RFC 3263 4.3)."""

from __future__ import annotations

import pytest

from imsnode.peers import Failover, Hop, Interconnect, Partner, Way
from sip.flow import Flow
from sip.forward import Target
from sip.message import Request
from sip.proxy import Fork
from sip.uri import parse_uri
from tests.support.proxied import ALICE, ProxiedNode, request_text

HOSTS = ("198.51.100.11", "198.51.100.12", "198.51.100.13")


class Border(ProxiedNode):
    """A proxy that sends everything to a peer with three addresses."""

    def __init__(self) -> None:
        super().__init__()
        hops = tuple(Hop("UDP", host, 5060) for host in HOSTS)
        self.peer = Partner("p", hops, ["x.test"])
        self.unreachable: set[str] = set()
        self.interconnect = Interconnect()
        self.interconnect.configure([self.peer])

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        routed = self.proxy.preprocess(request, flow, now)
        transaction = self.endpoint.accept(request, flow, now)

        def again(failed: Fork, target: Target, owner: Failover) -> Fork:
            return Fork(self.proxy, failed.server_tx, request, owner, routed)

        ways = self.interconnect.ways(request.ruri(), request.uri, now)
        failover = Failover(self.interconnect, ways, self.dial, again)
        target = failover.next_target(now)
        if target is None:
            self.endpoint.respond(transaction, 503, now)
            return
        fork = Fork(self.proxy, transaction, request, failover, routed)
        failover.sends()
        fork.start((target,), now)

    def dial(self, way: Way, now: float) -> Target | None:
        if way.hop.host in self.unreachable:
            return None
        return Target(way.uri, self.flow((way.hop.host, way.hop.port)))

    def asked(self) -> tuple[str, tuple[Flow, Request]]:
        """Return which address has the request now, and the request."""
        (sent,) = [one for one in self.requests() if one[1].method in ("MESSAGE", "INVITE")]
        return sent[0].remote[0], sent


@pytest.fixture
def border() -> Border:
    return Border()


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_a_503_goes_to_the_next_address(border: Border, method: str) -> None:
    border.receive(request_text(method, "sip:bob@x.test"), ALICE)
    host, sent = border.asked()
    assert (host, border.peer.waiting) == (HOSTS[0], 1)
    border.answer(sent, 503)
    host, sent = border.asked()
    assert host == HOSTS[1]
    border.answer(sent, 200)
    assert border.statuses(ALICE) == [200]
    assert border.peer.waiting == 0
    assert (border.peer.stats.requests, border.peer.stats.failed) == (2, 1)


def test_each_attempt_is_a_transaction_of_its_own(border: Border) -> None:
    border.receive(request_text(uri="sip:bob@x.test"), ALICE)
    _, first = border.asked()
    border.answer(first, 503)
    _, second = border.asked()
    assert first[1].via.branch != second[1].via.branch
    assert first[1].call_id == second[1].call_id


def test_an_address_that_cannot_be_reached_is_passed_over(border: Border) -> None:
    border.unreachable = set(HOSTS[:2])
    border.receive(request_text(uri="sip:bob@x.test"), ALICE)
    assert border.asked()[0] == HOSTS[2]


def test_a_refused_datagram_counts_as_no_answer(border: Border) -> None:
    border.receive(request_text(uri="sip:bob@x.test"), ALICE)
    _, sent = border.asked()
    border.endpoint.flow_failed(sent[0], "refused", border.now)
    border.advance(0.0)
    assert border.asked()[0] == HOSTS[1]


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_who_says_nothing_is_passed_over_while_the_sender_waits(
    border: Border, method: str
) -> None:
    border.receive(request_text(method, "sip:bob@x.test"), ALICE)
    first = border.asked()[1]
    border.advance(4.1)
    assert first[0].remote[0] == HOSTS[0]
    hosts = {flow.remote[0]: (flow, sent) for flow, sent in border.requests(method)}
    assert set(hosts) == set(HOSTS[:2])
    assert (border.peer.waiting, border.peer.stats.failed) == (1, 1)
    border.answer(hosts[HOSTS[1]], 200)
    assert border.statuses(ALICE) == [200]
    assert border.peer.waiting == 0


def test_silence_of_all_is_no_answer(border: Border) -> None:
    border.receive(request_text(uri="sip:bob@x.test"), ALICE)
    border.advance(40.0)
    assert {flow.remote[0] for flow, _ in border.requests("MESSAGE")} == set(HOSTS)
    assert border.peer.waiting == 0


def test_another_address_for_another_peer_is_a_fork_of_its_own(border: Border) -> None:
    """A number is the next peer's own address there."""
    other = Partner("q", (Hop("UDP", "198.51.100.14", 5060),), ["q.test"], ["+49"], priority=20)
    border.peer = Partner("p", border.peer.hops[:1], ["x.test"], ["+49"])
    border.interconnect.configure([border.peer, other])
    border.receive(request_text(uri="sip:+4930@ims.test"), ALICE)
    _, sent = border.asked()
    assert sent[1].uri == b"sip:+4930@x.test;user=phone"
    border.answer(sent, 503)
    host, sent = border.asked()
    assert (host, sent[1].uri) == ("198.51.100.14", b"sip:+4930@q.test;user=phone")
    assert (border.peer.waiting, other.waiting) == (0, 1)


def test_the_last_answer_is_told_as_a_proxy_tells_it(border: Border) -> None:
    border.receive(request_text(uri="sip:bob@x.test"), ALICE)
    for _ in HOSTS:
        border.answer(border.asked()[1], 503)
    assert border.statuses(ALICE) == [500]


def test_a_refusal_is_final(border: Border) -> None:
    border.receive(request_text(uri="sip:bob@x.test"), ALICE)
    border.answer(border.asked()[1], 404)
    assert border.statuses(ALICE) == [404]


def test_a_cancelled_call_goes_nowhere_else(border: Border) -> None:
    border.receive(request_text("INVITE", "sip:bob@x.test"), ALICE)
    _, sent = border.asked()
    border.answer(sent, 180)
    border.receive(request_text("CANCEL", "sip:bob@x.test"), ALICE)
    border.take()
    border.answer(sent, 503)
    assert not border.requests("INVITE")


def test_who_sends_without_telling_the_end_takes_no_place(border: Border) -> None:
    """As a MESSAGE whose sender is concealed does: it leaves in the node's own name."""
    ways = border.interconnect.ways(parse_uri(b"sip:bob@x.test"), b"sip:bob@x.test", 0.0)
    failover = Failover(border.interconnect, ways, border.dial, _never)
    assert failover.next_target(0.0) is not None
    assert failover.next(5.0) is not None
    assert (border.peer.waiting, border.peer.stats.failed) == (0, 1)


def _never(failed: Fork, target: Target, owner: Failover) -> Fork:
    raise AssertionError
