from __future__ import annotations

import pytest

from sip.errors import BadMessage, LimitExceeded, ParseError
from sip.headers.address import STAR
from sip.limits import Limits
from sip.message import Request, Response
from sip.parser import parse_message
from tests.support.wire import REQUEST, RESPONSE, changed, with_line, without

LIMITS = Limits()


def parse(data: bytes, stream: bool = False) -> Request:
    message = parse_message(data, LIMITS, stream)
    assert isinstance(message, Request)
    return message


def refused(data: bytes, limits: Limits = LIMITS, stream: bool = False) -> BadMessage:
    with pytest.raises(BadMessage) as caught:
        parse_message(data, limits, stream)
    return caught.value


def reason(data: bytes, stream: bool = False) -> str:
    error = refused(data, stream=stream)
    assert isinstance(error, ParseError)
    assert error.status_hint == 400
    return error.reason


class TestRequest:
    def test_parts(self) -> None:
        message = parse(REQUEST)
        assert message.method == "MESSAGE"
        assert message.uri == b"sip:bob@ims.test"
        assert message.ruri().aor == "sip:bob@ims.test"
        assert message.names == (
            "via", "max-forwards", "from", "to", "call-id", "cseq", "x-unknown", "content-type",
            "content-length",
        )  # fmt: skip
        assert message.lines[6] == b"X-Unknown:  kept ,as;it=is "
        assert message.values[6] == b"kept ,as;it=is"
        assert message.call_id == b"call-1@192.0.2.1"
        assert (message.cseq, message.max_forwards, message.via_count) == (1, 70, 1)
        assert (message.from_tag, message.to_tag) == (b"f1", b"")
        assert message.from_uri.aor == "sip:alice@ims.test"
        assert message.to_uri.aor == "sip:bob@ims.test"
        assert message.via.branch == b"z9hG4bKabc"
        assert message.body == b"hello"

    def test_absent_max_forwards_is_70(self) -> None:
        assert parse(without(b"Max-Forwards")).max_forwards == 70

    def test_version_in_lower_case(self) -> None:
        assert parse(changed(REQUEST, b"test SIP/2.0", b"test sip/2.0")).method == "MESSAGE"

    def test_unknown_method(self) -> None:
        data = REQUEST.replace(b"MESSAGE", b"N%w-Method")
        assert parse(data).method == "N%w-Method"

    def test_compact_and_odd_spellings(self) -> None:
        data = REQUEST
        for long, odd in [
            (b"Via:", b"v:"), (b"From:", b"F \t:"), (b"To:", b"tO:"), (b"Call-ID:", b"i:"),
            (b"CSeq:", b"cSEQ:"), (b"Content-Type:", b"c:"), (b"Content-Length:", b"L:"),
        ]:  # fmt: skip
            data = changed(data, long, odd)
        assert parse(data).names == parse(REQUEST).names

    def test_white_space_in_cseq(self) -> None:
        assert parse(changed(REQUEST, b"1 MESSAGE", b"0001 \t  MESSAGE")).cseq == 1
        assert parse(changed(REQUEST, b"1 MESSAGE", b"1\tMESSAGE")).cseq == 1

    def test_several_vias(self) -> None:
        message = parse(with_line(b"Via: SIP/2.0/TCP a;branch=z9x, SIP/2.0/TLS b"))
        assert message.via_count == 3
        assert message.via.transport == "UDP"

    def test_leading_empty_lines(self) -> None:
        assert parse(b"\r\n\r\n" + REQUEST).body == b"hello"


class TestFolds:
    def test_unfolded_values_and_folded_lines(self) -> None:
        data = changed(
            REQUEST, b"To: <sip:bob@ims.test>", b"To:\r\n <sip:bob@ims.test>\r\n\t;tag=x"
        )
        data = changed(data, b"Content-Length: 5", b"Content-Length:\r\n 5")
        for _ in range(2):
            message = parse(data)
            assert message.to_tag == b"x"
            assert message.get("to") == b"<sip:bob@ims.test> ;tag=x"
            assert message.line("to") == b"To:\r\n <sip:bob@ims.test>\r\n\t;tag=x"
            assert message.body == b"hello"

    def test_a_fold_is_no_header_even_when_it_looks_like_one(self) -> None:
        message = parse(with_line(b"Subject: a\r\n Route: <sip:evil.test;lr>"))
        assert not message.has("route")
        assert message.get("subject") == b"a Route: <sip:evil.test;lr>"

    def test_a_known_order_of_headers_does_not_hide_a_fold(self) -> None:
        plain = with_line(b"Subject: a\r\nRoute: <sip:proxy.test;lr>")
        assert parse(plain).has("route")
        folded = with_line(b"Subject: a\r\n Route: <sip:proxy.test;lr>")
        assert not parse(folded).has("route")
        assert parse(plain).has("route")

    def test_fold_before_the_first_header(self) -> None:
        data = changed(REQUEST, b"\r\nVia:", b"\r\n x: y\r\nVia:")
        assert reason(data) == "Continuation line without a header before it"

    def test_fold_inside_an_escape(self) -> None:
        data = changed(REQUEST, b'"Alice"', b'"Ali\\\r\n ce"')
        assert reason(data) == "Header line is folded inside an escape"


