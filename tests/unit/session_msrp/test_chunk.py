"""What a chunk's head says."""

from __future__ import annotations

import pytest

from session_msrp.chunk import ByteRange, Chunk
from session_msrp.errors import BadChunk
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.printing import print_report, print_request, print_response, response_to

A, B = b"msrp://a.test:1/x;tcp", b"msrp://b.test:2/y;tcp"


def chunk(*headers: bytes, method: bytes = b"SEND", body: bytes | None = None) -> Chunk:
    return read(print_request(b"abcd1234", method, A, B, headers, body))


def read(data: bytes) -> Chunk:
    framer = Framer(Limits())
    framer.feed(data)
    found = framer.next()
    assert found is not None
    assert found.raw == data
    return found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"1-5/5", ByteRange(1, 5, 5)),
        (b"1-0/0", ByteRange(1, 0, 0)),
        (b"3-*/*", ByteRange(3, None, None)),
        (b"1-*/9", ByteRange(1, None, 9)),
        (b"10-9/9", ByteRange(10, 9, 9)),
    ],
)
def test_a_byte_range(value: bytes, expected: ByteRange) -> None:
    found = chunk(b"Message-ID: mid1", b"Byte-Range: " + value)
    found.check()
    assert found.byte_range() == expected
    assert expected.print() == value


@pytest.mark.parametrize(
    "value",
    [b"0-5/5", b"5-3/9", b"1-6/5", b"7-*/5", b"+1-5/5", b"1_0-11/20", b"-5--1/5", b"1-5",
     b"1-5/9999999999999999999", b"\xd9\xa1-5/5", b"1 - 5/5", b""],
)  # fmt: skip
def test_a_bad_byte_range_is_400(value: bytes) -> None:
    with pytest.raises(BadChunk) as caught:
        chunk(b"Message-ID: mid1", b"Byte-Range: " + value).check()
    assert caught.value.status == 400


def test_without_a_byte_range_it_is_all_there_is() -> None:
    assert chunk(b"Message-ID: mid1").byte_range() == ByteRange(1, None, None)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (b"Message-ID: ",),
        (b"Message-ID: a b",),
        (b"Message-ID: mid1", b"Message-ID: mid2"),
        (b"Message-ID: mid1", b"message-id: mid1"),
        (b"Message-ID: mid1", b"no colon"),
        (b"Message-ID: mid1", b" folded: no"),
        (b"Message-ID: mid1", b"X: a\x00b"),
        (b"Message-ID: mid1", b"X: a\nb"),
        (b"Message-ID: mid1", b"To-Path: " + A, b"to-path: " + A),
    ],
)
def test_a_bad_head_is_400(headers: tuple[bytes, ...]) -> None:
    with pytest.raises(BadChunk) as caught:
        chunk(*headers).check()
    assert caught.value.status == 400


def test_a_body_needs_a_type_and_unknown_headers_are_nobodys_business() -> None:
    with pytest.raises(BadChunk):
        chunk(b"Message-ID: mid1", body=b"hi").check()
    found = chunk(b"Message-ID: mid1", b"X-New: 1", b"Content-Type: Text/Plain;a=b", body=b"hi")
    found.check()
    assert found.content_type == b"text/plain"


def test_reports_wanted() -> None:
    assert chunk().failure_report == b"yes"
    assert not chunk().success_report
    assert chunk(b"Failure-Report: partial").failure_report == b"partial"
    assert chunk(b"Success-Report: yes").success_report


@pytest.mark.parametrize(
    ("wanted", "status", "answered"),
    [
        (b"", 200, True),
        (b"yes", 200, True),
        (b"yes", 481, True),
        (b"no", 200, False),
        (b"no", 481, False),
        (b"partial", 200, False),
        (b"partial", 413, True),
    ],
)
def test_who_gets_an_answer(wanted: bytes, status: int, answered: bool) -> None:
    headers = (b"Failure-Report: " + wanted,) if wanted else ()
    answer = response_to(chunk(*headers), status, A)
    assert (answer is not None) is answered
    if answer is not None:
        assert read(answer).status == status


def test_an_answer_to_send_goes_one_hop_others_all_the_way_and_none_to_a_report() -> None:
    path = b"msrp://relay.test:9/r;tcp " + B
    send = read(print_request(b"abcd1234", b"SEND", A, path, (b"Message-ID: m",)))
    answer = read(response_to(send, 200, A) or b"")
    assert (answer.to_path, answer.from_path) == (b"msrp://relay.test:9/r;tcp", A)
    other = read(print_request(b"abcd1234", b"NICKNAME", A, path, ()))
    assert read(response_to(other, 501, A) or b"").to_path == path
    report = print_report(b"abcd1234", path, A, b"mid1", ByteRange(1, 5, 5), 408)
    assert response_to(read(report), 481, A) is None
    assert read(report).report_status == 408
    assert read(report).byte_range() == ByteRange(1, 5, 5)


def test_a_response_without_a_phrase_known_here() -> None:
    assert read(print_response(b"abcd1234", 499, A, B)).status == 499


@pytest.mark.parametrize("value", [b"000 20 OK", b"001 200 OK", b"200", b"", b"000 abc"])
def test_a_status_of_another_namespace_says_nothing(value: bytes) -> None:
    assert chunk(b"Status: " + value, method=b"REPORT").report_status == 0
