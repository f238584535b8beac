"""RFC 4475 and RFC 5118: what the parser makes of every torture message."""

from __future__ import annotations

import pytest

from sip.errors import BadMessage
from sip.headers.address import STAR
from sip.limits import Limits
from sip.message import Request, Response, build_error, build_response, forward_request
from sip.parser import parse_message
from sip.uri import aor_of
from tests.support.wire import outcome

from .vectors import Vector, torture, torture_vectors

LIMITS = Limits()
VECTORS = torture_vectors()


def request(name: str) -> Request:
    message = parse_message(torture(name), LIMITS)
    assert isinstance(message, Request)
    return message


def forwarded(message: Request) -> bytes:
    return forward_request(
        message,
        uri=message.uri,
        via_line=b"Via: SIP/2.0/UDP 192.0.2.200;branch=z9hG4bKown",
        max_forwards=max(0, message.max_forwards - 1),
    )


def test_the_set_is_complete() -> None:
    # RFC 4475 prints 49 messages, its archive has one more; RFC 5118 has 12.
    assert len(VECTORS) == 50 + 12


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_verdict(vector: Vector) -> None:
    result = outcome(vector.data)
    if not isinstance(result, BadMessage):
        assert vector.verdict in ("accept", "either")
        assert isinstance(result, Request if vector.kind == "request" else Response)
        return
    assert vector.verdict in ("reject", "either")
    answer = str(result.status_hint) if result.partial is not None else "drop"
    assert answer in vector.outcomes
    if vector.kind == "response":
        assert result.partial is None


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_every_refusal_can_be_printed_and_names_no_internals(vector: Vector) -> None:
    error = outcome(vector.data)
    if not isinstance(error, BadMessage):
        return
    assert error.phrase.isascii()
    if error.partial is not None:
        error.partial.received_host, error.partial.received_port = "192.0.2.77", 5099
        answer = build_error(error.partial, error.status_hint, error.phrase, b"tag1")
        assert answer.startswith(b"SIP/2.0 %d " % error.status_hint)
        assert answer.endswith(b"Content-Length: 0\r\n\r\n")
        assert answer.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v.kind == "request"], ids=lambda vector: vector.name
)
def test_what_is_accepted_can_be_forwarded_and_answered(vector: Vector) -> None:
    message = outcome(vector.data)
    if isinstance(message, BadMessage):
        return
    assert isinstance(message, Request)
    message.received_host, message.received_port = "192.0.2.77", 5099
    again = parse_message(forwarded(message), LIMITS, stream=True)
    assert isinstance(again, Request)
    assert again.method == message.method
    assert again.body == message.body
    assert again.via_count == message.via_count + 1
    assert again.call_id == message.call_id
    assert (again.from_tag, again.to_tag) == (message.from_tag, message.to_tag)
    assert again.from_uri.equals(message.from_uri)
    answer = parse_message(build_response(message, 404, to_tag=b"x"), LIMITS, stream=True)
    assert isinstance(answer, Response)
    assert answer.via.branch == message.via.branch
    assert answer.to_tag in (b"x", message.to_tag)


def test_wsinv_values() -> None:
    message = request("wsinv")
    assert message.to_tag == b"1918181833n"
    assert message.from_address().name == b'J Rosenberg \\"'
    assert message.from_tag == b"98asjd8"
    assert (message.cseq, message.max_forwards) == (9, 68)
    vias = message.items("via")
    assert message.via_count == 3
    assert [b"192.0.2.2" in vias[0], b"spindle" in vias[1], b"255.111" in vias[2]] == [True] * 3
    assert message.via.branch == b"390skdjuw"
    assert message.get("subject") == b""
    contacts = message.contacts()
    assert contacts is not STAR
    (contact,) = contacts
    assert contact.name == b'Quoted string ""'
    assert contact.uri_raw == b"sip:jdrosen@example.com"
    assert contact.params == [
        (b"newparam", b"newvalue"),
        (b"secondparam", None),
        (b"q", b"0.33"),
    ]
    (route,) = message.routes()
    assert route.uri.params == {"lr": None, "unknownwith": b"value", "unknown-no-value": None}


def test_wsinv_forwards_the_unknown_header_as_it_came() -> None:
    out = forwarded(request("wsinv"))
    assert b"\r\nUnknownHeaderWithUnusualValue: ;;,,;;,;\r\n" in out
    assert b"\r\nNewFangledHeader:   newfangled value\r\n continued newfangled value\r\n" in out


