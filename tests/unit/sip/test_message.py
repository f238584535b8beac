from __future__ import annotations

import pytest

from sip.errors import BadMessage, LocalProtocolError
from sip.limits import Limits
from sip.message import (
    Request,
    Response,
    build_error,
    build_request,
    build_response,
    forward_request,
    forward_response,
    status_line,
    trim,
)
from sip.parser import parse_message
from sip.reasons import REASONS
from tests.support.wire import REQUEST, RESPONSE, changed, with_line, without

LIMITS = Limits()
OWN = b"Via: SIP/2.0/UDP 192.0.2.200;branch=z9hG4bKown"


def request(data: bytes = REQUEST, source: tuple[str, int] | None = None) -> Request:
    message = parse_message(data, LIMITS)
    assert isinstance(message, Request)
    if source is not None:
        message.received_host, message.received_port = source
    return message


def response(data: bytes = RESPONSE) -> Response:
    message = parse_message(data, LIMITS)
    assert isinstance(message, Response)
    return message


def head(data: bytes) -> list[bytes]:
    return data.partition(b"\r\n\r\n")[0].split(b"\r\n")


class TestAccess:
    def test_by_name(self) -> None:
        message = request(with_line(b"Supported: Path ,\r\n gruu, ,\r\nk: x\r\nSubject:"))
        assert message.has("supported")
        assert not message.has("expires")
        assert message.get("supported") == b"Path , gruu, ,"
        assert message.get("subject") == b""
        assert message.get("expires") is None
        assert message.get_all("supported") == [b"Path , gruu, ,", b"x"]
        assert message.get_all("expires") == []
        assert message.items("supported") == [b"Path", b"gruu", b"x"]
        assert message.tokens("supported") == [b"path", b"gruu", b"x"]
        assert message.items("expires") == []
        assert message.line("supported") == b"Supported: Path ,\r\n gruu, ,"
        assert message.line("expires") is None
        assert message.values[1] == b"70"
        assert message.values is message.values

    def test_addresses(self) -> None:
        message = request(with_line(b"Record-Route: <sip:a;lr>,<sip:b;lr>"))
        assert message.from_address().display == b'"Alice"'
        assert message.from_address() is message.from_address()
        assert message.to_address().uri_raw == b"sip:bob@ims.test"
        assert message.to_address() is message.to_address()
        assert [route.uri_raw for route in message.record_routes()] == [b"sip:a;lr", b"sip:b;lr"]
        assert message.contacts() == []
        assert message.routes() == []

    def test_for_humans(self) -> None:
        assert repr(request()) == "<Request MESSAGE b'sip:bob@ims.test' b'call-1@192.0.2.1'>"
        assert repr(response()) == "<Response 200 MESSAGE b'call-1@192.0.2.1'>"

    def test_trim(self) -> None:
        assert trim(b" \ta\r\n \t b \t") == b"a b"


class TestTopVia:
    def test_as_it_came_without_a_source(self) -> None:
        assert request().top_via_line() == request().lines[0]

    def test_stamped(self) -> None:
        line = request(source=("192.0.2.1", 40000)).top_via_line()
        assert line == (
            b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc;rport=40000;received=192.0.2.1"
        )

    def test_others_on_the_line_stay(self) -> None:
        data = changed(REQUEST, b";rport", b" , SIP/2.0/TCP b,SIP/2.0/TLS c")
        line = request(data, ("10.0.0.1", 1)).top_via_line()
        assert line == (
            b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc;received=10.0.0.1"
            b", SIP/2.0/TCP b, SIP/2.0/TLS c"
        )


