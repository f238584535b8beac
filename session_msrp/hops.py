# SPDX-License-Identifier: Apache-2.0
"""What the relay keeps of each connection: what is on its way over it, and who waits for it."""

from __future__ import annotations

import re
from typing import Final

from .authorizing import Peer, RelayLink
from .chunk import ByteRange, Chunk
from .transactions import Transactions

__all__ = ["Hop", "Large", "Pending", "Route"]

_RANGE_LINE: Final = re.compile(rb"byte-range:", re.IGNORECASE)


class Route:
    """Where a request goes. own: our URIs, the last one first, as they stand in its From-Path."""

    __slots__ = ("came", "first", "hop", "own", "rest", "source")

    def __init__(
        self, hop: Hop, source: RelayLink, first: bytes, own: bytes, rest: bytes, came: bytes
    ) -> None:
        self.hop = hop
        self.source = source
        self.first = first
        self.own = own
        self.rest = rest
        self.came = came

    @property
    def from_path(self) -> bytes:
        """The From-Path of what is passed on."""
        return self.own + b" " + self.came


class Pending:
    """A request that was passed on. tid: as it came. span: of a SEND, which octets it was."""

    __slots__ = ("credentials", "message_id", "method", "route", "span", "tid", "timed")

    def __init__(self, route: Route, chunk: Chunk, span: ByteRange) -> None:
        self.route = route
        self.tid = chunk.tid
        self.method = chunk.method
        self.span = span
        self.message_id = chunk.message_id
        self.timed = chunk.method == b"SEND" and chunk.failure_report == b"yes"
        self.credentials = chunk.method == b"AUTH" and b"authorization" in chunk.fields


class Large:
    """A chunk whose pieces go on as they come. following: the position of the next octet."""

    __slots__ = ("first", "following", "lines", "route", "total")

    def __init__(self, route: Route, first: Chunk) -> None:
        span = first.byte_range()
        self.route = route
        self.first = first.head()
        self.following = span.start
        self.total = span.total
        self.lines = [line for line in first.lines() if _RANGE_LINE.match(line) is None]


class Hop:
    """A connection with what it has been sent and has not answered, and who waits for it.

    reached: next hops that were opened for it. senders: who wrote to it lately.
    """

    __slots__ = ("large", "link", "open", "peer", "quiet", "reached", "senders", "used",
                 "waiting")  # fmt: skip

    def __init__(self, link: RelayLink, pending: int) -> None:
        self.link = link
        self.open: Transactions[Pending] = Transactions(pending)
        # Of these only bad news comes, so that nothing says when they are over.
        self.quiet: dict[bytes, Pending] = {}
        self.large: Large | None = None
        self.waiting: set[RelayLink] = set()
        self.senders: set[RelayLink] = set()
        self.reached: dict[tuple[str, int, bool], RelayLink] = {}
        self.peer = Peer()
        self.used = 0.0

    def read_on(self) -> None:
        """Let those send again who waited for answers."""
        if self.waiting and not self.open.full:
            waiting, self.waiting = self.waiting, set()
            for link in waiting:
                link.release(self)