class TestResponse:
    def test_parts(self) -> None:
        message = parse_message(RESPONSE, LIMITS)
        assert isinstance(message, Response)
        assert (message.status, message.reason) == (200, b"OK")
        assert (message.method, message.via_count) == ("MESSAGE", 2)
        assert message.via.branch == b"z9hG4bKown"
        assert message.to_tag == b"t1"

    @pytest.mark.parametrize("line", [b"SIP/2.0 404 ", b"SIP/2.0 404", b"SIP/2.0 404 \xd0\xbd = "])
    def test_any_reason(self, line: bytes) -> None:
        message = parse_message(changed(RESPONSE, b"SIP/2.0 200 OK", line), LIMITS)
        assert isinstance(message, Response)
        assert message.status == 404

    @pytest.mark.parametrize(
        "line",
        [b"SIP/2.0 099 x", b"SIP/2.0 700 x", b"SIP/2.0 1000 x", b"SIP/2.0 20 x", b"SIP/2.0 2000 x",
         b"SIP/2.0 +20 x", b"SIP/2.0 ", b"SIP/3.0 200 OK", b"SIP/2.0  200 OK", b"SIP/2.0\t200 OK",
         b"sip/2.0 200 OK"],
    )  # fmt: skip
    def test_broken_ones_are_never_answered(self, line: bytes) -> None:
        assert refused(changed(RESPONSE, b"SIP/2.0 200 OK", line)).partial is None

    def test_missing_headers_are_not_answered_either(self) -> None:
        assert refused(without(b"CSeq", RESPONSE)).partial is None

    def test_what_a_relay_does_not_need_is_not_judged(self) -> None:
        message = parse_message(with_line(b"Contact: <sip:a@b>;;x", RESPONSE), LIMITS)
        with pytest.raises(ParseError):
            message.contacts()


