"""The framer gives the same messages however the stream was cut."""

from __future__ import annotations

import pytest

from sip.errors import BadMessage
from sip.framer import PING, Ping, StreamFramer
from sip.limits import Limits
from sip.message import Request
from sip.parser import parse_message
from tests.support.wire import outcome

from .vectors import Vector, example_files, torture_vectors

LIMITS = Limits()
Outcome = list[bytes | Ping | str]


def run(pieces: list[bytes]) -> Outcome:
    """Feed the pieces one by one; the outcome ends with the error's reason when there is one."""
    framer = StreamFramer(LIMITS)
    out: Outcome = []
    try:
        for piece in pieces:
            framer.feed(piece)
            while (item := framer.next()) is not None:
                out.append(item)
    except BadMessage as error:
        out.append(error.reason if error.close and framer.closed else "left open")
    return out


def framed(vector: Vector) -> bool:
    return not isinstance(outcome(vector.data, stream=True), BadMessage)


WHOLE = [vector.data for vector in torture_vectors() if framed(vector)]
WHOLE += [path.read_bytes() for path in example_files()]
BROKEN = [vector for vector in torture_vectors() if not framed(vector)]


@pytest.mark.parametrize("data", WHOLE, ids=range(len(WHOLE)))
def test_every_cut(data: bytes) -> None:
    for cut in range(len(data) + 1):
        assert run([data[:cut], data[cut:]]) == [data]


@pytest.mark.parametrize("data", WHOLE, ids=range(len(WHOLE)))
def test_byte_by_byte(data: bytes) -> None:
    assert run([data[i : i + 1] for i in range(len(data))]) == [data]


@pytest.mark.parametrize("vector", BROKEN, ids=lambda vector: vector.name)
def test_broken_streams_break_the_same_way_at_every_cut(vector: Vector) -> None:
    at_once = run([vector.data])
    for cut in range(1, len(vector.data)):
        assert run([vector.data[:cut], vector.data[cut:]]) == at_once
    assert run([vector.data[i : i + 1] for i in range(len(vector.data))]) == at_once


def test_all_vectors_in_one_stream_with_pings_between() -> None:
    stream = b"\r\n\r\n".join(WHOLE)
    for size in (1, 7, 1400, 65536):
        pieces = [stream[i : i + size] for i in range(0, len(stream), size)]
        out = run(pieces)
        assert [item for item in out if item is not PING] == WHOLE
        if size == 1:
            assert out.count(PING) == len(WHOLE) - 1


def test_dblreq_is_two_messages_on_a_stream() -> None:
    data = next(vector.data for vector in torture_vectors() if vector.name == "dblreq")
    methods = []
    # What is left of the second body, cut short by its Content-Length, is no start line.
    *whole, reason = run([data])
    assert reason == "Start line is not SIP"
    for item in whole:
        assert isinstance(item, bytes)
        message = parse_message(item, LIMITS, stream=True)
        assert isinstance(message, Request)
        methods.append(message.method)
    assert methods == ["REGISTER", "INVITE"]
