# SPDX-License-Identifier: Apache-2.0
"""Messages on their way out, chunk by chunk in turn: a file never blocks a word."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from .chunk import ABORTED, CONTINUED, ENDED, ByteRange
from .printing import print_request

__all__ = ["Outbox", "Outgoing"]

#: Chunks up to this size need not be interruptible (RFC 4975 7.1.1).
FAIR_BYTES: Final = 2048


class Outgoing:
    """A message that is being sent. sent: octets that have left; unanswered: their chunks.

    failed: the status that ended it, 0 while there is none.
    """

    __slots__ = ("aborted", "body", "content_type", "failed", "failure_report", "id", "sent",
                 "success_report", "unanswered", "whole")  # fmt: skip

    def __init__(
        self,
        message_id: bytes,
        content_type: bytes,
        body: bytes | None,
        *,
        success_report: bool = False,
        failure_report: bytes = b"yes",
        sent: int = 0,
    ) -> None:
        """Args: body: None for a request without one; sent: octets the peer has already (MS-13)."""
        self.id = message_id
        self.content_type = content_type
        self.body = body
        self.success_report = success_report
        self.failure_report = failure_report
        self.sent = sent
        self.unanswered = 0
        self.failed = 0
        self.aborted = False
        self.whole = False


class Outbox:
    """The messages of one session that have octets left to send.

    chunk_bytes: of a body in one chunk. new_tid: makes transaction ids, 64 random bits or more.
    """

    def __init__(self, chunk_bytes: int, new_tid: Callable[[], bytes]) -> None:
        self._chunk_bytes = chunk_bytes
        self._new_tid = new_tid
        self._turn: deque[Outgoing] = deque()

    def __len__(self) -> int:
        return len(self._turn)

    def put(self, message: Outgoing) -> None:
        """Add a message; it takes its turn with the others."""
        self._turn.append(message)

    def abort(self, message: Outgoing) -> None:
        """Send no more of a message; where some of it left, the peer is told by "#"."""
        message.aborted = True
        if not message.sent and message in self._turn:
            self._turn.remove(message)

    def next(self, to_path: bytes, from_path: bytes) -> tuple[bytes, bytes, Outgoing] | None:
        """Return the next request with its transaction id and message, None when all has left."""
        if not self._turn:
            return None
        message = self._turn.popleft()
        body, flag, headers = self._part(message)
        tid = self._tid_for(body)
        request = print_request(tid, b"SEND", to_path, from_path, headers, body, flag)
        if flag == CONTINUED:
            self._turn.append(message)
        message.whole = flag == ENDED
        return tid, request, message

    def _part(self, message: Outgoing) -> tuple[bytes | None, bytes, Iterator[bytes]]:
        if message.body is None:
            return None, ENDED, self._headers(message, ByteRange(1, 0, 0))
        total = len(message.body)
        start = message.sent
        if message.aborted:
            return b"", ABORTED, self._headers(message, ByteRange(start + 1, None, total))
        body = message.body[start : start + self._chunk_bytes]
        message.sent = end = start + len(body)
        span = ByteRange(start + 1, end if len(body) <= FAIR_BYTES else None, total)
        if not total:
            span = ByteRange(1, 0, 0)
        return body, ENDED if end == total else CONTINUED, self._headers(message, span)

    def _headers(self, message: Outgoing, span: ByteRange) -> Iterator[bytes]:
        yield b"Message-ID: " + message.id
        yield b"Byte-Range: " + span.print()
        if message.success_report:
            yield b"Success-Report: yes"
        if message.failure_report != b"yes":
            yield b"Failure-Report: " + message.failure_report
        if message.body is not None:
            yield b"Content-Type: " + message.content_type

    def _tid_for(self, body: bytes | None) -> bytes:
        """Return a transaction id whose end-line is not in the body (MS-03)."""
        tid = self._new_tid()
        while body and b"-------" + tid in body:
            tid = self._new_tid()
        return tid
