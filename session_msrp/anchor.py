# SPDX-License-Identifier: Apache-2.0
"""Sessions whose two ends talk to this node, which passes their chunks on.

Each end sees the node as its peer: only the two path headers of a chunk change, and a transaction
id stays what it was, so answers and reports are the far end's own and nothing is kept for them. A
chunk that is too large to hold goes on in several, as RFC 4975 7.1.1 lets any hop do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol

from sip import octets
from sip.grammar import only

from .chunk import CONTINUED, MORE, Body, ByteRange, Chunk
from .errors import BadChunk
from .limits import Limits
from .media import Description
from .outbox import FAIR_BYTES
from .printing import print_end, print_head, print_request, response_to
from .uri import MsrpUri, parse_path

__all__ = ["Anchor", "AnchorStats", "Leg", "Link", "Sink", "Stream", "path_text"]

#: What may wait for an end that has not connected yet; then its peer is not read any more.
WAITING_BYTES: Final = 64 * 1024
#: Pieces of one end's large chunks that may be unanswered.
_MOST_PIECES: Final = 1024

# Headers that are not passed on unread, by the letters their names begin with.
_READ: Final = re.compile(rb"(?:(to-path|from-path)|byte-range):", re.IGNORECASE)
_INITIALS: Final = only(b"BbFfTt")


class Sink(Protocol):
    """Where an answer goes."""

    def write(self, data: bytes) -> None:
        """Send one chunk, or keep it until there is room."""
        ...


class Link(Sink, Protocol):
    """A connection, as the anchor needs it."""

    def write_large(self, head: bytes, body: Body, end: bytes) -> None:
        """Send one chunk whose parts need not be put together."""
        ...

    def bound(self, leg: Leg) -> None:
        """Know of an end that is reached over this connection from now on."""
        ...

    def hold(self, whom: object) -> None:
        """Read nothing more until ``release`` is called with the same."""
        ...

    def release(self, whom: object) -> None:
        """Read on unless somebody else has to be waited for."""
        ...


class Leg:
    """One end of a stream. own: the URI this end sends to, its single use per connection (M3).

    path: the end's own, as its SDP has it; empty until that has come. connects: we open the
    connection. link: the connection its SENDs come on, None while there is none. paths: the path
    headers of what is sent to it, with the line ends around them; answer_paths: of an answer.
    tap: shown each request of this end that has a body.
    """

    __slots__ = ("answer_paths", "chunks", "connects", "fingerprint", "first", "key", "link",
                 "octets", "other", "own", "path", "paths", "pieces", "refused", "stream", "tap",
                 "target", "uri", "waiting", "waiting_bytes")  # fmt: skip

    other: Leg
    stream: Stream

    def __init__(self, own: MsrpUri) -> None:
        self.uri = own
        self.own = own.raw
        self.key = own.key
        self.path = b""
        self.paths = b""
        self.answer_paths = b""
        self.first = b""
        self.target: tuple[str, int] | None = None
        self.fingerprint = b""
        self.connects = False
        self.link: Link | None = None
        self.waiting: list[bytes] = []
        self.waiting_bytes = 0
        self.pieces: dict[bytes, bytes] = {}
        self.refused = b""
        self.chunks = 0
        self.octets = 0
        self.tap: Callable[[Chunk], None] | None = None

    def reached_by(self, described: Description, connects: bool) -> None:
        """Take what the end's SDP says of it."""
        self.path = path_text(described)
        self.first = described.path[0].raw
        self.paths = b"\r\nTo-Path: %b\r\nFrom-Path: %b\r\n" % (self.path, self.own)
        self.answer_paths = b"\r\nTo-Path: %b\r\nFrom-Path: %b\r\n" % (self.first, self.own)
        self.target = described.target
        self.fingerprint = described.fingerprint if described.secure else b""
        self.connects = connects and not described.websocket

    def write(self, data: bytes) -> bool:
        """Send to this end, or keep it until the end is connected; False when it is too much."""
        link = self.link
        if link is not None:
            link.write(data)
            return True
        self.waiting.append(data)
        self.waiting_bytes += len(data)
        return self.waiting_bytes <= WAITING_BYTES

    def bind(self, link: Link) -> None:
        """Use a connection for this end from now on; what waited goes out."""
        self.link = link
        link.bound(self)
        waiting, self.waiting, self.waiting_bytes = self.waiting, [], 0
        for chunk in waiting:
            link.write(chunk)


class Stream:
    """An anchored session: a leg to the caller, one to the callee.

    used: when something passed last. ended: why it is over, empty before. owner: its dialog, for
    whoever made it.
    """

    __slots__ = ("callee", "caller", "ended", "owner", "used")

    def __init__(self, caller: MsrpUri, callee: MsrpUri, now: float) -> None:
        self.caller = Leg(caller)
        self.callee = Leg(callee)
        self.caller.other = self.callee
        self.callee.other = self.caller
        self.caller.stream = self.callee.stream = self
        self.used = now
        self.ended = ""
        self.owner: object = None

    def leg(self, caller: bool) -> Leg:
        """Return the leg to one of the parties."""
        return self.caller if caller else self.callee

    @property
    def legs(self) -> tuple[Leg, Leg]:
        """Both ends."""
        return (self.caller, self.callee)