class TestResponses:
    def test_copies_what_it_must(self) -> None:
        message = request(with_line(b"v: SIP/2.0/TCP b;branch=z9b"), ("192.0.2.1", 7))
        out = build_response(message, 404, to_tag=b"t9", extra=(b"X: y",))
        assert head(out) == [
            b"SIP/2.0 404 Not Found",
            b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc;rport=7;received=192.0.2.1",
            b"v: SIP/2.0/TCP b;branch=z9b",
            b'From: "Alice" <sip:alice@ims.test>;tag=f1',
            b"To: <sip:bob@ims.test>;tag=t9",
            b"Call-ID: call-1@192.0.2.1",
            b"CSeq: 1 MESSAGE",
            b"X: y",
            b"Content-Length: 0",
        ]
        assert out.endswith(b"\r\n\r\n")

    def test_tags(self) -> None:
        assert b"To: <sip:bob@ims.test>\r\n" in build_response(request(), 100, to_tag=b"x")
        tagged = request(changed(REQUEST, b"To: <sip:bob@ims.test>", b"To: sip:bob@ims.test;tag=q"))
        assert b"To: sip:bob@ims.test;tag=q\r\n" in build_response(tagged, 200, to_tag=b"x")
        bare = request(changed(REQUEST, b"To: <sip:bob@ims.test>", b"To: sip:bob@ims.test\r\n "))
        assert response(build_response(bare, 200, to_tag=b"x")).to_tag == b"x"

    def test_body_and_reason(self) -> None:
        out = build_response(request(), 400, b"Because", body=b"why", content_type=b"text/plain")
        assert out.startswith(b"SIP/2.0 400 Because\r\n")
        assert out.endswith(b"\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nwhy")

    def test_record_route_only_when_asked(self) -> None:
        message = request(with_line(b"Record-Route: <sip:a;lr>\r\nrecord-route: <sip:b;lr>"))
        assert b"ecord-" not in build_response(message, 200)
        lines = head(build_response(message, 200, record_route=True))
        assert lines[2:4] == [b"Record-Route: <sip:a;lr>", b"record-route: <sip:b;lr>"]

    @pytest.mark.parametrize("text", [b"a\r\nB: c", b"a\n", b"\r"])
    def test_no_line_is_smuggled_in(self, text: bytes) -> None:
        with pytest.raises(LocalProtocolError):
            build_response(request(), 400, text)
        with pytest.raises(LocalProtocolError):
            build_response(request(), 200, extra=(text,))
        with pytest.raises(LocalProtocolError):
            build_response(request(), 200, content_type=text)

    def test_status_lines(self) -> None:
        assert status_line(202, None) == b"SIP/2.0 202 Accepted"
        assert status_line(299, None) == b"SIP/2.0 299 "
        assert all(100 <= status <= 699 for status in REASONS)


class TestErrors:
    def partial_of(self, data: bytes) -> BadMessage:
        with pytest.raises(BadMessage) as caught:
            parse_message(data, LIMITS)
        return caught.value

    def test_answer(self) -> None:
        error = self.partial_of(changed(REQUEST, b"1 MESSAGE", b"1 INVITE"))
        assert error.partial is not None
        error.partial.received_host, error.partial.received_port = "192.0.2.1", 9
        assert head(build_error(error.partial, 400, error.phrase, b"tt")) == [
            b"SIP/2.0 400 Bad Request: CSeq method does not match",
            b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc;rport=9;received=192.0.2.1",
            b'From: "Alice" <sip:alice@ims.test>;tag=f1',
            b"To: <sip:bob@ims.test>;tag=tt",
            b"Call-ID: call-1@192.0.2.1",
            b"CSeq: 1 INVITE",
            b"Content-Length: 0",
        ]

    def test_a_broken_via_is_echoed(self) -> None:
        error = self.partial_of(changed(REQUEST, b";rport", b";;"))
        assert error.partial is not None
        error.partial.received_host = "192.0.2.1"
        assert head(build_error(error.partial, 400))[1] == (
            b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc;;"
        )

    def test_more_vias_stay_in_place(self) -> None:
        data = changed(without(b"From"), b";rport", b", SIP/2.0/TCP b\r\nVia: SIP/2.0/TCP c")
        error = self.partial_of(data)
        assert error.partial is not None
        error.partial.received_host = "10.0.0.1"
        assert head(build_error(error.partial, 400))[1:3] == [
            b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc;received=10.0.0.1, SIP/2.0/TCP b",
            b"Via: SIP/2.0/TCP c",
        ]


