"""Chunks between two legs: what changes, what does not, and what is refused."""

from __future__ import annotations

import itertools

import pytest

from session_msrp.anchor import WAITING_BYTES, Anchor, Leg, Link, Stream
from session_msrp.chunk import Body, Chunk
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.media import ACTPASS, new_media, read_media
from session_msrp.printing import print_request, print_response
from session_msrp.uri import MsrpUri, parse_uri
from sip.bodies.sdp import Sdp, Section

A, B = parse_uri(b"msrp://10.0.0.1:7000/alice;tcp"), parse_uri(b"msrp://10.0.0.2:8000/bob;tcp")
NEAR, FAR = (
    parse_uri(b"msrp://192.0.2.1:2855/near;tcp"),
    parse_uri(b"msrp://192.0.2.1:2855/far;tcp"),
)


class Wire:
    """A connection that keeps what is written."""

    def __init__(self, limits: Limits) -> None:
        self.out = b""
        self.legs: list[Leg] = []
        self.framer = Framer(limits)

    def write(self, data: bytes) -> None:
        self.out += data

    def write_large(self, head: bytes, body: Body, end: bytes) -> None:
        self.write(b"".join((head, body, end)))

    def bound(self, leg: Leg) -> None:
        self.legs.append(leg)

    def chunks(self) -> list[Chunk]:
        framer = Framer(Limits(chunk_bytes=1 << 22))
        framer.feed(self.out)
        self.out = b""
        found = []
        while (chunk := framer.next()) is not None:
            found.append(chunk)
        return found


class World:
    """One stream; the caller is on `a`, the callee on `b` once it has connected."""

    def __init__(self, chunk_bytes: int = 64 * 1024, connects: bool = False) -> None:
        limits = Limits(chunk_bytes=chunk_bytes)
        numbers = itertools.count()
        self.asked: list[Leg] = []
        self.held: list[tuple[Link, Leg]] = []
        self.anchor = Anchor(
            limits,
            lambda: b"piece%d" % next(numbers),
            self.asked.append,
            lambda link, leg: self.held.append((link, leg)),
        )
        self.stream = Stream(NEAR, FAR, 0.0)
        for leg, uri in ((self.stream.caller, A), (self.stream.callee, B)):
            leg.reached_by(described(uri), connects and leg is self.stream.callee)
        self.anchor.add(self.stream)
        self.a, self.b = Wire(limits), Wire(limits)

    def send(self, wire: Wire, data: bytes, size: int = 1 << 20) -> bool:
        """Have octets come in; True when every chunk was for a stream."""
        mine = True
        for at in range(0, len(data), size):
            wire.framer.feed(data[at : at + size])
            while (chunk := wire.framer.next()) is not None:
                mine = self.anchor.receive(chunk, wire, 1.0) and mine
        return mine

    def connect(self) -> World:
        self.send(self.a, send(NEAR, A, tid=b"bind1"))
        self.send(self.b, send(FAR, B, tid=b"bind2"))
        self.a.chunks()
        self.b.chunks()
        return self


def described(uri: MsrpUri) -> object:
    media = new_media(uri, uri.host, b"*", ACTPASS)
    return read_media(Sdp(Section([(b"v", b"0")]), [media]), media)


def send(
    to: MsrpUri, sender: MsrpUri, body: bytes | None = None, *headers: bytes, tid: bytes = b"abcd1234",
    flag: bytes = b"$",
) -> bytes:  # fmt: skip
    lines = [b"Message-ID: mid1", *headers]
    if body is not None:
        lines.append(b"Content-Type: text/plain")
    return print_request(tid, b"SEND", to.raw, sender.raw, lines, body, flag)


def test_only_the_paths_change() -> None:
    world = World().connect()
    world.send(world.a, send(NEAR, A, b"hello", b"X-New:  as it came", b"Byte-Range: 1-5/5"))
    assert world.b.out == send(B, FAR, b"hello", b"X-New:  as it came", b"Byte-Range: 1-5/5")
    world.b.chunks()
    world.send(world.b, print_response(b"abcd1234", 200, FAR.raw, B.raw))
    assert world.a.out == print_response(b"abcd1234", 200, A.raw, NEAR.raw)
    assert (world.stream.caller.octets, world.stream.callee.octets) == (5, 0)


def test_a_report_and_a_method_nobody_knows_go_through_too() -> None:
    world = World().connect()
    for method in (b"REPORT", b"NICKNAME"):
        world.send(world.b, print_request(b"abcd1234", method, FAR.raw, B.raw, (b"Message-ID: m",)))
        [chunk] = world.a.chunks()
        assert (chunk.method, chunk.to_path, chunk.from_path) == (method, A.raw, NEAR.raw)


def test_a_uri_written_otherwise_is_the_same() -> None:
    world = World().connect()
    other = parse_uri(b"MSRP://192.0.2.1:2855/near;TCP")
    assert world.send(world.a, send(other, parse_uri(b"msrp://me@10.0.0.1:7000/alice;tcp"), b"x"))
    [chunk] = world.b.chunks()
    assert chunk.body == b"x"