class TestRequiredHeaders:
    @pytest.mark.parametrize("name", [b"From", b"To", b"Call-ID", b"CSeq"])
    def test_missing(self, name: bytes) -> None:
        error = refused(without(name))
        assert error.reason == f"{name.decode()} is missing"
        assert error.partial is not None

    def test_no_via_no_answer(self) -> None:
        error = refused(without(b"Via"))
        assert error.reason == "Via is missing"
        assert error.partial is None

    @pytest.mark.parametrize(
        "line",
        [b"f: <sip:x@y>;tag=2", b"TO: <sip:x@y>", b"i: other", b"cseq : 1 MESSAGE",
         b"max-forwards: 70", b"l: 5", b"Content-Length : 5", b"CONTENT-LENGTH\t: 5",
         b"c: text/plain"],
    )  # fmt: skip
    def test_twice_in_any_spelling(self, line: bytes) -> None:
        for _ in range(2):
            assert reason(with_line(line)).endswith(" appears twice")

    @pytest.mark.parametrize("line", [b"Expires: 1", b"Event: a", b"SIP-If-Match: a"])
    def test_other_headers_that_can_not_repeat(self, line: bytes) -> None:
        assert parse(with_line(line))
        assert reason(with_line(line + b"\r\n" + line)).endswith(" appears twice")

    def test_headers_that_may_repeat(self) -> None:
        message = parse(with_line(b"Route: <sip:a;lr>\r\nX-Unknown: 2\r\nroute: <sip:b>, <sip:c>"))
        assert [route.uri_raw for route in message.routes()] == [b"sip:a;lr", b"sip:b", b"sip:c"]
        assert message.get_all("x-unknown") == [b"kept ,as;it=is", b"2"]

    @pytest.mark.parametrize(
        ("old", "new", "text"),
        [
            (b"1 MESSAGE", b"1 INVITE", "CSeq method does not match"),
            (b"1 MESSAGE", b"2147483648 MESSAGE", "CSeq is out of range"),
            (b"1 MESSAGE", b"-1 MESSAGE", "CSeq is not a number"),
            (b"1 MESSAGE", b"1", "CSeq is not a number and a method"),
            (b"1 MESSAGE", b"1 MESSAGE x", "CSeq is not a number and a method"),
            (b"1 MESSAGE", b"1 message", "CSeq method does not match"),
            (b"call-1@192.0.2.1", b"", "Call-ID is malformed"),
            (b"call-1@192.0.2.1", b"a b", "Call-ID is malformed"),
            (b"call-1@192.0.2.1", b"a,b", "Call-ID is malformed"),
            (b"Forwards: 70", b"Forwards: 256", "Max-Forwards is out of range"),
            (b"Forwards: 70", b"Forwards: -1", "Max-Forwards is not a number"),
            (b"Forwards: 70", b"Forwards:", "Max-Forwards is not a number"),
            (b";tag=f1", b";tag=", "From has a malformed parameter value"),
            (b";tag=f1", b";tag", "From has a malformed tag"),
            (b"text/plain;charset=UTF-8", b"text", "Content-Type is not type/subtype"),
            (b"text/plain;charset=UTF-8", b"", "Content-Type is not type/subtype"),
        ],
    )
    def test_values(self, old: bytes, new: bytes, text: str) -> None:
        assert reason(changed(REQUEST, old, new)) == text

    def test_edges(self) -> None:
        assert parse(changed(REQUEST, b"1 MESSAGE", b"2147483647 MESSAGE")).cseq == 2**31 - 1
        assert parse(changed(REQUEST, b"Forwards: 70", b"Forwards:\t0255 ")).max_forwards == 255
        assert parse(changed(REQUEST, b"Forwards: 70", b"Forwards: 0")).max_forwards == 0
        assert parse(changed(REQUEST, b";tag=f1", b"")).from_tag == b""


class TestStartLine:
    @pytest.mark.parametrize(
        "line",
        [
            b"MESSAGE  sip:bob@ims.test SIP/2.0", b"MESSAGE sip:bob@ims.test SIP/2.0 ",
            b"MESSAGE sip:bob@ims.test  SIP/2.0", b" MESSAGE sip:bob@ims.test SIP/2.0",
            b"MESSAGE\tsip:bob@ims.test SIP/2.0", b"MESSAGE  SIP/2.0", b"MESSAGE SIP/2.0",
            b"MESSAGE sip:bob@ims.test; lr SIP/2.0", b"MESSAGE <sip:bob@ims.test> SIP/2.0",
            b"MESSAGE sip:bob@ims.test?a=b SIP/2.0", b"ME(SAGE sip:bob@ims.test SIP/2.0",
            b"M" * 65 + b" sip:bob@ims.test SIP/2.0", b"MESSAGE sip:bob@ims.test SIP/x",
            b"MESSAGE sip:bob@ims.test HTTP/1.1", b"MESSAGE", b"",
        ],
    )  # fmt: skip
    def test_malformed(self, line: bytes) -> None:
        assert (
            refused(REQUEST.replace(b"MESSAGE sip:bob@ims.test SIP/2.0", line)).status_hint == 400
        )

    @pytest.mark.parametrize("version", [b"SIP/3.0", b"SIP/1.0", b"sip/7.7", b"SIP/2.1", b"SIP/20"])
    def test_other_versions(self, version: bytes) -> None:
        error = refused(changed(REQUEST, b"test SIP/2.0", b"test " + version))
        assert (error.status_hint, error.reason) == (505, "SIP version is not 2.0")
        assert error.phrase == b"Version Not Supported: SIP version is not 2.0"
        assert error.partial is not None

    def test_an_ack_is_never_answered(self) -> None:
        assert refused(without(b"From", REQUEST.replace(b"MESSAGE", b"ACK"))).partial is None


