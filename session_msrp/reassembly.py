# SPDX-License-Identifier: Apache-2.0
"""Messages put together from chunks, in any order, within bounds (RFC 4975 7.3.1)."""

from __future__ import annotations

from dataclasses import dataclass

from .chunk import ABORTED, ENDED, Chunk
from .errors import BadChunk
from .limits import Limits

__all__ = ["Message", "Reassembly"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is complete. content_type: as the sender wrote it, with parameters."""

    id: bytes
    content_type: bytes
    body: bytes
    success_report: bool


class _Partial:
    """What has come of one message: octets, and which of them are there."""

    __slots__ = ("buffer", "content_type", "reported", "spans", "total", "touched")

    def __init__(self, content_type: bytes, reported: bool) -> None:
        self.buffer = bytearray()
        self.content_type = content_type
        self.reported = reported
        self.spans: list[tuple[int, int]] = []  # disjoint, in order, ends excluded
        self.total: int | None = None
        self.touched = 0.0

    def put(self, at: int, body: bytes) -> None:
        """Write octets; what was there before is overwritten (the last one wins)."""
        end = at + len(body)
        if at > len(self.buffer):
            self.buffer += bytes(at - len(self.buffer))
        self.buffer[at:end] = body
        if self.spans and self.spans[-1][1] == at:  # as it comes nearly always
            self.spans[-1] = (self.spans[-1][0], end)
            return
        merged: list[tuple[int, int]] = []
        for low, high in sorted([*self.spans, (at, end)]):
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        self.spans = merged

    @property
    def complete(self) -> bool:
        total = self.total
        return total is not None and (total == 0 or self.spans == [(0, total)])


class Reassembly:
    """The messages of one session that are on their way in.

    A declared size reserves nothing (rule M2); what is held counts for all messages together.
    """

    #: Holes one message may have; chunks come nearly in order.
    _MOST_SPANS = 64

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._partials: dict[bytes, _Partial] = {}
        self._held = 0

    def __len__(self) -> int:
        return len(self._partials)

    def add(self, chunk: Chunk, now: float) -> Message | None:
        """Take the octets of a SEND that ``Chunk.check`` let pass; return a message it completes.

        Raises: BadChunk, 413 when the message or all of them are too large; the message is then
            forgotten (10.5), and also when its sender gave it up.
        """
        message_id = chunk.message_id
        span = chunk.byte_range()
        partial = self._partials.get(message_id)
        if chunk.flag == ABORTED:
            self.forget(message_id)
            return None
        at = span.start - 1 + chunk.offset
        if partial is None:
            if at == 0 and chunk.flag == ENDED and chunk.offset == 0:
                return self._at_once(chunk)
            if len(self._partials) >= self._limits.partials:
                raise BadChunk("too many messages at once", 413)
            partial = _Partial(chunk.fields.get(b"content-type", b""), chunk.success_report)
            self._partials[message_id] = partial
        body = chunk.body
        end = at + len(body)
        grown = max(0, end - len(partial.buffer))
        if self._held + grown > self._limits.message_bytes or (
            span.total is not None and span.total > self._limits.message_bytes
        ):
            self.forget(message_id)
            raise BadChunk("the message is too large", 413)
        if partial.total is not None and end > partial.total:
            self.forget(message_id)
            raise BadChunk("octets behind the end of the message")
        self._held += grown
        partial.put(at, body)
        partial.touched = now
        if len(partial.spans) > self._MOST_SPANS:
            self.forget(message_id)
            raise BadChunk("too many holes in the message", 413)
        if chunk.flag == ENDED:
            partial.total = end
            if len(partial.buffer) > end:
                self.forget(message_id)
                raise BadChunk("octets behind the end of the message")
        if not partial.complete:
            return None
        self.forget(message_id)
        return Message(message_id, partial.content_type, bytes(partial.buffer), partial.reported)

    def _at_once(self, chunk: Chunk) -> Message:
        body = chunk.body
        if len(body) > self._limits.message_bytes:
            raise BadChunk("the message is too large", 413)
        kind = chunk.fields.get(b"content-type", b"")
        return Message(chunk.message_id, kind, body, chunk.success_report)

    def next_deadline(self) -> float | None:
        """Return when ``expire`` has something to do, None while nothing is under way."""
        if not self._partials:
            return None
        return min(each.touched for each in self._partials.values()) + self._limits.partial_s

    def expire(self, now: float) -> list[bytes]:
        """Forget messages that stand still; return their ids."""
        limit = now - self._limits.partial_s
        late = [id_ for id_, each in self._partials.items() if each.touched <= limit]
        for message_id in late:
            self.forget(message_id)
        return late

    def forget(self, message_id: bytes) -> None:
        """Let go of what has come of a message."""
        partial = self._partials.pop(message_id, None)
        if partial is not None:
            self._held -= len(partial.buffer)
