# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sip.flow import Flow
from sip.message import Request
from sip.parser import parse_message
from sip.routing import OwnNames, Routed, as_request_uri, check, loop_mark, preprocess
from sip.tokens import FlowName, FlowTokens
from sip.uri import parse_uri
from tests.support.proxied import ALICE, LIMITS, PROXY, PROXY_TLS, request_text

OWN = OwnNames([PROXY, PROXY_TLS, ("2001:db8::1", 5060)], ["ims.test", "Other.Test"])
TOKENS = FlowTokens(b"s" * 20)
HERE = Flow("UDP", PROXY, ALICE)
BOBS = Flow("TCP", PROXY, ("203.0.113.5", 50000))


class Flows:
    """Knows one live flow."""

    def flow_named(self, name: FlowName, now: float) -> Flow | None:
        return BOBS if name.names(BOBS) else None


def request(method: str = "BYE", uri: str = "sip:bob@203.0.113.5", **fields: object) -> Request:
    message = parse_message(request_text(method, uri, **fields), LIMITS)  # type: ignore[arg-type]
    assert isinstance(message, Request)
    return message


def routed(message: Request, flow: Flow = HERE) -> Routed:
    return preprocess(message, flow, OWN, TOKENS, Flows(), 0.0)


OTHER_DIALOG = b"call-2\nalice-tag"


def route(
    flow: Flow | None = None, scope: bytes = b"call-1\nalice-tag", host: str = "192.0.2.1:5060"
) -> str:
    return f"<sip:{TOKENS.make(flow, scope).decode()}@{host};lr>"


@pytest.mark.parametrize(
    ("uri", "own"),
    [
        ("sip:ims.test", True),
        ("sip:alice@IMS.TEST", True),
        ("sips:alice@other.test", True),
        ("sip:alice@ims.test:5060", True),
        ("sip:alice@ims.test:7777", False),
        ("sip:192.0.2.1", True),
        ("sip:alice@192.0.2.1:5061", True),
        ("sips:alice@192.0.2.1", True),
        ("sip:192.0.2.1;transport=tls", True),
        ("sip:192.0.2.1:5070", False),
        ("sip:[2001:db8:0::1]", True),
        ("sip:alice@elsewhere.test", False),
        ("tel:+1555", False),
        ("urn:service:sos", False),
    ],
)
def test_what_is_addressed_to_this_node(uri: str, own: bool) -> None:
    assert OWN.is_own(parse_uri(uri.encode())) is own


@pytest.mark.parametrize(
    ("sent_by", "own"),
    [
        (b"192.0.2.1:5060", True),
        (b"[2001:db8::1]:5060", True),
        (b"192.0.2.1", False),
        (b"192.0.2.1:99999999", False),
        (b"192.0.2.9:5060", False),
        (b"\xff:5060", False),
        (b"a:b:5060", False),
        (b"", False),
    ],
)
def test_own_sent_by(sent_by: bytes, own: bool) -> None:
    assert OWN.is_own_sent_by(sent_by) is own


def test_a_request_without_route_is_left_alone() -> None:
    for uri in ("sip:bob@ims.test", "sip:bob@ims.test;transport=tcp"):
        result = routed(request("MESSAGE", uri))
        assert (result.uri, result.routes, result.flow) == (uri.encode(), None, None)
        assert not result.dialog_proven


def test_our_route_is_taken_off_and_others_stay_as_they_came() -> None:
    other = '"Proxy, two" <sip:p2.test;lr>;x=y'
    result = routed(request(lines=[f"Route: <sip:ims.test;lr>, {other}", "Route: <sip:p3.test>"]))
    assert result.routes == [other.encode(), b"<sip:p3.test>"]
    assert result.uri == b"sip:bob@203.0.113.5"
    assert result.refusal is None


def test_a_foreign_route_is_left_alone() -> None:
    result = routed(request(lines=["Route: <sip:p2.test;lr>"]))
    assert result.routes is None


