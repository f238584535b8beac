"""The stream cutter at its bounds."""

from __future__ import annotations

import pytest

from session_msrp.chunk import MORE, Chunk
from session_msrp.errors import FramingError
from session_msrp.framer import Framer
from session_msrp.limits import Limits

HEAD = (
    b"MSRP abcd1234 SEND\r\nTo-Path: msrp://a.test:1/x;tcp\r\nFrom-Path: msrp://b.test:2/y;tcp\r\n"
    b"Message-ID: mid1\r\nContent-Type: text/plain\r\n\r\n"
)
END = b"\r\n-------abcd1234$\r\n"


def cut(data: bytes, limits: Limits | None = None) -> list[Chunk]:
    framer = Framer(limits or Limits())
    framer.feed(data)
    chunks = []
    while (chunk := framer.next()) is not None:
        chunks.append(chunk)
    return chunks


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"\r\n-------abcd1234",
        b"\r\n-------abcd1234$ \r\n",
        b"\r\n-------abcd1234+\n",
        b"\r\n-------abcd12345$\r\n",
        b"\r\n-------zzzz$\r\n",
        bytes(range(256)) * 3,
    ],
)
def test_whatever_is_no_end_line_is_body(body: bytes) -> None:
    [chunk] = cut(HEAD + body + END)
    assert (chunk.body, chunk.flag) == (body, b"$")


def test_an_end_line_right_behind_the_empty_line_is_a_body_without_octets() -> None:
    [chunk] = cut(HEAD + END[2:])
    assert chunk.has_body
    assert chunk.body == b""
    chunk.check()


def test_a_huge_chunk_is_never_held_whole() -> None:
    limits = Limits(chunk_bytes=4096)
    framer = Framer(limits)
    octets = 0
    framer.feed(HEAD)
    for _ in range(1000):
        framer.feed(b"x" * 1000)
        while (chunk := framer.next()) is not None:
            assert chunk.flag is MORE
            assert chunk.offset == octets
            octets += len(chunk.body)
            assert len(chunk.raw) < 4096 + 1000 + len(HEAD)
    framer.feed(END)
    chunk = framer.next()
    assert chunk is not None
    assert chunk.flag == b"$"
    assert chunk.offset + len(chunk.body) == 1_000_000


def test_the_stream_goes_on_behind_a_chunk_in_pieces() -> None:
    limits = Limits(chunk_bytes=300)
    chunks = cut(HEAD + b"y" * 1000 + END + HEAD + b"z" + END, limits)
    assert [chunk.body for chunk in chunks if chunk.offset == 0 and chunk.flag] == [
        b"y" * 1000,
        b"z",
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"MSRP abc SEND\r\n",
        b"MSRP abcd send\r\n",
        b"MSRP abcd1234 SEND\n",
        b"MSRP abcd1234 2000 OK\r\n",
        b"\r\n\r\n",
        b"MSRP abcd1234 200 a\x00b\r\n",
        b"MSRP abcd SEND\r\nX: " + b"x" * 9000,
        b"MSRP abcd SEND\r\nX: " + b"x" * 9000 + b"\r\n-------abcd$\r\n",
        b"MSRP " + b"a" * 9000,
        HEAD.replace(b"SEND", b"NICKNAME") + b"x" * 10241 + END,
        HEAD.replace(b"SEND", b"REPORT") + b"x" * 70000,
    ],
)
def test_out_of_step(data: bytes) -> None:
    framer = Framer(Limits())
    framer.feed(data)
    with pytest.raises(FramingError):
        framer.next()
    framer.feed(HEAD + END)
    assert framer.next() is None


def test_octets_that_trickle_in_are_not_searched_again_and_again() -> None:
    """Half a megabyte, octet by octet, is done in no time."""
    framer = Framer(Limits(chunk_bytes=1 << 20))
    framer.feed(HEAD)
    assert framer.next() is None
    for _ in range(20_000):
        framer.feed(b"-")
        assert framer.next() is None
    framer.feed(END)
    chunk = framer.next()
    assert chunk is not None
    assert len(chunk.body) == 20_000


@pytest.mark.parametrize("size", [1, 7, 150, 700, 5000])
@pytest.mark.parametrize("room", [100, 600, 1 << 16])
def test_however_a_stream_is_cut_the_same_octets_come(size: int, room: int) -> None:
    """Whole chunks, pieces and false ends, with the same transaction id again and again."""
    bodies = [b"a" * 10, b"\r\n-------abcd1234" * 40, b"b" * 650, b"", b"\r\n-------abcd1234$x" * 9]
    stream = b"".join(HEAD + body + END for body in bodies) * 3
    framer, found = Framer(Limits(chunk_bytes=room)), [b""]
    for at in range(0, len(stream), size):
        framer.feed(stream[at : at + size])
        while (chunk := framer.next()) is not None:
            found[-1] += chunk.body
            if chunk.flag is not MORE:
                found.append(b"")
    assert found == [*bodies * 3, b""]
    assert not framer.mid_chunk