class AnchorStats:
    """Counters, plain ints. refused: chunks answered with an error, or dropped."""

    __slots__ = ("chunks", "octets", "refused", "streams")

    def __init__(self) -> None:
        self.chunks = 0
        self.octets = 0
        self.refused = 0
        self.streams = 0


class Anchor:
    """All anchored streams, found by the URIs they gave out.

    Args: connect: asked for a connection to an end, when there is something to send to it and it
        will not connect itself; hold: asked not to read from a link until the leg has one.
    """

    def __init__(
        self,
        limits: Limits,
        new_tid: Callable[[], bytes],
        connect: Callable[[Leg], None],
        hold: Callable[[Link, Leg], None],
    ) -> None:
        self._limits = limits
        self._new_tid = new_tid
        self._connect = connect
        self._hold = hold
        self._by_own: dict[bytes, Leg] = {}
        self._by_key: dict[object, Leg] = {}
        self.streams: set[Stream] = set()
        self.stats = AnchorStats()

    def add(self, stream: Stream) -> None:
        """Serve a stream from now on."""
        self.streams.add(stream)
        for leg in stream.legs:
            self._by_own[leg.own] = leg
            self._by_key[leg.key] = leg
        self.stats.streams = len(self.streams)

    def end(self, stream: Stream, why: str) -> None:
        """Serve a stream no more; a second call does nothing."""
        if stream not in self.streams:
            return
        stream.ended = why
        self.streams.discard(stream)
        for leg in stream.legs:
            self._by_own.pop(leg.own, None)
            self._by_key.pop(leg.key, None)
            leg.waiting.clear()
        self.stats.streams = len(self.streams)

    def open(self, stream: Stream) -> None:
        """Connect to both ends, as each of them waits for the other.

        The first request of a connection is sent by whoever opened it (RFC 4975 5.4).
        """
        for leg in stream.legs:
            if leg.link is None and not leg.waiting:
                tid = self._new_tid()
                headers = (b"Message-ID: " + tid, b"Failure-Report: no")
                self._connect(leg)
                leg.write(print_request(tid, b"SEND", leg.path, leg.own, headers))

    def gave_out(self, uri: MsrpUri) -> bool:
        """Say whether a URI is one of ours: what passes here a second time is anchored already."""
        return uri.key in self._by_key

    def leg(self, uri: MsrpUri) -> Leg | None:
        """Return the leg whose end sends to a URI of ours."""
        return self._by_key.get(uri.key)

    # -- chunks ----------------------------------------------------------------------------------

    def receive(self, chunk: Chunk, link: Link, now: float) -> bool:
        """Pass a chunk on; False when it is for no stream of ours and nothing was done.

        What cannot be passed on is answered here, on `link`.
        """
        leg = self._by_own.get(chunk.to_path)
        if leg is None:
            leg = self._find(chunk)
            if leg is None:
                return False
        if leg.link is not link and not self._may_bind(leg, chunk, link):
            return True
        if chunk.status:
            self._pass_answer(leg, chunk)
            return True
        if chunk.from_path != leg.path and not _same_path(chunk.from_path, leg.path):
            self.refuse(chunk, link, 481)
            return True
        if not _may_pass(chunk):
            self.refuse(chunk, link, 400)
            return True
        leg.stream.used = now
        other = leg.other
        leg.chunks += 1
        leg.octets += chunk.size
        stats = self.stats
        stats.chunks += 1
        stats.octets += chunk.size
        if leg.tap is not None and chunk.body_at:
            leg.tap(chunk)
        if chunk.offset or chunk.flag is MORE:
            self._pass_piece(leg, chunk, link)
            return True
        # From the start line to the end-line everything stays but the paths.
        raw = chunk.raw
        start = octets.cut(raw, 0, 6 + len(chunk.tid) + len(chunk.method))
        whole = octets.concat(start, other.paths, octets.cut(raw, chunk.rest, len(raw)), b"")
        if chunk.piece is None:
            self._send(other, whole, link)
        else:
            self._send_large(other, whole, chunk.piece, print_end(chunk.tid, chunk.flag), link)
        return True

    def _send(self, leg: Leg, data: bytes, source: Link) -> None:
        """Send to an end; one without a connection gets it when it has one."""
        out = leg.link
        if out is not None:
            out.write(data)
            return
        if not leg.waiting and leg.connects:
            self._connect(leg)
        if not leg.write(data):
            self._hold(source, leg)

    def _send_large(self, leg: Leg, head: bytes, body: Body, end: bytes, source: Link) -> None:
        if leg.link is not None:
            leg.link.write_large(head, body, end)
        else:
            self._send(leg, b"".join((head, body, end)), source)

    def _find(self, chunk: Chunk) -> Leg | None:
        """Find a leg by a To-Path that is written in another way than ours."""
        try:
            path = parse_path(chunk.to_path, self._limits.path_uris)
        except BadChunk:
            return None
        return self._by_key.get(path[0].key) if len(path) == 1 else None

    def _may_bind(self, leg: Leg, chunk: Chunk, link: Link) -> bool:
        """Bind a leg to the connection its first SEND comes on (RFC 4975 5.4)."""
        if leg.link is not None:
            self.refuse(chunk, link, 506)
            return False
        if chunk.status or leg.connects or not _same_path(chunk.from_path, leg.path):
            self.refuse(chunk, link, 481)
            return False
        leg.bind(link)
        return True

    def _pass_answer(self, leg: Leg, chunk: Chunk) -> None:
        other = leg.other
        tid = chunk.tid
        if leg.pieces and tid in leg.pieces:
            # Of a piece only bad news goes back, once for the chunk it was of.
            tid = leg.pieces.pop(tid)
            if chunk.status == 200 or other.refused == tid:
                return
            other.refused = tid
        raw = chunk.raw
        first = octets.find_octet(raw, b"\r", 0, len(raw))
        if tid is chunk.tid:
            rest = octets.cut(raw, chunk.rest, len(raw))
            other.write(octets.concat(octets.cut(raw, 0, first), other.answer_paths, rest, b""))
            return
        start = raw[6 + len(chunk.tid) : first]
        end = len(raw) - len(chunk.tid) - 10
        other.write(
            b"MSRP %b %b\r\nTo-Path: %b\r\nFrom-Path: %b\r\n%b-------%b$\r\n"
            % (tid, start, other.first, other.own, raw[chunk.rest : end], tid)
        )

    def _pass_piece(self, leg: Leg, chunk: Chunk, link: Link) -> None:
        """Make a chunk of its own of a piece, unless the far end refused the chunk already."""
        if not chunk.offset:
            leg.refused = b""
        elif leg.refused == chunk.tid:
            return
        assert chunk.piece is not None
        other = leg.other
        tid = chunk.tid
        flag = chunk.flag
        if flag is MORE:
            flag = CONTINUED
            # 64 random bits, drawn when the octets are here: they are not among them.
            tid = self._new_tid()
            if len(other.pieces) >= _MOST_PIECES:  # who wants no answers gets none
                del other.pieces[next(iter(other.pieces))]
            other.pieces[tid] = chunk.tid
        whole = chunk.byte_range()
        start = whole.start + chunk.offset
        end = start + chunk.size - 1 if chunk.size <= FAIR_BYTES else None
        lines = [line for line in chunk.lines() if _READ.match(line) is None]
        headers = [b"Byte-Range: " + ByteRange(start, end, whole.total).print(), *lines]
        head = print_head(tid, chunk.method, other.path, other.own, headers) + b"\r\n\r\n"
        self._send_large(other, head, chunk.piece, print_end(tid, flag), link)

    def refuse(self, chunk: Chunk, link: Sink, status: int) -> None:
        """Answer a request that is not passed on; of one in pieces the first piece is answered."""
        self.stats.refused += 1
        if chunk.status or chunk.offset:
            return
        try:
            answer = response_to(chunk, status, chunk.to_path)
        except BadChunk:
            return
        if answer is not None:
            link.write(answer)