def test_an_outbound_proxy_setting_without_lr_is_ours() -> None:
    assert routed(request(lines=["Route: <sip:192.0.2.1:5060>"])).routes == []


def test_an_address_in_our_domain_is_no_route_of_ours() -> None:
    assert routed(request(lines=["Route: <sip:carol@ims.test>"])).routes is None


def test_a_token_sends_the_request_over_its_flow() -> None:
    result = routed(request(to_tag="b", lines=[f"Route: {route(None)}", f"Route: {route(BOBS)}"]))
    assert result.flow is BOBS
    assert result.routes == []
    assert result.dialog_proven


def test_a_single_token_is_read_in_the_direction_the_request_goes() -> None:
    line = [f"Route: {route(BOBS)}"]
    assert routed(request(to_tag="b", lines=line)).flow is BOBS
    assert routed(request(to_tag="b", lines=line), BOBS).flow is None


def test_the_last_of_two_tokens_counts_even_when_both_sides_share_a_flow() -> None:
    lines = [f"Route: {route(BOBS)}", f"Route: {route(BOBS)}"]
    assert routed(request(to_tag="b", lines=lines), BOBS).flow is BOBS


def test_a_tampered_token_is_refused() -> None:
    token = route(BOBS)
    changed = token.replace(token[6], "A" if token[6] != "A" else "B", 1)
    result = routed(request(to_tag="b", lines=[f"Route: {changed}"]))
    assert result.refusal is not None
    assert result.refusal.status == 403


def test_a_token_of_another_dialog_is_refused() -> None:
    result = routed(request(to_tag="b", lines=[f"Route: {route(BOBS, OTHER_DIALOG)}"]))
    assert result.refusal is not None
    assert result.refusal.status == 403


def test_a_token_whose_flow_is_gone() -> None:
    gone = Flow("TCP", PROXY, ("203.0.113.5", 50001))
    result = routed(request(to_tag="b", lines=[f"Route: {route(gone)}"]))
    assert result.refusal is not None
    assert result.refusal.status == 430


def test_only_a_request_inside_a_dialog_is_proven() -> None:
    assert not routed(request("INVITE", lines=[f"Route: {route(None)}"])).dialog_proven
    assert not routed(request(to_tag="b", lines=["Route: <sip:ims.test;lr>"])).dialog_proven


def test_a_strict_router_before_us_is_undone() -> None:
    uri = route(BOBS)[1:-1]
    lines = ["Route: <sip:p9.test;lr>, <sip:bob@203.0.113.5:5062;ob>"]
    result = routed(request(uri=uri, to_tag="b", lines=lines))
    assert result.uri == b"sip:bob@203.0.113.5:5062;ob"
    assert result.routes == [b"<sip:p9.test;lr>"]
    assert result.flow is BOBS


def test_a_strict_router_before_two_values_of_ours() -> None:
    lines = [f"Route: {route(BOBS)}", "Route: <sip:bob@203.0.113.5>"]
    result = routed(request(uri=route(None)[1:-1], to_tag="b", lines=lines))
    assert result.uri == b"sip:bob@203.0.113.5"
    assert result.routes == []
    assert result.flow is BOBS


def test_a_request_uri_of_ours_with_a_foreign_token_is_refused() -> None:
    lines = ["Route: <sip:bob@203.0.113.5>"]
    result = routed(request(uri="sip:someone@192.0.2.1:5060;lr", lines=lines))
    assert result.refusal is not None
    assert result.refusal.status == 403


def test_maddr_of_ours_is_stripped_where_it_was_received() -> None:
    uri = "sip:bob@elsewhere.test:5060;maddr=192.0.2.1;transport=udp;x=1"
    assert routed(request(uri=uri)).uri == b"sip:bob@elsewhere.test;x=1"
    bare = "sip:[2001:db8::5];maddr=192.0.2.1;lr"
    assert routed(request(uri=bare)).uri == b"sip:[2001:db8::5];lr"


