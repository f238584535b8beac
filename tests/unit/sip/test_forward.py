# SPDX-License-Identifier: Apache-2.0
"""What a forwarded request looks like and where it goes (RFC 3261 16.5, 16.6, 18.1.1)."""

from __future__ import annotations

import pytest

from sip.flow import Flow
from sip.forward import ProxyConfig
from sip.headers.address import parse_address
from sip.message import Request, Response
from sip.parser import parse_message
from sip.proxy import PLAIN, Fork, Refusal, Target
from sip.routing import Routed
from sip.tokens import FlowName
from tests.support.proxied import (
    ALICE,
    BOB,
    BOB2,
    LIMITS,
    PROXY,
    PROXY_TLS,
    ProxiedNode,
    request_text,
)

NATED = ("203.0.113.50", 31000)


def node(config: ProxyConfig | None = None) -> ProxiedNode:
    made = ProxiedNode(config)
    made.bindings["sip:bob@ims.test"] = [("sip:bob@198.51.100.2:5060", BOB)]
    return made


def stream(made: ProxiedNode, remote: tuple[str, int], transport: str = "TCP") -> Flow:
    """A connection a client opened."""
    flow = Flow(transport, PROXY_TLS if transport == "TLS" else PROXY, remote)
    made.transport.flows[(transport, *remote)] = flow
    return flow


def routes_of(message: Request) -> list[bytes]:
    return [address.raw for address in message.record_routes()]


def names(made: ProxiedNode, route: bytes, call_id: bytes = b"call-1") -> FlowName | None:
    user = parse_address(route).uri.user
    assert user is not None
    return made.proxy.tokens.read(user, call_id + b"\nalice-tag")


# --- Record-Route


@pytest.mark.parametrize(
    "method", ["INVITE", "SUBSCRIBE", "REFER", "NOTIFY", "UPDATE", "FROBNICATE"]
)
def test_a_method_that_may_have_a_dialog_is_record_routed(method: str) -> None:
    made = node()
    made.receive(request_text(method, lines=["Record-Route: <sip:p0;lr>"]), ALICE)
    ((_, sent),) = made.requests(method)
    ours, before = routes_of(sent)
    assert before == b"<sip:p0;lr>"
    assert ours.endswith(b"@192.0.2.1:5060;lr>")
    assert ours.startswith(b"<sip:")
    name = names(made, ours)
    assert name is not None
    assert name.transport == ""


@pytest.mark.parametrize("method", ["MESSAGE", "OPTIONS", "PUBLISH", "INFO", "PRACK", "BYE"])
def test_other_methods_are_not(method: str) -> None:
    made = node()
    made.receive(request_text(method), ALICE)
    assert not made.requests(method)[0][1].has("record-route")


def test_two_values_when_the_transport_changes() -> None:
    made = node()
    alice = stream(made, ("198.51.100.1", 45000))
    made.receive(request_text("INVITE", transport="TCP"), alice)
    ((_, sent),) = made.requests("INVITE")
    far, near = routes_of(sent)
    assert b"transport" not in far
    assert near.endswith(b"@192.0.2.1:5060;transport=tcp;lr>")
    name = names(made, near)
    assert name is not None
    assert name.names(alice)
    unbound = names(made, far)
    assert unbound is not None
    assert unbound.transport == ""


def test_a_nated_caller_is_reached_by_its_flow() -> None:
    made = node()
    made.receive(request_text("INVITE", contact="sip:alice@10.0.0.1:5060"), NATED)
    ((_, sent),) = made.requests("INVITE")
    _, near = routes_of(sent)
    name = names(made, near)
    assert name is not None
    assert name.remote == NATED


def test_a_request_without_contact_names_no_flow() -> None:
    made = node()
    made.receive(request_text("INVITE", contact=None), NATED)
    ((_, sent),) = made.requests("INVITE")
    assert len(routes_of(sent)) == 1


def test_a_request_from_another_server_names_no_flow() -> None:
    made = node()
    lines = ["Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKfirst"]
    made.receive(request_text("INVITE", lines=lines, contact="sip:alice@10.0.0.1"), NATED)
    ((_, sent),) = made.requests("INVITE")
    assert len(routes_of(sent)) == 1


def test_a_peer_is_dialled_even_when_its_contact_is_elsewhere() -> None:
    made = node()
    flow = made.flow(NATED)
    text = request_text("INVITE", contact="sip:alice@10.0.0.1")
    made.receive(text, NATED)
    request = made.forks[0].request
    assert isinstance(request, Request)
    made.take()
    server_tx = made.forks[0].server_tx
    fork = Fork(made.proxy, server_tx, request, PLAIN, Routed(request.uri), from_peer=True)
    assert fork.start([Target(b"sip:bob@198.51.100.2", flow)], made.now) is None
    ((_, sent),) = made.requests("INVITE")
    assert len(routes_of(sent)) == 1


