# SPDX-License-Identifier: Apache-2.0
"""One end of a session: what a client, or a part of the node that talks itself, does with chunks.

Octets to send gather in ``take``; what happened comes back as events. One session does not know of
its connection: who carries the octets keeps that (rule M3).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from .chunk import ABORTED, MORE, ByteRange, Chunk
from .errors import BadChunk
from .limits import Limits
from .outbox import Outbox, Outgoing
from .printing import print_report, response_to
from .reassembly import Message, Reassembly
from .transactions import Transactions

__all__ = ["Delivered", "Event", "Failed", "Received", "Reported", "Session"]


@dataclass(frozen=True, slots=True)
class Received:
    """A whole message came. last: the chunk that waits for ``settle``, None when it is answered."""

    message: Message
    last: Chunk | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """The next hop has answered every chunk of a message with 200."""

    message: Outgoing


@dataclass(frozen=True, slots=True)
class Failed:
    """A message did not arrive, or only in part; 408 is silence."""

    message: Outgoing
    status: int


@dataclass(frozen=True, slots=True)
class Reported:
    """A REPORT about some octets of a message this end sent."""

    message_id: bytes
    span: ByteRange
    status: int


Event = Received | Delivered | Failed | Reported


class Session:
    """Args: path: this end's To-Path for what it sends; own: its URI; types: what it takes.

    types: media types in lower case, "*" or "text/*" as in a=accept-types. new_tid: makes
    transaction ids. chunk_bytes: of one chunk that is sent. withheld: a message is answered by
    ``settle`` alone, when whoever takes it knows what becomes of it.
    """

    def __init__(
        self,
        own: bytes,
        path: bytes,
        new_tid: Callable[[], bytes],
        limits: Limits,
        types: Collection[bytes] = (b"*",),
        chunk_bytes: int = 16 * 1024,
        withheld: bool = False,
    ) -> None:
        self.own = own
        self.path = path
        self._new_tid = new_tid
        self._types = types
        self._withheld = withheld
        self._outbox = Outbox(chunk_bytes, new_tid)
        self._waiting: Transactions[Outgoing] = Transactions()
        self._reassembly = Reassembly(limits)
        self._answers: deque[bytes] = deque()
        self._refused: dict[bytes, None] = {}  # tids of chunks whose further pieces are dropped

    # -- out -------------------------------------------------------------------------------------

    def send(self, message: Outgoing) -> None:
        """Put a message among those that are being sent."""
        self._outbox.put(message)

    def abort(self, message: Outgoing) -> None:
        """Stop sending a message."""
        self._outbox.abort(message)

    def take(self, now: float) -> bytes | None:
        """Return what to send next, an answer or a chunk; None when there is nothing."""
        if self._answers:
            return self._answers.popleft()
        if self._waiting.full:
            return None
        entry = self._outbox.next(self.path, self.own)
        if entry is None:
            return None
        tid, octets, message = entry
        if message.failure_report == b"yes":
            message.unanswered += 1
            self._waiting.begin(tid, message, now)
        return octets

    # -- in --------------------------------------------------------------------------------------

    def receive(self, chunk: Chunk, now: float) -> list[Event]:
        """Take a chunk that is for this session; nothing in it raises."""
        if chunk.status:
            return self._answered(chunk)
        try:
            chunk.check()
            if chunk.method == b"SEND":
                return self._take_send(chunk, now)
            if chunk.method == b"REPORT":
                span = chunk.byte_range()
                return [Reported(chunk.message_id, span, chunk.report_status)]
            raise BadChunk("unknown method", 501)
        except BadChunk as error:
            self._refuse(chunk, error.status)
        return []

    def _refuse(self, chunk: Chunk, status: int) -> None:
        if chunk.tid in self._refused:
            if chunk.flag is not MORE:
                del self._refused[chunk.tid]
            return
        if chunk.flag is MORE:
            self._refused[chunk.tid] = None
        self._answer(chunk, status)

    def _answer(self, chunk: Chunk, status: int) -> None:
        try:
            answer = response_to(chunk, status, self.own)
        except BadChunk:  # its headers cannot be read, so neither can the wish for no answer
            return
        if answer is not None:
            self._answers.append(answer)

    def _take_send(self, chunk: Chunk, now: float) -> list[Event]:
        if chunk.tid in self._refused:
            raise BadChunk("refused before")
        if not chunk.has_body:
            self._answer(chunk, 200)
            return []
        if not self._accepts(chunk.content_type):
            raise BadChunk("this type is not taken", 415)
        message = self._reassembly.add(chunk, now)
        if message is not None and self._withheld:
            return [Received(message, chunk)]
        if chunk.flag is not MORE:
            self._answer(chunk, 200)
        if message is None or chunk.flag == ABORTED:
            return []
        self._report(message, chunk)
        return [Received(message)]

    def settle(self, received: Received, status: int = 200) -> None:
        """Answer a message that was withheld; a status above 200 refuses it (RFC 4975 10)."""
        chunk = received.last
        if chunk is None:
            return
        self._answer(chunk, status)
        if status == 200:
            self._report(received.message, chunk)

    def _report(self, message: Message, chunk: Chunk) -> None:
        """Say that all of a message has come, where its sender wants to know (7.1.2)."""
        if not message.success_report:
            return
        size = len(message.body)
        span = ByteRange(1, size, size)
        self._answers.append(
            print_report(self._new_tid(), chunk.from_path, self.own, message.id, span, 200)
        )

    def _accepts(self, kind: bytes) -> bool:
        types = self._types
        return b"*" in types or kind in types or kind.partition(b"/")[0] + b"/*" in types

    def _answered(self, chunk: Chunk) -> list[Event]:
        message = self._waiting.answered(chunk.tid)
        if message is None:
            return []
        message.unanswered -= 1
        if chunk.status != 200:
            return self._failed(message, chunk.status)
        if message.whole and not message.unanswered and not message.failed:
            return [Delivered(message)]
        return []

    def _failed(self, message: Outgoing, status: int) -> list[Event]:
        if message.failed:
            return []
        message.failed = status
        # 413 and 415 ask the sender to stop (10.5, 10.6); nothing else gets better either.
        self._outbox.abort(message)
        return [Failed(message, status)]

    # -- time ------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Return when ``expire`` has something to do, None while nothing is under way."""
        times = (self._waiting.next_deadline(), self._reassembly.next_deadline())
        return min((time for time in times if time is not None), default=None)

    def expire(self, now: float) -> list[Event]:
        """Give up what took too long."""
        self._reassembly.expire(now)
        events: list[Event] = []
        for message in self._waiting.expire(now):
            message.unanswered -= 1
            events += self._failed(message, 408)
        return events