class TestOctets:
    @pytest.mark.parametrize(
        "octet", [b"\x00", b"\x08", b"\x0b", b"\x0c", b"\x1c", b"\x1f", b"\x7f"]
    )
    def test_controls_are_refused(self, octet: bytes) -> None:
        for data in (
            with_line(b"Subject: a" + octet + b"b"),
            with_line(b"Sub" + octet + b"ject: a"),
            with_line(b'X: "a' + octet + b'b"'),
            changed(REQUEST, b"MESSAGE sip", b"MESSAGE" + octet + b" sip"),
        ):
            error = refused(data)
            assert error.reason == "Control character in the headers"
            assert error.close

    def test_quoted_pairs_may_hold_them(self) -> None:
        message = parse(changed(REQUEST, b'"Alice"', b'"\\\x00\\\x7f\\\\"'))
        assert message.from_address().name == b"\x00\x7f\\"
        assert reason(changed(REQUEST, b'"Alice"', b'"\\\\\x00"')).startswith("Control")

    def test_an_escape_outside_quotes_quotes_nothing(self) -> None:
        assert reason(with_line(b"Subject: \\\x00")).startswith("Control")

    def test_quotes_go_on_behind_a_fold(self) -> None:
        assert parse(with_line(b'X-Q: "a\r\n \\\x00"')).get("x-q") == b'"a \\\x00"'
        assert reason(with_line(b'X: "a\r\n " \\\x00')).startswith("Control")

    @pytest.mark.parametrize(
        "value", [b"a\rb", b"a\nb", b"a\r", b"\ra", b"a\n b", b'"\\\r"', b'"\\\n"', b"a\r\r\n b"]
    )
    def test_bare_cr_and_lf(self, value: bytes) -> None:
        error = refused(with_line(b"Subject: " + value))
        assert error.reason == "Bare CR or LF in the headers"
        assert error.close

    def test_balanced_bare_ones_are_no_line_ends(self) -> None:
        assert refused(with_line(b"Subject: a\n\rb")).close
        assert refused(with_line(b"Subject: a\n\nX: \r\rb")).close

    def test_bare_lf_throughout(self) -> None:
        error = refused(REQUEST.replace(b"\r\n", b"\n"))
        assert error.reason == "Headers do not end with an empty line"
        assert error.partial is None

    def test_bare_ends_before_the_start_line(self) -> None:
        assert refused(b"\r\n\n" + REQUEST).close

    @pytest.mark.parametrize(
        "text",
        ["\x85", "\u2028", "\u2029", "\u00a0", "\u212a"],
        ids=["NEL", "LS", "PS", "NBSP", "K"],
    )
    def test_unicode_separators_are_data(self, text: str) -> None:
        line = f"Subject: a{text}Content-Length: 60{text}Via: b".encode()
        message = parse(with_line(line))
        assert message.get("subject") == line[9:]
        assert message.body == b"hello"

    def test_octets_that_are_not_utf8(self) -> None:
        assert parse(with_line(b"Subject: \xff\xc0\x80\xed\xa0\x80")).get("subject") == (
            b"\xff\xc0\x80\xed\xa0\x80"
        )

    @pytest.mark.parametrize(
        "line",
        [b"NoColon", b": value", b"Sub ject: a", b"Sub\tject: a", b"S\xc3\xbc: a", b"Via",
         b"(x): a",
         b"\xe2\x84\xaa: <sip:x>"],
    )  # fmt: skip
    def test_header_names(self, line: bytes) -> None:
        assert reason(with_line(line)) in ("Header line has no colon", "Header name is malformed")


class TestBody:
    def test_a_datagram_may_hold_more(self) -> None:
        assert parse(REQUEST + b"OPTIONS sip:x SIP/2.0\r\n\r\n").body == b"hello"

    def test_a_datagram_without_length_is_all_body(self) -> None:
        assert parse(without(b"Content-Length") + b" there").body == b"hello there"

    def test_a_datagram_that_is_too_short(self) -> None:
        assert reason(REQUEST[:-1]) == "Content-Length does not fit the message"

    def test_streams_need_the_exact_length(self) -> None:
        assert parse(REQUEST, stream=True).body == b"hello"
        for data in (REQUEST + b"x", REQUEST[:-1], without(b"Content-Length")):
            assert refused(data, stream=True).close

    @pytest.mark.parametrize(
        "value",
        [b"", b"+5", b"-0", b"5_0", b"0x5", b"5.0", b"5e0", b"5 5", b"5,5", b"5;x", b'"5"',
         b"\xef\xbc\x95", b"00000000005", b"5" * 5000, b"five"],
    )  # fmt: skip
    def test_no_number(self, value: bytes) -> None:
        error = refused(changed(REQUEST, b"Length: 5", b"Length: " + value))
        assert error.reason == "Content-Length is not a number"
        assert error.close

    def test_white_space_around_the_number(self) -> None:
        assert (
            parse(changed(REQUEST, b"Length: 5", b"Length:\t \r\n  0000000005 \t")).body == b"hello"
        )