def test_a_bound_target_is_named_on_its_side() -> None:
    made = node()
    bobs = stream(made, ("203.0.113.9", 50123))
    made.bindings.clear()
    made.targets["sip:bob@ims.test"] = [Target(b"sip:bob@10.0.0.9;ob", bobs, bound=True)]
    made.receive(request_text("INVITE"), ALICE)
    ((flow, sent),) = made.requests("INVITE")
    assert flow is bobs
    far, near = routes_of(sent)
    name = names(made, far)
    assert name is not None
    assert name.names(bobs)
    assert names(made, near) is not None


def test_sips_stays_sips() -> None:
    made = node()
    alice = stream(made, ("198.51.100.1", 45000), "TLS")
    uri = "sips:bob@198.51.100.2"
    made.receive(request_text("INVITE", uri, transport="TLS"), alice)
    ((flow, sent),) = made.requests("INVITE")
    assert flow.transport == "TLS"
    for route in routes_of(sent):
        assert route.startswith(b"<sips:")
        assert route.endswith(b"@192.0.2.1:5061;lr>")


# --- inside a dialog


def established(made: ProxiedNode, source: tuple[str, int] | Flow = ALICE) -> list[bytes]:
    """Set up a call from `source` to Bob; returns the Record-Route values, Bob's order."""
    via = source.transport if isinstance(source, Flow) else "UDP"
    made.receive(request_text("INVITE", transport=via), source)
    (sent,) = made.requests("INVITE")
    made.answer(sent, 200, extra=[b"Contact: <sip:bob@198.51.100.2:5060>"])
    made.take()
    return routes_of(sent[1])