def path_text(described: Description) -> bytes:
    """Return a side's path as its From-Path will be, and the To-Path of what is sent to it."""
    return b" ".join(uri.raw for uri in described.path)


def _may_pass(chunk: Chunk) -> bool:
    """Say whether headers can go on unread: lines of text, no second path, a sound Byte-Range."""
    try:
        for line in chunk.lines():
            if octets.only_in(line, _INITIALS, 0, 1):
                known = _READ.match(line)
                if known is not None and known[1] is not None:
                    return False
                if known is not None and not _is_whole(line):
                    chunk.byte_range()
    except BadChunk:
        return False
    return True


def _is_whole(line: bytes) -> bool:
    """Say of a Byte-Range line, written as it nearly always is, that the message is in one."""
    if not octets.starts(line, b"Byte-Range: 1-", 0):
        return False
    slash = octets.find_octet(line, b"/", 14, len(line))
    size = octets.number_in(line, 14, slash)
    return size > 0 and size == octets.number_in(line, slash + 1, len(line))


def _same_path(one: bytes, other: bytes) -> bool:
    """Compare paths as RFC 4975 6.1 compares URIs."""
    if one == other:
        return True
    try:
        mine, theirs = parse_path(one, 8), parse_path(other, 8)
    except BadChunk:
        return False
    return [uri.key for uri in mine] == [uri.key for uri in theirs]
