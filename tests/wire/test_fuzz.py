"""Any octets at all: the parser and the framer answer with a message or one of their two errors."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.errors import BadMessage, LimitExceeded, ParseError
from sip.framer import StreamFramer
from sip.limits import Limits
from sip.message import (
    Request,
    build_error,
    build_response,
    forward_request,
    forward_response,
)
from sip.parser import parse_message
from tests.support.wire import REQUEST, RESPONSE, outcome

from .vectors import example_files, torture_vectors

LIMITS = Limits()
SEEDS = [REQUEST, RESPONSE, *[vector.data for vector in torture_vectors()]]
SEEDS += [path.read_bytes() for path in example_files()]
PIECES = [
    b"\r\n", b"\r", b"\n", b"\x00", b" ", b"\t", b"\r\n ", b":", b";", b",", b"<", b">", b'"',
    b"\\",
    b"%", b"%00", b"@", b"[", b"]", b"=", b"-1", b"4294967296", b"\xff", b"\xc2\x85", b"Via: ",
    b"l: 3\r\n", b"SIP/2.0", b"*", b"sip:", b"tag", b"\r\n\r\n",
]  # fmt: skip


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A known message with some places overwritten, cut out or filled with trouble."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 6)))
        data = data[:start] + draw(st.sampled_from([b"", *PIECES])) + data[end:]
    return data


def exercise(data: bytes, stream: bool) -> None:
    """Parse and do everything a node does with what comes out of it."""
    message = outcome(data, stream)
    if isinstance(message, BadMessage):
        refusal(message)
        return
    for name in set(message.names):
        assert len(message.get_all(name)) == message.names.count(name)
    assert message.from_address().uri_raw == message.from_uri.raw
    assert message.to_address().tag == message.to_tag
    if isinstance(message, Request):
        round_trip(message)
    elif message.via_count > 1:
        forward_response(message)


def refusal(error: BadMessage) -> None:
    assert isinstance(error, ParseError | LimitExceeded)
    assert error.phrase.isascii()
    if error.partial is not None:
        error.partial.received_host, error.partial.received_port = "192.0.2.1", 5
        answer = build_error(error.partial, error.status_hint, error.phrase, b"t")
        assert answer.startswith(b"SIP/2.0 ")
        assert b"\r\n\r\n" not in answer[:-4]


def round_trip(message: Request) -> None:
    message.received_host, message.received_port = "192.0.2.1", 5
    assert message.contacts() is not None
    assert message.routes() is not None
    out = forward_request(
        message,
        uri=message.uri,
        via_line=b"Via: SIP/2.0/UDP 192.0.2.200;branch=z9hG4bKown",
        max_forwards=5,
    )
    again = parse_message(out, LIMITS, stream=True)
    assert isinstance(again, Request)
    assert again.via.branch == b"z9hG4bKown"
    assert again.via_count == message.via_count + 1
    assert again.body == message.body
    for part in ("method", "uri", "call_id", "cseq", "from_tag", "to_tag"):
        assert getattr(again, part) == getattr(message, part)
    same = [name for name in message.names if name not in ("via", "max-forwards")]
    for name in same:
        assert again.get_all(name) == message.get_all(name)
    answer = parse_message(build_response(message, 486, to_tag=b"t"), LIMITS, stream=True)
    assert answer.via.branch == message.via.branch
    assert answer.call_id == message.call_id


@given(spoiled(), st.booleans())
@settings(max_examples=600, deadline=None)
def test_spoiled_messages(data: bytes, stream: bool) -> None:
    exercise(data, stream)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_octets(data: bytes) -> None:
    exercise(data, stream=False)
    exercise(b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n" + data, stream=False)


@given(st.lists(spoiled() | st.sampled_from(PIECES), max_size=4), st.integers(1, 400))
@settings(max_examples=200, deadline=None)
def test_streams(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)

    def run(step: int) -> list[object]:
        framer = StreamFramer(LIMITS)
        out: list[object] = []
        try:
            for start in range(0, len(data), step):
                framer.feed(data[start : start + step])
                while (item := framer.next()) is not None:
                    if isinstance(item, bytes):
                        out.append(item)
        except BadMessage:
            out.append("closed")
            assert framer.next() is None
        return out

    assert run(size) == run(max(1, len(data)))


# One header value each that a careless scanner reads again and again.
LONG_VALUES: dict[str, Callable[[int], bytes]] = {
    "quotes": lambda n: b'From: "' + b'\\"' * (n // 2) + b'" <sip:a@b>;tag=1',
    "backslashes": lambda n: b'From: "' + b"\\" * n + b'" <sip:a@b>;tag=1',
    "open quotes": lambda n: b"Contact: " + b'"' * n,
    "brackets": lambda n: b"Contact: " + b"<" * n,
    "commas": lambda n: b"Contact: " + b"<sip:a>," * (n // 8) + b"<sip:a>",
    "params": lambda n: b"Contact: <sip:a>" + b"".join([b";p%d" % i for i in range(n // 6)]),
    "uri params": lambda n: b"Path: <sip:a" + b"".join([b";p%d" % i for i in range(n // 6)]) + b">",
    "escapes": lambda n: b"Route: <sip:" + b"%41" * (n // 3) + b"@a>",
    "folds": lambda n: b"Subject: a" + b"\r\n b" * (n // 4),
    "empty folds": lambda n: b"Subject: a" + b"\r\n " * (n // 3),
    "controls": lambda n: b'Subject: "' + b"\\\x01" * (n // 2) + b'"',
    "vias": lambda n: b"Via: " + b",".join([b"SIP/2.0/UDP a"] * (n // 14)),
    "headers": lambda n: b"\r\n".join([b"X%d: y" % i for i in range(n // 8)]),
    "same header": lambda n: b"\r\n".join([b"X: y"] * (n // 6)),
    "blanks": lambda n: b"Subject:" + b" " * n + b"x",
    "digits": lambda n: b"Expires: " + b"0" * n + b"-",
    "colons": lambda n: b":" * n,
    "no colon": lambda n: b"a" * n,
}  # fmt: skip
WIDE = Limits(message_bytes=10**7, head_bytes=10**7, header_bytes=10**7, headers=10**6, vias=10**6)


def seconds(data: bytes) -> float:
    best = 1e9
    for _ in range(5):
        start = time.process_time()
        for _ in range(3):
            with contextlib.suppress(BadMessage):
                parse_message(data, WIDE)
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize("kind", LONG_VALUES)
def test_parsing_is_linear(kind: str) -> None:
    """Eight times the input may cost eight times the work; three times that leaves room for noise.

    A quadratic scanner would need sixty-four times. Only the ratio counts, never a time.
    """
    line = LONG_VALUES[kind]
    short, long = [
        REQUEST.replace(b"\r\n\r\n", b"\r\n" + line(size) + b"\r\n\r\n", 1)
        for size in (8_000, 64_000)
    ]
    for _ in range(5):
        ratio = seconds(long) / seconds(short)
        if ratio < 24:
            return
    pytest.fail(f"{kind}: eight times the input took {ratio:.0f} times as long")
