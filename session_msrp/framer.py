# SPDX-License-Identifier: Apache-2.0
"""Chunks out of an octet stream (RFC 4975 7.1: the end-line).

The end is found by searching for the one text that ends a chunk, which C does; no octet of a body
is looked at in Python.
"""

from __future__ import annotations

import re
from typing import Final

from .chunk import MORE, Chunk
from .errors import FramingError
from .limits import Limits

__all__ = ["Framer"]

_IDENT = rb"[0-9A-Za-z][0-9A-Za-z.%=+-]{3,31}"
_START: Final = re.compile(
    rb"MSRP (" + _IDENT + rb") (?:([A-Z]{1,32})|([0-9]{3})(?: [^\x00-\x08\x0a-\x1f\x7f]*)?)\r\n"
)
_PATHS: Final = re.compile(
    rb"To-Path: *([!-~][ -~]*)\r\nFrom-Path: *([!-~][ -~]*)\r\n", re.IGNORECASE
)
_FLAGS: Final = b"$+#"
#: Bodies of everything but SEND cannot be interrupted and are small (7.1).
_OTHER_BODY: Final = 10240


class Framer:
    """Cuts a stream into chunks; a chunk that is too large comes in pieces.

    Give it octets with ``feed``, then call ``next`` until it returns None. What it holds is bounded
    by `chunk_bytes` and what one ``feed`` brought.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._data = b""  # what is being cut, up to `_at` it is
        self._at = 0
        self._tail = bytearray()  # the beginning of a chunk whose end has not come
        self._searched = 0
        self._tid = b""  # of the chunk at the front, once its first line is there
        self._marker = b""
        self._start: re.Match[bytes] | None = None
        self._head: Chunk | None = None  # of a chunk of which pieces have been handed on
        self._offset = 0
        self.closed = False

    @property
    def mid_chunk(self) -> bool:
        """True while a chunk has begun and its end has not come."""
        return bool(self._tail) or self._head is not None or self._at < len(self._data)

    def feed(self, data: bytes) -> None:
        """Take octets as they arrived; ignored after an error."""
        if self.closed:
            return
        if self._at < len(self._data):
            self._keep()
        if self._tail:
            self._tail += data
        else:
            self._data = data
            self._at = 0

    def next(self) -> Chunk | None:
        """Return the next chunk or piece of one, None when more octets are needed.

        Raises: FramingError; the framer is closed then.
        """
        if self.closed:
            return None
        try:
            if self._tail:
                if not self._worth_a_look():
                    return None
                self._data = bytes(self._tail)
                self._at = 0
                self._tail.clear()
            chunk = self._whole() if self._head is None else self._further(self._head)
        except FramingError:
            self.closed = True
            self._data = b""
            self._tail.clear()
            raise
        if chunk is None and self._at < len(self._data):
            self._keep()
        return chunk

    def _keep(self) -> None:
        """Put what has not been cut where more can be added to it."""
        self._tail += memoryview(self._data)[self._at :]
        self._data = b""
        self._at = 0

    def _worth_a_look(self) -> bool:
        """Say whether what has gathered ends a chunk, or is so much that something must be done.

        Keeps octets that trickle in from being searched again and again.
        """
        tail = self._tail
        if not self._marker or len(tail) > self._limits.chunk_bytes:
            return True
        if self._head is None and len(tail) > self._limits.head_bytes and b"\r\n\r\n" not in tail:
            return True
        found = tail.find(self._marker, self._searched)
        if found >= 0:
            return len(tail) >= found + len(self._marker) + 3
        self._searched = max(0, len(tail) - len(self._marker) + 1)
        return False

    def _whole(self) -> Chunk | None:
        data, at = self._data, self._at
        start = _START.match(data, at)
        if start is None:
            self._check_start(data, at)
            return None
        tid = start[1]
        self._marker = marker = b"\r\n-------" + tid
        after = start.end()
        # The CRLF of the start line may be the one in front of the end-line.
        end = self._find_end(data, marker, after - 2)
        head_end = data.find(b"\r\n\r\n", after - 2, end + 2 if end >= 0 else len(data))
        if end < 0 and head_end < 0 and len(data) - at > self._limits.head_bytes:
            raise FramingError("the headers are too large")
        # Whatever may be the beginning of the end-line stays when a piece is cut.
        most = len(data) - len(marker) - 2
        large = len(data) - at > self._limits.chunk_bytes and head_end + 4 < most
        if end < 0 and (head_end < 0 or not large):
            self._searched = max(0, len(data) - at - len(marker) - 2)
            return None
        has_body = head_end >= 0
        if has_body:
            head_end += 2
            # Behind an empty line the end-line may follow at once: a body without octets.
            body_at = min(head_end + 2, end + 2) if end >= 0 else head_end + 2
        else:
            head_end = end + 2
            body_at = 0
        if head_end - at > self._limits.head_bytes:
            raise FramingError("the headers are too large")
        if end >= 0:
            stop = end + len(marker) + 3
            flag = data[stop - 3 : stop - 2]
            body_end = max(end, body_at)
        else:
            flag = MORE
            stop = body_end = most
        method = start[2] or b""
        if has_body and method != b"SEND" and body_end - body_at > _OTHER_BODY:
            raise FramingError("only SEND may have a large body")
        paths = _PATHS.match(data, after, head_end)
        to_path, from_path, rest = b"", b"", after
        if paths is not None:
            to_path, from_path = paths.groups()
            rest = paths.end()
        chunk = Chunk(
            data[at:stop],
            tid,
            method,
            int(start[3]) if not method else 0,
            to_path,
            from_path,
            rest - at,
            head_end - at,
            body_at - at if has_body else 0,
            body_end - at if has_body else 0,
            flag,
            0,
        )
        self._at = stop
        self._searched = 0
        if flag is MORE:
            self._head = chunk
            self._offset = body_end - body_at
        else:
            self._marker = b""
        return chunk

    def _further(self, head: Chunk) -> Chunk | None:
        """Cut the next piece of a chunk whose head was handed on."""
        data, at = self._data, self._at
        marker = self._marker
        # The piece before ended short of where the end-line may begin, never inside it.
        end = self._find_end(data, marker, at)
        most = len(data) - len(marker) - 2
        if end < 0 and (len(data) - at <= self._limits.chunk_bytes or most <= at):
            self._searched = max(0, len(data) - at - len(marker) - 2)
            return None
        stop = end if end >= 0 else most
        flag = MORE
        tail = b""
        after = stop
        if end >= 0:
            after = end + len(marker) + 3
            flag = data[after - 3 : after - 2]
            tail = data[end:after]
        body_at = head.body_at
        chunk = Chunk(
            b"%b%b%b" % (head.raw[:body_at], data[at:stop], tail),
            head.tid,
            head.method,
            head.status,
            head.to_path,
            head.from_path,
            head.rest,
            head.head_end,
            body_at,
            body_at + stop - at,
            flag,
            self._offset,
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
            at = data.find(marker, at)
            if at < 0 or len(data) < at + size + 3:
                return -1
            after = at + size
            if data[after] in _FLAGS and data[after + 1 : after + 3] == b"\r\n":
                return at
            at += 2

    def _check_start(self, data: bytes, at: int) -> None:
        """Refuse a first line that can not become one. Raises: FramingError."""
        front = data[at : at + 5]
        if not b"MSRP ".startswith(front):
            raise FramingError("not an MSRP start line")
        end = data.find(b"\n", at)
        if end >= 0 or len(data) - at > self._limits.head_bytes:
            raise FramingError("not an MSRP start line")