@pytest.mark.parametrize(
    "uri",
    [
        "sip:bob@elsewhere.test;maddr=192.0.2.1;transport=tcp",
        "sip:bob@elsewhere.test:5061;maddr=192.0.2.1",
        "sip:bob@elsewhere.test;maddr=192.0.2.99",
    ],
)
def test_maddr_meant_for_another_place_stays(uri: str) -> None:
    assert routed(request(uri=uri)).uri == uri.encode()


@pytest.mark.parametrize(
    ("contact", "uri"),
    [
        ("sip:bob@h:5070;transport=tcp;ob", "sip:bob@h:5070;transport=tcp;ob"),
        ("sip:bob@h;method=INVITE;ob?Subject=x&a=b", "sip:bob@h;ob"),
        ("sip:h?a=b", "sip:h"),
        ("sip:bob;method=a?b=c@h;METHOD=INFO", "sip:bob;method=a?b=c@h"),
        ("tel:+1;method=x", "tel:+1;method=x"),
    ],
)
def test_a_contact_becomes_a_request_uri(contact: str, uri: str) -> None:
    assert as_request_uri(contact.encode()) == uri.encode()


def test_checks_pass_an_ordinary_request() -> None:
    assert check(request("MESSAGE"), OWN) is None
    assert check(request("MESSAGE", "tel:+1555"), OWN) is None


def test_unknown_scheme() -> None:
    refusal = check(request("MESSAGE", "http://example.com"), OWN)
    assert refusal is not None
    assert refusal.status == 416


def test_max_forwards_used_up() -> None:
    refusal = check(request(max_forwards=0), OWN)
    assert refusal is not None
    assert refusal.status == 483


def test_proxy_require_names_what_is_not_understood() -> None:
    message = request(lines=["Proxy-Require: Known, sec-agree", "Proxy-Require: foo"])
    refusal = check(message, OWN, (b"known",))
    assert refusal is not None
    assert refusal.status == 420
    assert refusal.lines == (b"Unsupported: sec-agree, foo",)


def looping(message: Request, sent_by: str = "192.0.2.1:5060", **fields: object) -> Request:
    branch = "z9hG4bKx" + loop_mark(message).decode()
    via = f"Via: SIP/2.0/UDP {sent_by};rport;branch={branch}"
    return request("MESSAGE", **{"lines": [via], **fields})  # type: ignore[arg-type]


def test_a_loop_is_found() -> None:
    refusal = check(looping(request("MESSAGE")), OWN)
    assert refusal is not None
    assert refusal.status == 482


def test_a_spiral_is_no_loop() -> None:
    first = request("MESSAGE")
    assert check(looping(first, uri="sip:carol@ims.test"), OWN) is None
    assert check(looping(first, call_id="other"), OWN) is None
    again = request("MESSAGE", lines=["Route: <sip:next.test;lr>"])
    assert check(looping(again), OWN) is None


def test_a_mark_in_somebody_elses_via_is_no_loop() -> None:
    assert check(looping(request("MESSAGE"), sent_by="192.0.2.77:5060"), OWN) is None


def test_strange_vias_of_others_do_no_harm() -> None:
    lines = ['Via: SIP / 2.0 / UDP first.example.com: 4000;ttl=16;x="a;b" ;branch=z9hG4bK.1']
    assert check(request("MESSAGE", lines=lines), OWN) is None


def test_the_mark_does_not_depend_on_the_method() -> None:
    assert loop_mark(request("INVITE")) == loop_mark(request("CANCEL"))
    with_requirement = request("INVITE", lines=["Proxy-Require: x"])
    assert loop_mark(request("INVITE")) != loop_mark(with_requirement)


def test_the_route_of_a_dialog_serves_both_its_parties_and_nobody_else() -> None:
    line = [f"Route: {route(BOBS)}"]
    assert routed(request(from_tag="b", to_tag="alice-tag", lines=line)).flow is BOBS
    refusal = routed(request(from_tag="b", to_tag="c", lines=line)).refusal
    assert refusal is not None
    assert refusal.status == 403
