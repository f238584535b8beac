"""Who is registered over a flow, as the registrar's answers tell (RFC 5626 5)."""

from __future__ import annotations

import pytest

from imsnode.first_hop import FirstHop
from imsnode.identity.peers import Peer, PeerTable
from sip.flow import Flow
from sip.message import Request, Response
from sip.routing import Refusal
from tests.support.proxied import ALICE, BOB, ProxiedNode, request_text

HOME = BOB
AOR = "sip:alice@ims.test"


class Edge(ProxiedNode):
    """A proxy whose users register at HOME."""

    def __init__(self, most: int = 2) -> None:
        super().__init__()
        self.first_hop = FirstHop(
            self.endpoint, self.proxy, PeerTable([Peer("home", f"{HOME[0]}:{HOME[1]}")]),
            frozenset({"ims.test"}), lambda domain, now: self.flow(HOME),
            lambda host, now: host != "198.51.100.66", lambda method, aor, now: 0.0, most,
        )  # fmt: skip

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        routed = self.proxy.preprocess(request, flow, now)
        if routed.refusal is not None:
            self.refuse(request, flow, routed.refusal, now)
        elif not self.first_hop.take(request, flow, routed, request.ruri(), now):
            self.refuse(request, flow, Refusal(404), now)

    def register(
        self, contact: str = "<sip:a@10.0.0.1>", *lines: str, branch: str = "z9hG4bKr"
    ) -> None:  # type: ignore[override]
        text = request_text(
            "REGISTER", "sip:ims.test", branch=branch, contact=None, call_id=branch,
            lines=[f"Contact: {contact}", *lines],
        ).replace(b"To: <sip:bob", b"To: <sip:alice")  # fmt: skip
        self.receive(text, ALICE)

    def granted(self, *contacts: bytes, status: int = 200) -> None:
        (sent,) = self.requests("REGISTER")
        self.answer(sent, status, extra=[b"Contact: " + one for one in contacts])

    def may_send(self) -> bool:
        """Try a MESSAGE of Alice's; tell whether it went home."""
        self.take()
        self.receive(request_text(branch=f"z9hG4bKm{self.now}", call_id=f"m{self.now}"), ALICE)
        sent = self.take()
        if isinstance(sent[0][1], Response):
            assert sent[0][1].status == 403
            return False
        assert sent[0][0].remote == HOME
        return True


def test_the_first_hop_says_where_its_devices_are() -> None:
    edge = Edge()
    edge.register("<sip:a@10.0.0.1>", "Path: <sip:somebody@203.0.113.1;lr>")
    ((flow, sent),) = edge.requests("REGISTER")
    assert flow.remote == HOME
    (path,) = sent.get_all("path")
    assert path.endswith(b"@192.0.2.1:5060;lr;ob>")
    along = [f"Route: {path.decode()}"]
    edge.receive(request_text("MESSAGE", "sip:a@10.0.0.1", lines=along, branch="z9hG4bKb"), HOME)
    ((flow, message),) = edge.requests("MESSAGE")
    assert (flow.remote, message.uri, message.has("route")) == (ALICE, b"sip:a@10.0.0.1", False)
    stranger = ("203.0.113.9", 5060)
    edge.receive(
        request_text("MESSAGE", "sip:a@10.0.0.1", lines=along, branch="z9hG4bKc", source=stranger),
        stranger,
    )
    assert edge.statuses(stranger) == [403]


def test_behind_another_proxy_it_is_not_the_first_hop() -> None:
    edge = Edge()
    edge.register("<sip:a@10.0.0.1>", "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx")
    ((_, sent),) = edge.requests("REGISTER")
    assert b";ob" not in sent.get_all("path")[0]


@pytest.mark.parametrize(
    ("asked", "listed", "lasts"),
    [
        ("<sip:a@10.0.0.1>", [b"<sip:a@10.0.0.1>;expires=60"], 60),
        ("<sip:a@10.0.0.1>", [b"<sip:a@10.0.0.2>;expires=60"], 0),
        ("<sip:a@10.0.0.1>", [b"<sip:a@10.0.0.1>"], 3600),
        ("*", [], 0),
    ],
)
def test_for_how_long(asked: str, listed: list[bytes], lasts: int) -> None:
    edge = Edge()
    edge.register(asked)
    edge.granted(*listed)
    assert edge.may_send() is (lasts > 0)
    edge.advance(lasts + 31.0)
    assert edge.may_send() is (lasts > 0)
    edge.advance(2.0)
    assert not edge.may_send()


def test_who_gets_the_same_port_later_is_not_registered() -> None:
    """The next customer of a NAT, or the next program on a shared machine."""
    edge = Edge()
    first, second = (Flow("TCP", ("192.0.2.1", 5060), ALICE) for _ in range(2))
    edge.first_hop.confirmed(first, AOR, 3600, 0.0)
    message = request_text(branch="z9hG4bKn", transport="TCP")
    edge.receive(message, second)
    assert [one.status for _, one in edge.take() if isinstance(one, Response)] == [403]
    edge.receive(message, first)
    assert edge.take()[0][0].remote == HOME


def test_a_device_goes_on_by_the_service_route_alone() -> None:
    """The registrar's side trusts this node: what a device made up would be an open relay there."""
    edge = Edge()
    made_up = "Route: <sip:192.0.2.1;lr>, <sip:198.51.100.9:25;lr>"
    edge.register("<sip:a@10.0.0.1>", made_up)
    (sent,) = edge.requests("REGISTER")
    assert not sent[1].has("route")
    lines = [
        b"Contact: <sip:a@10.0.0.1>;expires=60",
        b"Service-Route: <sip:o@home.test;lr>, <sip:x;lr>",
    ]
    edge.answer(sent, 200, extra=lines)
    edge.take()
    for number, route in enumerate((made_up, "Route: <sip:198.51.100.9;lr>", "Subject: none")):
        text = request_text(branch=f"z9hG4bKs{number}", call_id=f"s{number}", lines=[route])
        edge.receive(text, ALICE)
        ((flow, message),) = edge.requests("MESSAGE")
        assert flow.remote == HOME
        routes = [address.raw for address in message.routes()]
        assert routes == [b"<sip:o@home.test;lr>", b"<sip:x;lr>"]


def test_what_the_registrar_refused_opens_nothing() -> None:
    edge = Edge()
    edge.register()
    edge.granted(status=401)
    assert not edge.may_send()
    assert edge.first_hop.registrations == 0


def test_the_oldest_are_forgotten_first() -> None:
    edge = Edge(most=2)
    for number in range(3):
        edge.first_hop.confirmed(edge.flow(ALICE), f"sip:u{number}@ims.test", 60, 0.0)
    assert edge.first_hop.registrations == 2
    assert not edge.may_send()


def test_a_source_that_asks_too_often_is_dropped() -> None:
    edge = Edge()
    flood = ("198.51.100.66", 5060)
    edge.receive(request_text("REGISTER", "sip:ims.test", source=flood), flood)
    assert edge.take() == []