def in_dialog(method: str, routes: list[bytes], branch: str, **fields: object) -> bytes:
    uri = fields.pop("uri", "sip:bob@198.51.100.2:5060")
    lines = [f"Route: {route.decode()}" for route in routes]
    return request_text(
        method,
        str(uri),
        branch=branch,
        to_tag="callee",
        lines=lines,
        **fields,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("method", ["PRACK", "UPDATE", "INFO", "BYE", "INVITE"])
def test_requests_inside_the_dialog_follow_the_route(method: str) -> None:
    made = node()
    routes = established(made)
    made.receive(in_dialog(method, routes[::-1], "z9hG4bKd", cseq=2), ALICE)
    ((flow, sent),) = made.requests(method)
    assert flow.remote == BOB
    assert sent.uri == b"sip:bob@198.51.100.2:5060"
    assert not sent.has("route")
    assert made.routed[-1].dialog_proven


def test_an_ack_for_a_2xx_is_forwarded_without_state() -> None:
    made = node()
    routes = established(made)
    before = made.endpoint.layer.stats.client_created
    text = in_dialog("ACK", routes[::-1], "z9hG4bKack")
    made.receive(text, ALICE)
    made.receive(text, ALICE)
    first, again = made.requests("ACK")
    assert first[0].remote == BOB
    assert first[1].via.branch == again[1].via.branch
    assert first[1].via.branch.startswith(b"z9hG4bK")
    assert not first[1].has("record-route")
    assert first[1].get_all("max-breadth") == [b"60"]
    assert made.endpoint.layer.stats.client_created == before


def test_an_ack_that_must_not_go_on_is_dropped() -> None:
    made = node()
    routes = established(made)
    last = parse_message(in_dialog("ACK", [], "z9hG4bKack", max_forwards=0), LIMITS)
    assert isinstance(last, Request)
    target = Target(last.uri, made.flow(BOB))
    made.proxy.forward_ack(last, Routed(last.uri), target, made.now)
    made.receive(in_dialog("ACK", routes[::-1], "z9hG4bKack", max_forwards=0), ALICE)
    made.receive(in_dialog("ACK", [b"<sip:%b@192.0.2.1:5060;lr>" % (b"A" * 15)], "z9hG4bKx"), ALICE)
    assert made.take() == []


def test_requests_go_back_over_the_callers_connection() -> None:
    made = node()
    alice = stream(made, ("198.51.100.1", 45000))
    routes = established(made, alice)
    bye = in_dialog("BYE", routes, "z9hG4bKb", uri="sip:alice@10.9.9.9:1", source=BOB)
    made.receive(bye, BOB)
    ((flow, sent),) = made.requests("BYE")
    assert flow is alice
    assert sent.uri == b"sip:alice@10.9.9.9:1"
    assert sent.via.transport == "TCP"


def test_a_connection_that_is_gone_is_a_430() -> None:
    made = node()
    alice = stream(made, ("198.51.100.1", 45000))
    routes = established(made, alice)
    alice.closed = True
    made.endpoint.flow_failed(alice, "closed", made.now)
    made.receive(in_dialog("BYE", routes, "z9hG4bKb", source=BOB), BOB)
    assert made.statuses(BOB) == [430]


def test_a_datagram_flow_is_found_again_after_a_restart() -> None:
    old = node()
    old.receive(request_text("INVITE", contact="sip:alice@10.0.0.1:5060"), NATED)
    routes = routes_of(old.requests("INVITE")[0][1])
    made = node()
    made.receive(in_dialog("BYE", routes, "z9hG4bKb", source=BOB), BOB)
    ((flow, _),) = made.requests("BYE")
    assert flow.remote == NATED


def test_a_tampered_token_is_forbidden() -> None:
    made = node()
    routes = established(made)
    bad = routes[0].replace(routes[0][6:8], b"zz")
    made.receive(in_dialog("BYE", [bad], "z9hG4bKb"), ALICE)
    assert made.statuses(ALICE) == [403]


def test_a_strict_router_before_us() -> None:
    made = node()
    ours = established(made)[0]
    uri = ours[1:-1].decode()
    made.receive(in_dialog("BYE", [b"<sip:bob@198.51.100.3:5060>"], "z9hG4bKb", uri=uri), ALICE)
    ((flow, sent),) = made.requests("BYE")
    assert flow.remote == BOB2
    assert sent.uri == b"sip:bob@198.51.100.3:5060"
    assert not sent.has("route")


def test_a_strict_router_after_us() -> None:
    made = node()
    routes = [*established(made), b"<sip:198.51.100.3>", b"<sip:last.test;lr>"]
    made.receive(in_dialog("BYE", routes, "z9hG4bKb"), ALICE)
    ((flow, sent),) = made.requests("BYE")
    assert flow.remote == BOB2
    assert sent.uri == b"sip:198.51.100.3"
    assert sent.get_all("route") == [b"<sip:last.test;lr>", b"<sip:bob@198.51.100.2:5060>"]


def test_a_loose_route_after_us() -> None:
    made = node()
    routes = [*established(made), b"<sip:198.51.100.3;lr>"]
    made.receive(in_dialog("BYE", routes, "z9hG4bKb"), ALICE)
    ((flow, sent),) = made.requests("BYE")
    assert flow.remote == BOB2
    assert sent.get_all("route") == [b"<sip:198.51.100.3;lr>"]


# --- targets


def test_a_route_that_is_not_ours_decides_before_the_request_uri() -> None:
    made = node()
    made.receive(request_text(lines=["Route: <sip:198.51.100.3;lr>"]), ALICE)
    ((flow, sent),) = made.requests()
    assert flow.remote == BOB2
    assert sent.uri == b"sip:bob@ims.test"
    assert sent.get_all("route") == [b"<sip:198.51.100.3;lr>"]


def test_a_foreign_request_uri() -> None:
    made = node()
    made.receive(request_text(uri="sip:x@198.51.100.3:5070;transport=tcp"), ALICE)
    ((flow, sent),) = made.requests()
    assert (flow.transport, flow.remote) == ("TCP", ("198.51.100.3", 5070))
    assert sent.via.transport == "TCP"


def refusal(made: ProxiedNode, uri: bytes, routes: list[bytes] | None = None) -> int:
    result = made.proxy.target_for(uri, routes, 0.0)
    assert isinstance(result, Refusal)
    return result.status


def test_a_contact_with_too_much_in_it() -> None:
    made = node()
    made.bindings["sip:bob@ims.test"] = [("sip:bob@198.51.100.2;Method=INVITE;x?h=v", BOB)]
    made.receive(request_text(), ALICE)
    assert made.requests()[0][1].uri == b"sip:bob@198.51.100.2;x"


def test_targets_that_lead_nowhere() -> None:
    made = node()
    assert refusal(made, b"tel:+1555") == 416
    assert refusal(made, b"sip:a@b;transport=sctp") == 416
    assert refusal(made, b"not a uri") == 400
    assert refusal(made, b"sip:a@b", [b"<sip:unclosed"]) == 400
    made.transport.closed_to.add("TCP")
    assert refusal(made, b"sip:a@198.51.100.3;transport=tcp") == 480
    made.proxy.may_send_to = lambda host, port: host != "198.51.100.3"
    assert refusal(made, b"sip:a@198.51.100.3") == 403
    assert refusal(made, b"sip:a@ok.test", [b"<sip:198.51.100.3;lr>"]) == 403
    assert refusal(made, b"sip:a@ok.test;maddr=198.51.100.3") == 403


def test_sips_is_never_sent_in_the_clear() -> None:
    made = node()
    target = made.proxy.target_for(b"sips:bob@198.51.100.2", [b"<sip:198.51.100.3;lr>"], 0.0)
    assert isinstance(target, Target)
    assert target.flow.transport == "TLS"


def test_what_the_caller_drops_and_adds() -> None:
    made = node()
    lines = ["P-Asserted-Identity: <sip:ceo@ims.test>", "Max-Breadth: 99"]
    made.receive(request_text(lines=lines), ALICE)
    request = made.forks[0].request
    made.take()
    fork = Fork(
        made.proxy,
        made.forks[0].server_tx,
        request,
        PLAIN,
        drop=frozenset(("p-asserted-identity",)),
        extra=(b"P-Asserted-Identity: <sip:alice@ims.test>",),
    )
    fork.start([Target(b"sip:bob@198.51.100.2", made.flow(BOB))], made.now)
    ((_, sent),) = made.requests()
    assert sent.get_all("p-asserted-identity") == [b"<sip:alice@ims.test>"]
    assert sent.get_all("max-breadth") == [b"60"]


# --- large requests (18.1.1, flow PM-03)

LARGE = "x" * 1400


def test_a_large_request_leaves_by_tcp() -> None:
    made = node()
    made.receive(request_text(body=LARGE), ALICE)
    ((flow, sent),) = made.requests()
    assert (flow.transport, flow.remote) == ("TCP", BOB)
    assert sent.via.transport == "TCP"
    assert sent.body == LARGE.encode()
    made.answer((flow, sent), 200)
    assert made.statuses(ALICE) == [200]


def test_the_size_of_the_whole_request_counts() -> None:
    made = node()
    sizes = set()
    for length in range(850, 950):
        made.receive(request_text(body="y" * length, branch=f"z9hG4bKb{length}"), ALICE)
    for flow, data in made.transport.out:
        sizes.add(len(data))
        assert (len(data) > 1300) == (flow.transport == "TCP")
    assert {1300, 1301} <= sizes


@pytest.mark.parametrize("reason", ["refused", "reset"])
def test_back_to_udp_when_there_is_no_tcp(reason: str) -> None:
    made = node()
    made.receive(request_text(body=LARGE), ALICE)
    ((flow, first),) = made.requests()
    flow.closed = True
    made.endpoint.flow_failed(flow, reason, made.now)
    made.advance(0)
    ((flow, second),) = made.requests()
    assert (flow.transport, flow.remote) == ("UDP", BOB)
    assert second.via.transport == "UDP"
    assert second.via.branch != first.via.branch
    made.answer((flow, second), 200)
    assert made.statuses(ALICE) == [200]


@pytest.mark.parametrize("reason", ["timeout", "unreachable", "closed"])
def test_no_udp_after_another_failure(reason: str) -> None:
    made = node()
    made.receive(request_text(body=LARGE), ALICE)
    ((flow, _),) = made.requests()
    flow.closed = True
    made.endpoint.flow_failed(flow, reason, made.now)
    made.advance(0)
    assert [m.status for _, m in made.take() if isinstance(m, Response)] == [480]


def test_silence_on_tcp_is_no_reason_for_udp() -> None:
    made = node()
    made.receive(request_text("INVITE", body=LARGE), ALICE)
    made.take()
    made.advance(33)
    assert next(m.status for _, m in made.take() if isinstance(m, Response)) == 408


def test_a_cancelled_invite_is_not_sent_again_by_udp() -> None:
    made = node()
    made.receive(request_text("INVITE", body=LARGE), ALICE)
    ((flow, _),) = made.requests("INVITE")
    made.receive(request_text("CANCEL"), ALICE)
    made.take()
    flow.closed = True
    made.endpoint.flow_failed(flow, "refused", made.now)
    made.advance(0)
    assert [type(m) for _, m in made.take()] == [Response]
    assert made.forks[0].branches[0].status == 487


def test_without_tcp_of_our_own_it_goes_by_udp() -> None:
    made = node()
    made.transport.closed_to.add("TCP")
    made.receive(request_text(body=LARGE), ALICE)
    assert made.requests()[0][0].transport == "UDP"


def test_a_client_behind_nat_is_not_dialled_for_size() -> None:
    made = node()
    made.bindings.clear()
    flow = made.flow(NATED)
    made.targets["sip:bob@ims.test"] = [Target(b"sip:bob@10.0.0.9", flow, bound=True)]
    made.receive(request_text(body=LARGE), ALICE)
    assert made.requests()[0][0] is flow


def test_the_bound_can_be_set() -> None:
    made = node(ProxyConfig(udp_octets=2000))
    made.receive(request_text(body=LARGE), ALICE)
    assert made.requests()[0][0].transport == "UDP"