def test_intmeth_values() -> None:
    message = request("intmeth")
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.to_address().display == b'"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f"'
    assert message.to_address().name == b"BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.ruri().user == b"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert message.ruri().host == "example.com"
    value = message.get("extensionheader-!.%*+_`'~")
    assert value == b"\xef\xbb\xbf\xe5\xa4\xa7\xe5\x81\x9c\xe9\x9b\xbb"
    assert b"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" in forwarded(message)


def test_esc01_decodes_once() -> None:
    message = request("esc01")
    assert message.ruri().aor == "sip:sips%3Auser%40example.com@example.net"
    assert message.to_uri.aor == aor_of(b"sip:user@example.com")
    contacts = message.contacts()
    assert contacts is not STAR
    assert contacts[0].uri.param("name") == b"value%41"
    assert contacts[0].uri.param("lr") == b""


def test_escnull_keeps_the_escaped_nul() -> None:
    message = request("escnull")
    assert message.to_uri.aor == "sip:null-%00-null@example.com"
    contacts = message.contacts()
    assert contacts is not STAR
    assert [contact.uri.aor for contact in contacts] == [
        "sip:%00@host5.example.com",
        "sip:%00%00@host5.example.com",
    ]
    assert not contacts[0].uri.equals(contacts[1].uri)


def test_esc02_takes_no_escape_where_none_is() -> None:
    message = request("esc02")
    assert message.method == "RE%47IST%45R"
    contacts = message.contacts()
    assert contacts is not STAR
    assert len(contacts) == 2
    assert message.has("c%6fntact")
    assert message.from_address().name == b"%Z%45"


def test_dblreq_leaves_the_second_request_alone() -> None:
    message = request("dblreq")
    assert message.method == "REGISTER"
    assert message.body == b""
    assert b"INVITE" not in forwarded(message)


def test_semiuri_user_part() -> None:
    message = request("semiuri")
    assert message.ruri().user == b"user;par=u%40example.net"
    assert message.ruri().params == {}


def test_transports_are_open_ended() -> None:
    assert request("transports").via_count == 5


def test_mpart01_body_is_octets() -> None:
    message = request("mpart01")
    assert len(message.body) == 553
    assert b"\x00" in message.body
    assert forwarded(message).endswith(message.body)


def test_longreq_is_whole() -> None:
    message = request("longreq")
    assert message.via_count == 34
    assert message.from_tag == b"12" + b"982" * 50 + b"424"
    assert message.call_id.startswith(b"longreq.onereallyreally")


def test_contact_parameters_inside_and_outside_the_uri() -> None:
    outside, inside = request("cparam01").contacts(), request("cparam02").contacts()
    assert outside is not STAR
    assert inside is not STAR
    assert outside[0].params == [(b"unknownparam", None)]
    assert outside[0].uri.params == {}
    assert inside[0].params == []
    assert inside[0].uri.params == {"unknownparam": None}


def test_regescrt_keeps_the_escaped_route_inside() -> None:
    contacts = request("regescrt").contacts()
    assert contacts is not STAR
    assert contacts[0].uri.headers == b"Route=%3Csip:sip.example.com%3E"
    assert request("regescrt").routes() == []


def test_regaut01_keeps_unknown_credentials() -> None:
    assert request("regaut01").get("authorization") == b"NoOneKnowsThisScheme opaque-data=here"


def test_unknown_schemes_are_for_the_caller_to_judge() -> None:
    assert request("unkscm").ruri().scheme == "nobodyknowsthisscheme"
    assert request("novelsc").ruri().scheme == "soap.beep"
    assert not request("unksm2").to_uri.is_sip


def test_unreason_is_kept() -> None:
    message = parse_message(torture("unreason"), LIMITS)
    assert isinstance(message, Response)
    assert message.reason.decode().startswith("= 2**3 * 5**2 но")


def test_noreason_is_empty() -> None:
    message = parse_message(torture("noreason"), LIMITS)
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (100, b"")


def test_ipv6_hosts_and_ports() -> None:
    ambiguous, plain = request("port-ambiguous").ruri(), request("port-unambiguous").ruri()
    assert (ambiguous.host, ambiguous.port) == ("2001:db8::10:5070", None)
    assert (plain.host, plain.port) == ("2001:db8::10", 5070)
    mapped = request("ipv4-mapped-ipv6").via
    assert mapped.port == 19823
    assert mapped.sent_by == b"[::ffff:192.0.2.10]:19823"


def test_received_is_taken_with_and_without_brackets_and_written_without() -> None:
    for name in ("via-received-param-with-delim", "via-received-param-no-delim"):
        message = request(name)
        assert message.via.received is not None
        message.received_host, message.received_port = "2001:db8::9:255", 5060
        assert b";received=2001:db8::9:255" in message.top_via_line()
        assert b"received=[" not in message.top_via_line()
