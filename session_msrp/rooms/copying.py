# SPDX-License-Identifier: Apache-2.0
"""Copies of room messages as octets: two lines are each receiver's own, all others share."""

from __future__ import annotations

from collections.abc import Callable

from ..chunk import ABORTED, CONTINUED, ENDED, MORE, ByteRange
from ..outbox import FAIR_BYTES
from .live import Copies, Visit

__all__ = ["Copier", "SwitchStats"]


class SwitchStats:
    """Counters, plain ints. messages: accepted; copies: chunks that left for participants."""

    __slots__ = ("copies", "messages", "nicknames", "refused")

    def __init__(self) -> None:
        self.messages = 0
        self.copies = 0
        self.refused = 0
        self.nicknames = 0


class Copier:
    """Args: new_tid: makes transaction ids and Message-IDs."""

    def __init__(self, new_tid: Callable[[], bytes], stats: SwitchStats) -> None:
        self._new_tid = new_tid
        self._stats = stats

    def whole(self, copies: Copies, body: bytes) -> None:
        """Send a message in one chunk."""
        self._send(copies, _span(0, len(body), len(body)), body, ENDED)

    def part(self, copies: Copies, octets: bytes, start: int, flag: bytes) -> None:
        """Send octets of a message as a chunk of its own. Args: start: octets in front of them."""
        end = start + len(octets)
        copies.sent = max(copies.sent, end)
        span = _span(start, end, copies.total)
        self._send(copies, span, octets, CONTINUED if flag is MORE else flag)

    def abort(self, copies: Copies) -> None:
        """Tell those who have some of a message that no more of it comes."""
        if copies.sent:
            self._send(copies, ByteRange(copies.sent + 1, None, copies.total), b"", ABORTED)

    def printed(self, visit: Visit, body: bytes) -> bytes:
        """Return the copy of a message for one session alone."""
        start, rest = self._print(self._new_tid(), _span(0, len(body), len(body)), body, ENDED)
        return b"%b%b%b" % (start, visit.paths, rest)

    def _send(self, copies: Copies, span: ByteRange, body: bytes, flag: bytes) -> None:
        start, rest = self._print(copies.id, span, body, flag)
        self._stats.copies += len(copies.to)
        for visit in copies.to:
            visit.copy(copies, b"%b%b%b" % (start, visit.paths, rest))

    def _print(
        self, message_id: bytes, span: ByteRange, body: bytes, flag: bytes
    ) -> tuple[bytes, bytes]:
        """Return what stands in a SEND before its path lines, and behind them."""
        tid = self._new_tid()
        while b"-------" + tid in body:
            tid = self._new_tid()
        return b"MSRP %b SEND\r\n" % tid, (
            b"Message-ID: %b\r\nByte-Range: %b\r\nFailure-Report: no\r\n"
            b"Content-Type: message/cpim\r\n\r\n%b\r\n-------%b%b\r\n"
        ) % (message_id, span.print(), body, tid, flag)


def _span(start: int, end: int, total: int | None) -> ByteRange:
    """Return the Byte-Range of octets; a longer chunk may be interrupted (RFC 4975 7.1.1)."""
    return ByteRange(start + 1, end if end - start <= FAIR_BYTES else None, total)