class TestForwardRequest:
    def test_only_what_must_change_changes(self) -> None:
        message = request(source=("192.0.2.1", 5070))
        out = forward_request(message, uri=b"sip:bob@10.0.0.9:5080", via_line=OWN, max_forwards=69)
        before, after = head(REQUEST), head(out)
        assert after[0] == b"MESSAGE sip:bob@10.0.0.9:5080 SIP/2.0"
        assert after[1] == OWN
        assert after[2].endswith(b";rport=5070;received=192.0.2.1")
        assert after[3] == b"Max-Forwards: 69"
        assert after[4:] == before[3:]
        assert out.endswith(b"\r\n\r\nhello")
        assert message.lines == before[1:]

    def test_absent_headers_are_added(self) -> None:
        data = without(b"Max-Forwards", without(b"Content-Length"))
        out = forward_request(request(data), uri=b"sip:x", via_line=OWN, max_forwards=70)
        assert head(out)[2] == b"Max-Forwards: 70"
        assert head(out)[-1] == b"Content-Length: 5"

    def test_routes(self) -> None:
        message = request(with_line(b"Route: <sip:a;lr>\r\nSubject: s\r\nroute: <sip:b;lr>"))
        kept = head(forward_request(message, uri=b"sip:x", via_line=OWN, max_forwards=1))
        assert [line for line in kept if b"oute" in line] == [
            b"Route: <sip:a;lr>",
            b"route: <sip:b;lr>",
        ]
        none = forward_request(message, uri=b"sip:x", via_line=OWN, max_forwards=1, routes=())
        assert b"oute:" not in none
        two = forward_request(
            message, uri=b"sip:x", via_line=OWN, max_forwards=1, routes=[b"<sip:c>", b"<sip:d>"]
        )
        assert head(two)[2:4] == [b"Route: <sip:c>", b"Route: <sip:d>"]
        assert two.count(b"oute:") == 2
        assert b"Subject: s" in two

    def test_drop_record_route_and_extra(self) -> None:
        message = request(with_line(b"P-Asserted-Identity: <sip:x>\r\nRecord-Route: <sip:a;lr>"))
        out = head(
            forward_request(
                message,
                uri=b"sip:x",
                via_line=OWN,
                max_forwards=1,
                drop=frozenset(("p-asserted-identity", "x-unknown", "date")),
                record_route=b"<sip:own;lr>",
                extra=(b"P-Asserted-Identity: <sip:alice@ims.test>",),
            )
        )
        assert b"P-Asserted-Identity: <sip:x>" not in out
        assert not any(line.startswith(b"X-Unknown") for line in out)
        assert out.index(b"Record-Route: <sip:own;lr>") < out.index(b"Record-Route: <sip:a;lr>")
        assert out[-1] == b"P-Asserted-Identity: <sip:alice@ims.test>"

    def test_octets_after_the_body_stay_behind(self) -> None:
        message = request(REQUEST + b"INVITE sip:evil SIP/2.0\r\n\r\n")
        out = forward_request(message, uri=b"sip:x", via_line=OWN, max_forwards=1)
        assert out.endswith(b"hello")

    def test_a_via_below_other_headers(self) -> None:
        data = changed(REQUEST, b"Via: SIP", b"Subject: s\r\nVia: SIP")
        out = forward_request(request(data), uri=b"sip:x", via_line=OWN, max_forwards=1)
        again = request(out)
        assert again.via.branch == b"z9hG4bKown"
        assert again.items("via")[1].startswith(b"SIP/2.0/UDP 192.0.2.1")


class TestForwardResponse:
    def test_pops_one_line(self) -> None:
        lines = head(RESPONSE)
        assert head(forward_response(response())) == [lines[0], *lines[2:]]

    def test_pops_one_value(self) -> None:
        data = RESPONSE.replace(b"\r\nVia:", b",", 2).replace(b",", b"\r\nVia:", 1)
        out = forward_response(response(data))
        assert head(out)[1] == (
            b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc;rport=5070;received=192.0.2.1"
        )
        assert response(out).via_count == 1

    def test_length_is_added_for_streams(self) -> None:
        data = without(b"Content-Length", RESPONSE) + b"body"
        out = forward_response(response(data))
        assert out.endswith(b"\r\nContent-Length: 4\r\n\r\nbody")


def test_own_requests() -> None:
    out = build_request(
        "OPTIONS",
        b"sip:a@b",
        [(b"Via", b"SIP/2.0/UDP x;branch=z9hG4bK1"), (b"From", b"<sip:x>;tag=1"),
         (b"To", b"<sip:a@b>"), (b"Call-ID", b"c"), (b"CSeq", b"1 OPTIONS")],
        b"12",
    )  # fmt: skip
    message = parse_message(out, LIMITS, stream=True)
    assert message.method == "OPTIONS"
    assert message.body == b"12"
    with pytest.raises(LocalProtocolError):
        build_request("OPTIONS", b"sip:a\r\nX: y", [])
    with pytest.raises(LocalProtocolError):
        build_request("OPTIONS", b"sip:a", [(b"Subject", b"a\r\nRoute: <sip:evil>")])
