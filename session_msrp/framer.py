# SPDX-License-Identifier: Apache-2.0
"""Chunks out of an octet stream (RFC 4975 7.1: the end-line).

The end is found by searching for the one text that ends a chunk, which C does; no octet of a body
is looked at in Python.
"""

from __future__ import annotations

import re
from typing import Final

from sip import octets
from sip.grammar import only

from .chunk import MORE, Body, Chunk
from .errors import FramingError
from .limits import Limits

__all__ = ["Framer"]

_IDENT = rb"[0-9A-Za-z][0-9A-Za-z.%=+-]{3,31}"
_START: Final = re.compile(
    rb"MSRP (" + _IDENT + rb") (?:([A-Z]{1,32})|([0-9]{3})(?: [^\x00-\x08\x0a-\x1f\x7f]*)?)\r\n"
)
_IDENT_OCTETS: Final = only(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.%=+-")
_VISIBLE: Final = only(bytes(range(0x21, 0x7F)))
_PATHS: Final = re.compile(
    rb"To-Path: *([!-~][ -~]*)\r\nFrom-Path: *([!-~][ -~]*)\r\n", re.IGNORECASE
)
_FLAGS: Final = b"$+#"
#: Bodies of everything but SEND cannot be interrupted and are small (7.1).
_OTHER_BODY: Final = 10240
#: Bodies from this size on are not copied into their chunk.
_SLICED_BYTES: Final = 4096
#: Of a chunk that comes in pieces, what is worth a piece.
_PIECE_BYTES: Final = 16 * 1024


class Framer:
    """Cuts a stream into chunks; a chunk that is too large comes in pieces.

    Give it octets with ``feed``, then call ``next`` until it returns None. What it holds is bounded
    by `chunk_bytes` and what one ``feed`` brought. The body of a large chunk is a view of the
    octets that were fed: only what waits for more is ever copied.
    """

    def __init__(self, limits: Limits) -> None:
        self._head_bytes = limits.head_bytes
        self._chunk_bytes = limits.chunk_bytes
        self._piece_bytes = min(limits.chunk_bytes, _PIECE_BYTES)
        self._data = b""  # what is being cut, up to `_at` it is
        self._at = 0
        self._tail = bytearray()  # the beginning of a chunk whose end had not come
        self._more = b""  # what came with its end, of which only that was put behind the tail
        self._more_at = 0
        self._searched = 0
        self._marker = b""  # of the chunk at the front, once its first line is there
        self._head: Chunk | None = None  # of a chunk of which pieces have been handed on
        self._offset = 0
        self.closed = False

    @property
    def mid_chunk(self) -> bool:
        """True while a chunk has begun and its end has not come."""
        return (
            bool(self._tail or self._more) or self._head is not None or self._at < len(self._data)
        )

    def feed(self, data: bytes) -> None:
        """Take octets as they arrived; ignored after an error."""
        if self.closed:
            return
        if self._at < len(self._data):
            self._keep()
        if self._more:
            self._keep_more()
        if not self._tail:
            self._data = data
            self._at = 0
            return
        end = octets.find_in(data, self._marker, 0, len(data)) if self._marker else -1
        stop = len(data) if end < 0 else min(len(data), end + len(self._marker) + 3)
        self._tail += memoryview(data)[:stop]
        if stop < len(data):
            self._more = data
            self._more_at = stop

    def next(self) -> Chunk | None:
        """Return the next chunk or piece of one, None when more octets are needed.

        Raises: FramingError; the framer is closed then.
        """
        if self.closed:
            return None
        try:
            if self._tail:
                if self._more and not self._worth_a_look():
                    self._keep_more()
                if not self._worth_a_look():
                    return None
                self._data = bytes(self._tail)
                self._at = 0
                self._tail.clear()
            if self._at == len(self._data):
                return None
            chunk = self._first() if self._head is None else self._further(self._head)
        except FramingError:
            self.closed = True
            self._data = self._more = b""
            self._tail.clear()
            raise
        if self._at == len(self._data):
            self._data, self._at = self._more, self._more_at
            self._more, self._more_at = b"", 0
        elif chunk is None:
            self._keep()
            if self._more:
                self._keep_more()
                return self.next()
        return chunk

    def _keep(self) -> None:
        """Put what has not been cut where more can be added to it."""
        self._tail += memoryview(self._data)[self._at :]
        self._data = b""
        self._at = 0

    def _keep_more(self) -> None:
        """Put all that came where more can be added to it: there was no end in it."""
        self._tail += memoryview(self._more)[self._more_at :]
        self._more = b""
        self._more_at = 0

    def _worth_a_look(self) -> bool:
        """Say whether what has gathered ends a chunk, or is so much that something must be done.

        Keeps octets that trickle in from being searched again and again.
        """
        tail = self._tail
        enough = self._chunk_bytes if self._head is None else self._piece_bytes
        if not self._marker or len(tail) > enough:
            return True
        if self._head is None and len(tail) > self._head_bytes and b"\r\n\r\n" not in tail:
            return True
        found = tail.find(self._marker, self._searched)
        if found >= 0:
            return len(tail) >= found + len(self._marker) + 3
        self._searched = max(0, len(tail) - len(self._marker) + 1)
        return False

    def _first(self) -> Chunk | None:
        """Cut the chunk at the front, or the first piece of it."""
        data, at = self._data, self._at
        after, tid, method, status = self._start(data, at)
        if not after:
            return None
        self._marker = marker = b"\r\n-------" + tid
        # The CRLF of the start line may be the one in front of the end-line.
        end = self._find_end(data, marker, after - 2)
        empty = octets.find_in(data, b"\r\n\r\n", after - 2, end + 2 if end >= 0 else len(data))
        head_end = empty + 2 if empty >= 0 else end + 2 if end >= 0 else len(data)
        if head_end - at > self._head_bytes:
            raise FramingError("the headers are too large")
        body_at = head_end + 2 if empty >= 0 else head_end
        if end >= 0:
            # Behind an empty line the end-line may follow at once: a body without octets.
            body_end = max(end, body_at)
            stop = end + len(marker) + 3
            flag = data[stop - 3 : stop - 2]
        else:
            stop = body_end = self._safe_end(data, marker, body_at)
            flag = MORE
            begun = len(data) - body_at > len(marker)  # so it is not the end-line that begins there
            if empty < 0 or len(data) - at <= self._chunk_bytes or not begun:
                self._searched = max(0, len(data) - at - len(marker) - 2)
                return None
        size = body_end - body_at if empty >= 0 else 0
        if size > _OTHER_BODY and method != b"SEND":
            raise FramingError("only SEND may have a large body")
        to_path, from_path, rest = self._paths(data, after, head_end)
        sliced = flag is MORE or size >= _SLICED_BYTES
        chunk = Chunk(
            data[at : body_at if sliced else stop],
            tid,
            method,
            status,
            to_path,
            from_path,
            rest - at,
            head_end - at,
            body_at - at if empty >= 0 else 0,
            size,
            flag,
            0,
            _part(data, body_at, body_end) if sliced else None,
        )
        self._at = stop
        self._searched = 0
        if flag is MORE:
            self._head = chunk.head()
            self._offset = size
        else:
            self._marker = b""
        return chunk

    def _start(self, data: bytes, at: int) -> tuple[int, bytes, bytes, int]:
        """Read the first line: where it ends, transaction id, and method or status.

        Returns: 0 for its end while it has not come. Raises: FramingError.
        """
        end = octets.find_octet(data, b"\r", at, len(data))
        if octets.starts(data, b"MSRP ", at):
            # What nearly all of them are.
            space = octets.find_octet(data, b" ", at + 5, end)
            size = space - at - 5
            if 4 <= size <= 32 and octets.only_in(data, _IDENT_OCTETS, at + 5, space):
                tid = octets.cut(data, at + 5, space)
                if tid[:1].isalnum() and octets.starts(data, b"\r\n", end):
                    if octets.same(data, space + 1, end, b"SEND"):
                        return end + 2, tid, b"SEND", 0
                    if octets.same(data, space + 1, end, b"200 OK"):
                        return end + 2, tid, b"", 200
        start = _START.match(data, at)
        if start is not None:
            method = start[2] or b""
            return start.end(), start[1], method, 0 if method else int(start[3])
        self._check_start(data, at)
        return 0, b"", b"", 0

    def _paths(self, data: bytes, at: int, end: int) -> tuple[bytes, bytes, int]:
        """Read To-Path and From-Path, and where what follows them begins; empty without them."""
        if octets.starts(data, b"To-Path: ", at):
            line = octets.find_octet(data, b"\r", at, end)
            if octets.starts(data, b"\r\nFrom-Path: ", line):
                # One URI each, as between two ends.
                behind = octets.find_octet(data, b"\r", line + 2, end)
                if (
                    octets.only_in(data, _VISIBLE, at + 9, line)
                    and octets.only_in(data, _VISIBLE, line + 13, behind)
                    and octets.starts(data, b"\r\n", behind)
                ):
                    to_path = octets.cut(data, at + 9, line)
                    return to_path, octets.cut(data, line + 13, behind), behind + 2
        paths = _PATHS.match(data, at, end)
        return (b"", b"", at) if paths is None else (paths[1], paths[2], paths.end())

    def _further(self, head: Chunk) -> Chunk | None:
        """Cut the next piece of a chunk whose head was handed on."""
        data, at = self._data, self._at
        marker = self._marker
        # The piece before ended short of where the end-line may begin, never inside it.
        end = self._find_end(data, marker, at)
        if end >= 0:
            stop, after = end, end + len(marker) + 3
            flag = data[after - 3 : after - 2]
        else:
            stop = after = self._safe_end(data, marker, at)
            flag = MORE
            if len(data) - at < self._piece_bytes or stop == at:
                self._searched = max(0, len(data) - at - len(marker) - 2)
                return None
        chunk = Chunk(
            head.raw,
            head.tid,
            head.method,
            head.status,
            head.to_path,
            head.from_path,
            head.rest,
            head.head_end,
            head.body_at,
            stop - at,
            flag,
            self._offset,
            _part(data, at, stop),
        )
        self._at = after
        self._searched = 0
        self._offset += stop - at
        if flag is not MORE:
            self._head = None
            self._marker = b""
        return chunk

    def _find_end(self, data: bytes, marker: bytes, at: int) -> int:
        """Return where the end-line's CRLF stands, -1 while it has not come (rule M1)."""
        size = len(marker)
        while True:
            at = octets.find_in(data, marker, at, len(data))
            if at < 0 or len(data) < at + size + 3:
                return -1
            after = at + size
            if data[after] in _FLAGS and data[after + 1 : after + 3] == b"\r\n":
                return at
            at += 2

    def _safe_end(self, data: bytes, marker: bytes, at: int) -> int:
        """Return up to where octets are body whatever follows: the end-line may have begun."""
        size = len(marker)
        begin = max(at, len(data) - size - 2)
        while (begin := data.find(b"\r", begin)) >= 0:
            if marker.startswith(data[begin : begin + size]):
                return begin
            begin += 1
        return len(data)

    def _check_start(self, data: bytes, at: int) -> None:
        """Refuse a first line that can not become one. Raises: FramingError."""
        front = data[at : at + 5]
        if not b"MSRP ".startswith(front):
            raise FramingError("not an MSRP start line")
        end = data.find(b"\n", at)
        if end >= 0 or len(data) - at > self._head_bytes:
            raise FramingError("not an MSRP start line")


def _part(data: bytes, start: int, stop: int) -> Body:
    """Return a part of a body: a view, unless it would keep much more in memory than it is."""
    if 4 * (stop - start) < len(data):
        return data[start:stop]
    return memoryview(data)[start:stop]
