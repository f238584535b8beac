from __future__ import annotations

import pytest

from sip.errors import BadMessage, LimitExceeded, ParseError
from sip.framer import PING, Ping, StreamFramer
from sip.limits import Limits
from tests.support.wire import REQUEST, RESPONSE, changed, with_line, without

LIMITS = Limits()


def items(framer: StreamFramer, *pieces: bytes) -> list[bytes | Ping]:
    out: list[bytes | Ping] = []
    for piece in pieces:
        framer.feed(piece)
        while (item := framer.next()) is not None:
            out.append(item)
    return out


def broken(data: bytes, limits: Limits = LIMITS) -> BadMessage:
    framer = StreamFramer(limits)
    with pytest.raises(BadMessage) as caught:
        items(framer, data)
    assert caught.value.close
    assert framer.closed
    assert not framer.mid_message
    return caught.value


class TestMessages:
    def test_back_to_back(self) -> None:
        framer = StreamFramer(LIMITS)
        assert items(framer, REQUEST + RESPONSE + REQUEST) == [REQUEST, RESPONSE, REQUEST]
        assert not framer.mid_message

    def test_mid_message(self) -> None:
        framer = StreamFramer(LIMITS)
        assert not framer.mid_message
        assert items(framer, REQUEST[:-1]) == []
        assert framer.mid_message
        assert items(framer, REQUEST[-1:] + b"MESS") == [REQUEST]
        assert framer.mid_message

    def test_a_body_that_looks_like_a_request_is_a_body(self) -> None:
        outer = changed(REQUEST, b"Length: 5", b"Length: %d" % len(REQUEST))[:-5] + REQUEST
        assert items(StreamFramer(LIMITS), outer) == [outer]

    @pytest.mark.parametrize("name", [b"l", b"L", b"CONTENT-LENGTH", b"content-length \t"])
    def test_spellings_of_the_length(self, name: bytes) -> None:
        data = changed(REQUEST, b"Content-Length", name)
        assert items(StreamFramer(LIMITS), data, data) == [data, data]

    def test_folded_length(self) -> None:
        data = changed(REQUEST, b"Length: 5", b"Length:\r\n\t 5 ")
        assert items(StreamFramer(LIMITS), data, data) == [data, data]

    def test_a_fold_that_looks_like_a_length_is_none(self) -> None:
        data = with_line(b"Subject: a\r\n Content-Length: 3")
        assert items(StreamFramer(LIMITS), data, data) == [data, data]


class TestPings:
    @pytest.mark.parametrize("cuts", [[4], [2, 2], [1, 1, 1, 1], [3, 1], [1, 3]])
    def test_double_crlf(self, cuts: list[int]) -> None:
        framer = StreamFramer(LIMITS)
        data = b"\r\n\r\n"
        pieces = []
        for cut in cuts:
            pieces.append(data[:cut])
            data = data[cut:]
        assert items(framer, *pieces) == [PING]
        assert items(framer, REQUEST) == [REQUEST]

    def test_a_single_crlf_is_nothing(self) -> None:
        framer = StreamFramer(LIMITS)
        assert items(framer, b"\r\n", REQUEST, b"\r\n" + REQUEST) == [REQUEST, REQUEST]
        assert not framer.mid_message

    def test_a_storm_is_one_ping_per_arrival(self) -> None:
        assert items(StreamFramer(LIMITS), b"\r\n" * 5000 + REQUEST) == [PING, REQUEST]

    @pytest.mark.parametrize("data", [b"\n", b"\r\r", b"\n\r", b"\r\n\n", b"\r\n\rX", b"\n\n"])
    def test_other_line_ends(self, data: bytes) -> None:
        assert isinstance(broken(data), ParseError)


class TestErrors:
    @pytest.mark.parametrize(
        "line", [b"l: 5", b"Content-Length : 5", b"content-length: 6", b"L\t:\r\n 5"]
    )
    def test_two_lengths(self, line: bytes) -> None:
        error = broken(with_line(line))
        assert error.reason == "Content-Length appears twice"
        assert error.partial is not None

    @pytest.mark.parametrize("value", [b"", b"+5", b"-1", b"5,5", b"5 5", b"0x5", b"\xef\xbc\x95"])
    def test_no_number(self, value: bytes) -> None:
        error = broken(changed(REQUEST, b"Length: 5", b"Length: " + value))
        assert error.reason == "Content-Length is not a number"
        assert error.partial is not None

    def test_no_length(self) -> None:
        error = broken(without(b"Content-Length"))
        assert error.reason == "Content-Length is missing"
        assert error.partial is not None

    def test_too_long_a_body_is_refused_before_it_comes(self) -> None:
        head = changed(REQUEST, b"Length: 5", b"Length: 65537")[:-5]
        error = broken(head)
        assert isinstance(error, LimitExceeded)
        assert error.status_hint == 413

    @pytest.mark.parametrize("octets", [b"\x00", b" ", b"\x16\x03\x01", b"\xff", b"<", b"{}"])
    def test_octets_between_messages(self, octets: bytes) -> None:
        error = broken(REQUEST + octets)
        assert error.reason == "Octets between messages"
        assert error.partial is None

    @pytest.mark.parametrize(
        "data",
        [b"GET / HTTP/1.1\r\n", b"EHLO x\r\nfoo", b"SSH-2.0-x\r\n", b"GET / HTTP/1.1\r\n\r\n"],
    )
    def test_other_protocols_are_seen_at_their_first_line(self, data: bytes) -> None:
        assert broken(data).reason == "Start line is not SIP"

    def test_bare_lf(self) -> None:
        assert broken(b"OPTIONS sip:a SIP/2.0\n").reason == "Bare LF in the headers"
        assert broken(with_line(b"Subject: a\nb")).reason == "Bare CR or LF in the headers"

    def test_nothing_after_an_error_is_looked_at(self) -> None:
        framer = StreamFramer(LIMITS)
        framer.feed(REQUEST + b"\x00" + REQUEST)
        assert framer.next() == REQUEST
        with pytest.raises(ParseError):
            framer.next()
        assert framer.next() is None
        framer.feed(REQUEST)
        assert framer.next() is None

    def test_headers_without_end(self) -> None:
        framer = StreamFramer(LIMITS)
        assert items(framer, b"OPTIONS sip:a SIP/2.0\r\n", *[b"X: abcdefgh\r\n"] * 1000) == []
        with pytest.raises(LimitExceeded) as caught:
            items(framer, *[b"X: abcdefgh\r\n"] * 300)
        assert caught.value.name == "head_bytes"

    def test_a_start_line_without_end(self) -> None:
        framer = StreamFramer(LIMITS)
        assert items(framer, *[b"OPTIONS "] * 2048) == []
        with pytest.raises(LimitExceeded):
            items(framer, b"O")

    def test_a_long_start_line(self) -> None:
        data = REQUEST.replace(b"sip:bob", b"sip:" + b"b" * 8192, 1)
        error = broken(data)
        assert isinstance(error, LimitExceeded)
        assert error.name == "start_line_bytes"
        assert error.partial is not None
