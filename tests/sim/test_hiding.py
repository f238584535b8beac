"""A proxy that hides what is behind it from a peer: nothing seen, nothing lost (`imsnode.peers`)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from imsnode.peers.border import Border, Crossing
from imsnode.peers.headerrules import parse_header_rule
from imsnode.peers.hiding import Hiding
from sip.flow import Flow
from sip.message import Request, Response
from tests.support.proxied import ALICE, BOB, ProxiedNode, request_text

# Alice is behind two servers of ours; she is reached by the nearer one.
EDGE = ("10.0.0.8", 5060)
INSIDE = ("Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKinner;received=10.0.0.7",)
ROUTES = ("<sip:10.0.0.8:5060;lr>", "<sip:10.0.0.7:5060;lr>")
CONTACT = '<sip:alice@198.51.100.1:5060>;+sip.instance="<device-7>";expires=60'
SECRETS = (b"10.0.0.", b"198.51.100.1:", b"device-7")


class HiddenNode(ProxiedNode):
    """A proxy with a border towards Bob, who is a peer; what he gets is in `wire`."""

    def __init__(self, *rules: str) -> None:
        super().__init__()
        hiding = Hiding("bob", b"k" * 64, self.proxy.own.is_own)
        parsed = tuple(parse_header_rule(rule) for rule in rules)
        crossing = Crossing("bob", parsed, hiding)
        self.border = Border(lambda flow: crossing if flow.remote == BOB else None)
        self.wire: list[bytes] = []

    def take(self) -> list[tuple[Flow, Request | Response]]:
        self.transport.out = [
            (flow, self.border.outward(flow, data)) for flow, data in self.transport.out
        ]
        self.wire += [data for flow, data in self.transport.out if flow.remote == BOB]
        return super().take()

    def receive(self, data: bytes, source: tuple[str, int] | Flow) -> None:
        flow = source if isinstance(source, Flow) else self.flow(source)
        super().receive(self.border.inward(flow, data), flow)

    def sent(self, method: str) -> tuple[Flow, Request]:
        (one,) = self.requests(method)
        return one

    def answered(self) -> Response:
        return [message for _, message in self.take() if isinstance(message, Response)][-1]

    def told_nothing(self) -> bool:
        return not any(secret in data for secret in SECRETS for data in self.wire)


@pytest.fixture
def node() -> HiddenNode:
    return HiddenNode()


def invite(node: HiddenNode) -> tuple[Flow, Request]:
    """Have alice call bob; returns what he gets."""
    lines = (*INSIDE, *(f"Record-Route: {route}" for route in ROUTES), f"Contact: {CONTACT}")
    uri = f"sip:bob@{BOB[0]}:{BOB[1]}"
    text = request_text("INVITE", uri, lines=lines, contact=None, call_id="c@10.0.0.9", source=EDGE)
    node.receive(text, EDGE)
    return node.sent("INVITE")


def within(
    method: str, uri: bytes, routes: Sequence[bytes], call_id: bytes, source: tuple[str, int],
    tags: tuple[str, str], lines: Sequence[str] = (),
) -> bytes:  # fmt: skip
    """Return a request inside a dialog, as the party at `source` builds it."""
    named = [f"Route: {route.decode()}" for route in routes]
    return request_text(
        method, uri.decode(), branch=f"z9hG4bK{method}{source[1]}", source=source, cseq=5,
        call_id=call_id.decode(), from_tag=tags[0], to_tag=tags[1], lines=[*named, *lines],
        contact=None,
    )  # fmt: skip


def test_a_peer_sees_one_server_and_no_device(node: HiddenNode) -> None:
    _, got = invite(node)
    assert node.told_nothing()
    assert got.via_count == 1
    assert len(got.record_routes()) == 1
    assert b"expires=60" in got.get("contact")  # type: ignore[operator]  # there


def test_the_name_of_a_contact_may_hold_what_is_hidden(node: HiddenNode) -> None:
    uri = "sip:alice@198.51.100.1:5060"
    text = request_text(
        "INVITE", f"sip:bob@{BOB[0]}:{BOB[1]}", contact=None, source=EDGE,
        lines=(*INSIDE, f'Contact: "<{uri}>" <{uri}>;expires=60'),
    )  # fmt: skip
    node.receive(text, EDGE)
    (contact,) = node.sent("INVITE")[1].get_all("contact")
    assert node.told_nothing()
    assert contact.endswith(b">;expires=60")


def test_the_answer_comes_back_with_all_that_was_hidden(node: HiddenNode) -> None:
    sent = invite(node)
    node.answer(sent, 200, extra=[b"Contact: <sip:bob@198.51.100.2:5060>"])
    answer = node.answered()
    assert answer.call_id == b"c@10.0.0.9"
    assert b"z9hG4bKinner" in b",".join(answer.items("via"))
    values = [address.raw for address in answer.record_routes()]
    assert values[1:] == [route.encode() for route in ROUTES]
    assert b"imsn" not in b",".join(values)


def test_the_peer_speaks_in_the_dialog_and_reaches_the_device(node: HiddenNode) -> None:
    sent = invite(node)
    node.answer(sent, 200)
    node.take()
    got = sent[1]
    contacts = got.contacts()
    assert not isinstance(contacts, str)
    target = contacts[0].uri.raw
    routes = [address.raw for address in got.record_routes()]
    node.receive(within("BYE", target, routes, got.call_id, BOB, ("callee", "alice-tag")), BOB)
    flow, bye = node.sent("BYE")
    assert bye.uri == b"sip:alice@198.51.100.1:5060"
    assert [address.raw for address in bye.routes()] == [route.encode() for route in ROUTES]
    assert (flow.remote, bye.call_id) == (EDGE, b"c@10.0.0.9")
    node.answer((flow, bye), 200)
    assert node.answered().call_id == got.call_id
    assert node.told_nothing()


def test_resends_are_the_same_octets(node: HiddenNode) -> None:
    invite(node)
    node.advance(0.5)
    node.take()
    first, again = (data for data in node.wire if data.startswith(b"INVITE"))
    assert first == again


def test_a_dialog_that_the_peer_began_keeps_its_call_id(node: HiddenNode) -> None:
    node.bindings["sip:alice@ims.test"] = [("sip:alice@198.51.100.1:5060", ALICE)]
    contact = ("Contact: <sip:bob@198.51.100.2:5060>",)
    text = request_text(
        "INVITE", "sip:alice@ims.test", source=BOB, call_id="theirs", contact=None, lines=contact
    )
    node.receive(text, BOB)
    flow, got = node.sent("INVITE")
    assert got.call_id == b"theirs~bob"
    node.answer((flow, got), 200, extra=[b"Contact: <sip:alice@198.51.100.1:5060>"])
    answer = node.answered()
    assert answer.call_id == b"theirs"
    routes = [address.raw for address in got.record_routes()]
    tags = ("callee", "alice-tag")
    node.receive(
        within("BYE", b"sip:bob@198.51.100.2:5060", routes, got.call_id, ALICE, tags), ALICE
    )
    flow, bye = node.sent("BYE")
    assert (flow.remote, bye.call_id) == (BOB, b"theirs")
    assert node.told_nothing()


@pytest.mark.parametrize("name", ["other", "bob"])
def test_a_token_of_another_peer_or_a_changed_one_means_nothing(name: str) -> None:
    node = HiddenNode()
    sent = invite(node)[1]
    call_id = sent.call_id if name == "other" else sent.call_id[:-1] + b"!"
    crossing = Crossing(name, (), Hiding(name, b"k" * 64, node.proxy.own.is_own))
    border = Border(lambda flow: crossing)
    text = request_text(call_id=call_id.decode())
    assert b"Call-ID: " + call_id + b"~" + name.encode() in border.inward(node.flow(BOB), text)


def test_headers_change_on_the_way_out_and_in() -> None:
    node = HiddenNode(
        "out remove X-Secret",
        "out add X-Network: ours",
        "out domain P-Asserted-Identity ims.test carrier.example",
        "in prefix Request-URI 00 +",
        "in set P-Asserted-Service: chat",
    )
    lines = ("X-Secret: 1", "P-Asserted-Identity: <sip:alice@ims.test>, <tel:+1>")
    node.receive(request_text(uri=f"sip:bob@{BOB[0]}:{BOB[1]}", lines=lines), ALICE)
    _, got = node.sent("MESSAGE")
    assert not got.has("x-secret")
    assert got.get("x-network") == b"ours"
    assert got.get("p-asserted-identity") == b"<sip:alice@carrier.example>, <tel:+1>"
    node.bindings["sip:+49@ims.test"] = [("sip:alice@198.51.100.1:5060", ALICE)]
    node.receive(request_text(uri="sip:0049@ims.test", source=BOB, call_id="2"), BOB)
    _, got = node.sent("MESSAGE")
    assert got.get("p-asserted-service") == b"chat"


VIA = b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\n"
FORGED = b"P-Asserted-Identity: <sip:boss@ims.test>\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\nMESSAGE sip:a@ims.test SIP/2.0\r\n" + VIA + FORGED,
        b"SIP/2.0 200\r\n" + VIA + FORGED,
        b'SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;x="\r\n' + VIA + FORGED,
        b"MESSAGE sip:a@ims.test SIP/2.0\r\n" + VIA + b"Route: <sip:\r\n" + FORGED,
        b"MESSAGE sip:a@ims.test SIP/2.0\r\n" + VIA + b"p-asserted-identity \t:\r\n <x:y>\r\n\r\n",
    ],
)
@pytest.mark.parametrize("hides", [True, False])
def test_no_way_of_writing_goes_around_a_rule(node: HiddenNode, data: bytes, hides: bool) -> None:
    hiding = Hiding("bob", b"k" * 64, node.proxy.own.is_own) if hides else None
    rules = (parse_header_rule("in remove P-Asserted-Identity"),)
    border = Border(lambda flow: Crossing("bob", rules, hiding))
    changed = border.inward(node.flow(BOB), data)
    assert b"asserted" not in changed.lower()
    assert VIA in changed


@pytest.mark.parametrize(
    ("rule", "value", "changed"),
    [
        ("domain a b", b"<sip:u:p@a:1>, sip:a;x, <sips:a>", b"<sip:u:p@b:1>, sip:b;x, <sips:b>"),
        ("domain a b", b"<sip:a@x>, <sip:u@a.x>, <sip:u@xa>", None),
        ("prefix 00 +", b"<sip:0049:pw@a>;x=y:z:1, tel:0043", b"<sip:+49:pw@a>;x=y:z:1, tel:+43"),
        ("prefix 00 +", b"<sip:1001@a>, <sip:u@00.x>", None),
        # Each of these costs as much as it is long, not its square.
        ("domain a b", b"sip:" * 60_000, None),
        ("prefix 00 +", b"sip:00." * 30_000 + b"<", None),
    ],
    ids=range(6),
)  # fmt: skip
def test_what_a_rewrite_takes_for_an_address(
    rule: str, value: bytes, changed: bytes | None
) -> None:
    action, words = rule.split(" ", 1)
    crossing = Crossing("p", (parse_header_rule(f"in {action} X {words}"),), None)
    border = Border(lambda flow: crossing)
    flow = Flow("UDP", ALICE, BOB)
    data = b"OPTIONS sip:x SIP/2.0\r\nX: %b\r\n\r\n"
    assert border.inward(flow, data % value) == data % (value if changed is None else changed)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("out delete X", "is no change of a header"),
        ("sideways remove X", "is no change of a header"),
        ("out remove Via", "cannot be changed"),
        ("in set m: <sip:x>", "cannot be changed"),
        ("out add X", "lacks its value"),
        ("out domain X one", "lacks what becomes what"),
        ("out remove Request-URI", "alone"),
        ("out remove X Y", "more than a removal"),
        ("out add X: a\r\nVia: b", "unprintable"),
    ],
)
def test_what_is_no_rule_is_said(rule: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_header_rule(rule)


@pytest.mark.parametrize(
    "data", [b"\r\n\r\n", b"\0\1\0\0", b"MESSAGE sip:a SIP/2.0", b"X y\r\nz\r\n\r\n"]
)
def test_what_is_no_message_passes_as_it_is(node: HiddenNode, data: bytes) -> None:
    assert node.border.inward(node.flow(BOB), data) == data
