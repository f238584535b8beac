# SPDX-License-Identifier: Apache-2.0
"""Messages out of an octet stream (RFC 3261 7.5 and 18.3, RFC 5626 3.5.1)."""

from __future__ import annotations

from enum import Enum
from typing import Final

from .errors import BadMessage, LimitExceeded, ParseError
from .grammar import TOKEN
from .head import join_folds, split_head
from .headers.content_length import parse_content_length
from .headers.names import known_name
from .limits import Limits
from .message import trim
from .salvage import salvage


class Ping(Enum):
    """A double CRLF between messages, answered by one CRLF."""

    PING = "ping"


PING: Final = Ping.PING


class StreamFramer:
    """Cuts a stream into messages by their Content-Length.

    Give it octets with ``feed``, then call ``next`` until it returns None. After an error nothing
    more of the stream is looked at: where the next message starts is not known any more.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._scanned = 0
        self._total = 0
        self._line_seen = False
        self._crlf_pending = False
        self.closed = False

    @property
    def mid_message(self) -> bool:
        """True while a message has begun and is not complete."""
        return bool(self._buffer) and not self.closed

    def feed(self, data: bytes) -> None:
        """Take octets as they arrived; ignored after an error."""
        if not self.closed:
            self._buffer += data

    def next(self) -> bytes | Ping | None:
        """Return the next whole message, PING, or None when more octets are needed.

        A run of line ends that arrived together counts as one ping.
        Raises: ParseError or LimitExceeded, with ``close`` set; the framer is closed then.
        """
        if self.closed:
            return None
        try:
            return self._next()
        except BadMessage as error:
            error.close = True
            if error.partial is None:
                front = bytes(self._buffer[: self._limits.head_bytes])
                error.partial = salvage(front, self._limits)
            self.closed = True
            self._buffer.clear()
            raise

    def _next(self) -> bytes | Ping | None:
        buffer = self._buffer
        if self._total == 0:
            if not buffer:
                return None
            if buffer[0] in b"\r\n":
                if self._skip_line_ends():
                    return PING
                if not buffer or buffer[0] == 0x0D:
                    return None
            self._total = self._measure()
        if not self._total or len(buffer) < self._total:
            return None
        message = bytes(buffer[: self._total])
        del buffer[: self._total]
        self._total = 0
        self._scanned = 0
        self._line_seen = False
        return message

    def _skip_line_ends(self) -> bool:
        """Drop CRLFs before a message; say whether they make a ping."""
        buffer = self._buffer
        end = len(buffer) - len(buffer.lstrip(b"\r\n"))
        count = 0
        while 2 * count < end - 1 and buffer[2 * count : 2 * count + 2] == b"\r\n":
            count += 1
        rest = end - 2 * count
        # A lone CR may be half of a CRLF that is still on its way; nothing else is tolerable.
        if rest > 1 or (rest == 1 and (buffer[2 * count] != 0x0D or end != len(buffer))):
            raise ParseError("stream", "Line ends between messages are not CRLF")
        del buffer[: 2 * count]
        total = count + self._crlf_pending
        self._crlf_pending = total == 1
        return total >= 2

    def _measure(self) -> int:
        """Return the size of the message at the front, or 0 while its headers are incomplete."""
        buffer = self._buffer
        limits = self._limits
        self._crlf_pending = False
        if buffer[0] not in TOKEN:
            raise ParseError("stream", "Octets between messages")
        if not self._line_seen:
            self._check_start_line()
        end = buffer.find(b"\r\n\r\n", self._scanned)
        if end < 0 or end > limits.head_bytes:
            if len(buffer) > limits.head_bytes:
                raise LimitExceeded("head_bytes", limits.head_bytes, "Headers are too large")
            self._scanned = max(0, len(buffer) - 3)
            return 0
        head = bytes(buffer[:end])
        length: int | None = None
        for line in join_folds(split_head(head, end, limits)[1:]):
            # Every spelling of the name starts with one of these letters.
            if line[:1] not in (b"c", b"C", b"l", b"L"):
                continue
            name, _, value = line.partition(b":")
            if known_name(name) == "content-length":
                if length is not None:
                    raise ParseError("Content-Length", "Content-Length appears twice")
                length = parse_content_length(trim(value), limits.body_bytes)
        if length is None:
            raise ParseError("Content-Length", "Content-Length is missing")
        return end + 4 + length

    def _check_start_line(self) -> None:
        """Refuse what can not become SIP as soon as its first line is there."""
        end = self._buffer.find(b"\n", self._scanned)
        if end < 0:
            return
        line = bytes(self._buffer[: end + 1]).upper()
        if not line.endswith(b"\r\n"):
            raise ParseError("stream", "Bare LF in the headers")
        if not line.startswith(b"SIP/") and b" SIP/" not in line:
            raise ParseError("stream", "Start line is not SIP")
        self._line_seen = True