class TestLimits:
    @pytest.mark.parametrize(
        ("limits", "name", "status"),
        [
            (Limits(message_bytes=len(REQUEST) - 1), "message_bytes", 513),
            (Limits(head_bytes=100), "head_bytes", 513),
            (Limits(start_line_bytes=20), "start_line_bytes", 513),
            (Limits(header_bytes=40), "header_bytes", 513),
            (Limits(headers=8), "headers", 513),
            (Limits(vias=1), "vias", 513),
            (Limits(message_body_bytes=4), "body_bytes", 413),
        ],
    )
    def test_each(self, limits: Limits, name: str, status: int) -> None:
        data = with_line(b"Via: SIP/2.0/UDP b") if name == "vias" else REQUEST
        error = refused(data, limits)
        assert isinstance(error, LimitExceeded)
        assert (error.name, error.status_hint) == (name, status)
        assert error.partial is not None or name == "header_bytes"
        if name != "head_bytes" and name != "message_bytes":
            assert error.limit == getattr(limits, name) or name == "body_bytes"

    def test_all_at_their_edge(self) -> None:
        head = REQUEST.index(b"\r\n\r\n")
        limits = Limits(
            message_bytes=len(REQUEST),
            head_bytes=head,
            start_line_bytes=32,
            header_bytes=57,
            headers=9,
            method_bytes=7,
            vias=1,
            message_body_bytes=5,
        )
        assert parse_message(REQUEST, limits).body == b"hello"

    def test_only_messages_have_the_small_body(self) -> None:
        limits = Limits(message_body_bytes=4, body_bytes=5)
        assert parse_message(REQUEST.replace(b"MESSAGE", b"PUBLISH"), limits).body == b"hello"
        assert refused(without(b"Content-Length"), limits).status_hint == 413

    def test_the_body_limit_comes_before_the_octets(self) -> None:
        error = refused(changed(REQUEST, b"Length: 5", b"Length: 4294967296"))
        assert error.status_hint == 413

    def test_many_vias(self) -> None:
        values = b", ".join([b"SIP/2.0/UDP h"] * 69)
        assert parse(with_line(b"Via: " + values)).via_count == 70
        assert refused(with_line(b"Via: " + values + b", SIP/2.0/UDP h")).where == "vias"


class TestStructuredHeaders:
    @pytest.mark.parametrize(
        "line",
        [
            b"Contact: <sip:a@b>;;x", b"Contact: sip:a@b?x=y", b"Contact: *, <sip:a@b>",
            b"Contact:",
            b"Contact: <sip:a@b>;q=2", b"Contact: <sip:a@b>;expires=-5", b'Contact: "x <sip:a@b>',
            b"Contact: <sip:a@b:0>", b"m: <sip:a@b", b"Route: sip:a b", b"Route:", b"Route: <sip:>",
            b"Record-Route: <sip:a>,", b"Path: x", b"Service-Route: <>", b"Require: a b",
            b"Proxy-Require: a;b", b"Expires: -1", b"Min-Expires: -1", b"Event:", b"Event: a b",
            b"Event: a;;", b"Max-Breadth: x", b"Max-Breadth:",
        ],
    )  # fmt: skip
    def test_malformed(self, line: bytes) -> None:
        assert reason(with_line(line))

    @pytest.mark.parametrize(
        "line",
        [
            b"Contact: *", b"Contact: <sip:a@b>;q=0.5, sip:c@d;expires=60", b"Require: a, b",
            b"Require:", b"Expires: 99999999999999", b"Expires: soon", b"Event: presence;id=1",
            b"Max-Breadth: 60", b"Date: never", b"Authorization: Digest", b"Supported: a b ;;",
            b"Path: <sip:a;lr>, <sip:b;lr>", b"Warning: \"", b"Accept:", b"Refer-To: x",
        ],
    )  # fmt: skip
    def test_carried_or_left_to_others(self, line: bytes) -> None:
        assert parse(with_line(line))

    def test_parsed_once(self) -> None:
        message = parse(with_line(b"Contact: <sip:a@b>\r\nRoute: <sip:c;lr>"))
        assert message.contacts() is message.contacts()
        assert message.contacts() is not STAR
        assert message.routes() is message.routes()


def test_the_error_says_where() -> None:
    error = refused(changed(REQUEST, b"1 MESSAGE", b"1 INVITE"))
    assert str(error) == "CSeq: CSeq method does not match"
    assert error.phrase == b"Bad Request: CSeq method does not match"