@pytest.mark.parametrize("size", [100, 5000, 1 << 20])
def test_a_large_chunk_goes_on_in_pieces(size: int) -> None:
    world = World(chunk_bytes=4096).connect()
    body = bytes(range(256)) * 100
    world.send(world.a, send(NEAR, A, body, b"Byte-Range: 11-*/99999", flag=b"+"), size)
    chunks = world.b.chunks()
    assert b"".join(chunk.body for chunk in chunks) == body
    at = 11
    for chunk in chunks:
        chunk.check()
        assert chunk.byte_range().start == at
        assert chunk.byte_range().total == 99999
        assert chunk.message_id == b"mid1"
        assert chunk.flag == b"+"
        at += len(chunk.body)
    assert chunks[-1].tid == b"abcd1234"
    assert len({chunk.tid for chunk in chunks}) == len(chunks)
    # The answer to the last piece is the answer; good news of the others is not told.
    for chunk in chunks[:-1]:
        world.send(world.b, print_response(chunk.tid, 200, FAR.raw, B.raw))
    assert world.a.out == b""
    world.send(world.b, print_response(b"abcd1234", 200, FAR.raw, B.raw))
    assert [chunk.status for chunk in world.a.chunks()] == [200]


def test_bad_news_of_a_piece_is_told_once_and_the_rest_is_not_sent() -> None:
    world = World(chunk_bytes=4096).connect()
    data = send(NEAR, A, bytes(50_000), b"Byte-Range: 1-*/50000")
    world.send(world.a, data[:20_000])
    pieces = world.b.chunks()
    for piece in pieces:
        world.send(world.b, print_response(piece.tid, 413, FAR.raw, B.raw))
    [answer] = world.a.chunks()
    assert (answer.tid, answer.status) == (b"abcd1234", 413)
    world.send(world.a, data[20_000:])
    assert world.b.out == b""
    world.send(world.a, send(NEAR, A, b"next", tid=b"abcd9999"))
    assert [chunk.body for chunk in world.b.chunks()] == [b"next"]


def test_what_comes_before_the_other_end_is_connected_waits_within_a_bound() -> None:
    world = World()
    world.send(world.a, send(NEAR, A, tid=b"bind1"))
    world.send(world.a, send(NEAR, A, b"early", tid=b"early1"))
    assert world.asked == []
    assert world.held == []
    world.send(world.b, send(FAR, B, tid=b"bind2"))
    assert [chunk.tid for chunk in world.b.chunks()] == [b"bind1", b"early1"]
    other = World()
    for number in range(3):
        other.send(other.a, send(NEAR, A, bytes(WAITING_BYTES // 2), tid=b"early%d" % number))
    assert other.held[0] == (other.a, other.stream.callee)


def test_an_end_that_waits_for_us_is_connected_to_once_there_is_something_to_say() -> None:
    world = World(connects=True)
    assert world.asked == []
    world.send(world.a, send(NEAR, A, tid=b"bind1"))
    world.send(world.a, send(NEAR, A, b"x", tid=b"early1"))
    assert world.asked == [world.stream.callee]
    world.stream.callee.bind(world.b)
    assert len(world.b.chunks()) == 2
    # Nobody else may come in its place.
    stranger = Wire(Limits())
    world.send(stranger, send(FAR, B))
    assert [chunk.status for chunk in stranger.chunks()] == [506]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (send(NEAR, B, b"x"), 481),
        (send(NEAR, A, b"x", b"Byte-Range: 5-3/9"), 400),
        (send(NEAR, A, b"x", b"Byte-Range: -5--1/5"), 400),
        (send(NEAR, A, b"x", b"Byte-Range: 1-9/5"), 400),
        (send(NEAR, A, b"x", b"no colon"), 400),
        (send(NEAR, A, b"x", b"To-Path: " + B.raw), 400),
        (send(NEAR, A, b"x", b"X: a\x00b"), 400),
    ],
)
def test_what_is_not_passed_on(data: bytes, status: int) -> None:
    world = World().connect()
    world.send(world.a, data)
    assert world.b.out == b""
    assert [chunk.status for chunk in world.a.chunks()] in ([status], [])
    world.send(world.a, send(NEAR, A, b"good"))
    assert len(world.b.chunks()) == 1


def test_a_stream_is_for_its_own_connections_and_known_uris() -> None:
    world = World().connect()
    stranger = Wire(Limits())
    world.send(stranger, send(NEAR, A, b"x"))
    assert [chunk.status for chunk in stranger.chunks()] == [506]
    assert world.send(stranger, send(A, NEAR, b"x")) is False
    two = print_request(b"abcd1234", b"SEND", NEAR.raw + b" " + B.raw, A.raw, (b"Message-ID: m",))
    assert world.send(world.a, two) is False
    world.anchor.end(world.stream, "over")
    assert world.send(world.a, send(NEAR, A, b"x")) is False
    assert world.anchor.stats.streams == 0


def test_a_response_binds_nothing() -> None:
    world = World()
    world.send(world.a, print_response(b"abcd1234", 200, NEAR.raw, A.raw))
    assert world.stream.caller.link is None
    assert world.a.out == b""


def test_an_unknown_uri_is_answered_at_its_first_piece_only() -> None:
    world = World(chunk_bytes=1000)
    stranger = Wire(Limits(chunk_bytes=1000))
    data = send(parse_uri(b"msrp://192.0.2.1:2855/none;tcp"), A, bytes(10_000))
    for at in range(0, len(data), 1500):
        stranger.framer.feed(data[at : at + 1500])
        while (chunk := stranger.framer.next()) is not None:
            assert not world.anchor.receive(chunk, stranger, 0.0)
            world.anchor.refuse(chunk, stranger, 481)
    assert [chunk.status for chunk in stranger.chunks()] == [481]
