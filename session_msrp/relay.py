# SPDX-License-Identifier: Apache-2.0
"""The relay of RFC 4976: passes on what comes from or goes to a client that has its URI.

Every hop answers for itself: a SEND is answered here at once, and from then on the relay tells the
sender by REPORT what went wrong behind it. A chunk that is too large to hold goes on in several.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .authorizing import Authorizing, Guard, RelayLimits, RelayLink
from .chunk import ABORTED, CONTINUED, MORE, Body, ByteRange, Chunk
from .errors import BadChunk
from .grants import Grants
from .hops import Hop, Large, Pending, Route
from .outbox import FAIR_BYTES
from .printing import print_end, print_head, print_report, response_to
from .uri import MsrpUri, parse_path

__all__ = ["Relay", "RelayStats"]

_PATH_URIS: Final = 8  # rule M4
_TIMEOUT: Final = 408
_STALE: Final = re.compile(rb"stale *= *\"?true", re.IGNORECASE)


class RelayStats:
    """Counters, plain ints. timeouts: SENDs that the next hop did not answer."""

    __slots__ = ("chunks", "octets", "refused", "reports", "timeouts")

    def __init__(self) -> None:
        self.chunks = 0
        self.octets = 0
        self.refused = 0
        self.reports = 0
        self.timeouts = 0


class Relay:
    """A relay, free of sockets and clock.

    Args: connect(uri): a connection to a next hop, be it still on its way; None when that may not
        be one. new_uri(link, asked): a new URI of this relay, at least 64 random bits of session.
    """

    def __init__(
        self,
        limits: RelayLimits,
        guard: Guard,
        new_uri: Callable[[RelayLink, MsrpUri], MsrpUri],
        new_tid: Callable[[], bytes],
        connect: Callable[[MsrpUri], RelayLink | None],
    ) -> None:
        self._limits = limits
        self._new_tid = new_tid
        self._connect = connect
        self._hops: dict[RelayLink, Hop] = {}
        self.grants: Grants[RelayLink] = Grants(limits.uris, limits.user_uris)
        self.authorizing = Authorizing(limits, self.grants, guard, new_uri)
        self.stats = RelayStats()

    def uses(self, link: RelayLink, since: float) -> bool:
        """Say whether a connection has URIs, or has carried something since a time."""
        hop = self._hops.get(link)
        return self.grants.used_by(link) or (hop is not None and hop.used > since)

    # -- requests --------------------------------------------------------------------------------

    def receive(self, chunk: Chunk, link: RelayLink, now: float) -> bool:
        """Take a chunk; False when it is for no URI of ours and nothing was done."""
        if chunk.offset:
            hop = self._hops.get(link)
            if hop is None or hop.large is None:
                return False
            self._continue(hop, hop.large, chunk, now)
            return True
        try:
            to = parse_path(chunk.to_path, _PATH_URIS)
            came = parse_path(chunk.from_path, _PATH_URIS)
        except BadChunk:
            return False
        if chunk.status:
            self._answered(chunk, link)
            return True
        if chunk.method == b"AUTH" and len(to) == 1:
            self.authorizing.answer(chunk, to[0], came, link, self._hop(link).peer, now)
            return True
        if self.grants.find(to[0], now) is None:
            return False
        try:
            chunk.check()
            route = self._route(chunk, to, came, link, now)
        except BadChunk as error:
            self._refuse(chunk, link, error.status)
            return True
        self._hop(link).used = route.hop.used = now
        if chunk.flag is not MORE:
            self._pass_whole(chunk, route, now)
        elif chunk.method == b"SEND":
            hop = self._hop(link)
            hop.large = Large(route, chunk)
            self._continue(hop, hop.large, chunk, now)
        else:
            self._refuse(chunk, link, 400)
        return True

    def _route(
        self, chunk: Chunk, to: list[MsrpUri], came: list[MsrpUri], link: RelayLink, now: float
    ) -> Route:
        """Say where a request goes (6.4). Raises: BadChunk."""
        grant = self.grants.find(to[0], now)
        assert grant is not None
        own, rest = grant.uri.raw, to[1:]
        out: RelayLink | None
        if not rest:
            raise BadChunk("nobody behind this relay", 481)
        if link is not grant.link or rest[0].key == grant.toward:
            # Towards the client, whoever sends: it goes nowhere but over the client's connection.
            if link is not grant.link:
                grant.met(came[0].key, link)
            out = grant.link
        else:
            inner = self.grants.find(rest[0], now)
            if inner is None:
                self._refuse_loop(rest, now)
                out = grant.peer(rest[0].key) or self._reach(rest[0], link)
            else:  # the other side has this relay too
                if inner is grant or len(rest) == 1:
                    raise BadChunk("nobody behind this relay", 481)
                own, rest, out = inner.uri.raw + b" " + own, rest[1:], inner.link
        self._refuse_loop(rest, now)
        if out is None or out.closing:
            raise BadChunk("the next hop cannot be reached", _TIMEOUT)
        path = b" ".join(uri.raw for uri in rest)
        return Route(self._hop(out), link, to[0].raw, own, path, chunk.from_path)

    def _reach(self, uri: MsrpUri, link: RelayLink) -> RelayLink | None:
        """Return a connection to a next hop; a client has no more of them than it may have URIs.

        Raises: BadChunk.
        """
        hop = self._hop(link)
        key = (*uri.address, uri.secure)
        out = hop.reached.get(key)
        if out is not None and not out.closing:
            return out
        if len(hop.reached) >= self._limits.user_uris:
            hop.reached = {key: each for key, each in hop.reached.items() if not each.closing}
            if len(hop.reached) >= self._limits.user_uris:
                raise BadChunk("too many next hops", 403)
        out = self._connect(uri)
        if out is not None:
            hop.reached[key] = out
        return out

    def _refuse_loop(self, rest: list[MsrpUri], now: float) -> None:
        """Let nothing pass here a second time (rule M4). Raises: BadChunk."""
        if any(self.grants.find(uri, now) is not None for uri in rest):
            raise BadChunk("the path comes back to this relay", 403)

    def _refuse(self, chunk: Chunk, link: RelayLink, status: int) -> None:
        self.stats.refused += 1
        try:
            answer = response_to(chunk, status, chunk.to_path.partition(b" ")[0])
        except BadChunk:  # it cannot be read what its sender wants to hear
            return
        if answer is not None:
            link.write(answer)

    # -- onward ----------------------------------------------------------------------------------

    def _pass_whole(self, chunk: Chunk, route: Route, now: float) -> None:
        piece = chunk.piece
        tid = self._tid(chunk.raw) if piece is None else self._new_tid()
        head = b"MSRP %b %b\r\nTo-Path: %b\r\nFrom-Path: %b\r\n" % (
            tid, chunk.method, route.rest, route.from_path
        )  # fmt: skip
        link, raw = route.hop.link, chunk.raw
        if piece is None:
            end = len(raw) - len(chunk.tid) - 10
            link.write(b"%b%b-------%b%b\r\n" % (head, raw[chunk.rest : end], tid, chunk.flag))
        else:
            link.write_large(head + raw[chunk.rest :], piece, print_end(tid, chunk.flag))
        send = chunk.method == b"SEND"
        self._sent(tid, chunk, chunk, route, chunk.byte_range() if send else ByteRange(), now)
        if send:
            self._accept(chunk, chunk, route, 200)

    def _continue(self, source: Hop, large: Large, chunk: Chunk, now: float) -> None:
        """Pass a piece on as a chunk of its own; behind the last one the sender is answered."""
        route, flag, size = large.route, chunk.flag, chunk.size
        lost = self._hops.get(route.hop.link) is not route.hop
        if not lost:
            assert chunk.piece is not None
            tid = self._new_tid()
            start = large.following
            end = start + size - 1
            if large.total is not None and end > large.total:
                large.total = None  # it said less than it sends
            span = ByteRange(start, end, large.total)
            shown = span if size <= FAIR_BYTES else span._replace(end=None)
            self._write_piece(large, tid, shown, chunk.piece, CONTINUED if flag is MORE else flag)
            self._sent(tid, large.first, chunk, route, span, now)
            large.following = start + size
        if flag is not MORE:
            source.large = None
            self._accept(large.first, chunk, route, _TIMEOUT if lost else 200)

    def _write_piece(
        self, large: Large, tid: bytes, span: ByteRange, body: Body, flag: bytes
    ) -> None:
        headers = [b"Byte-Range: " + span.print(), *large.lines]
        route = large.route
        head = print_head(tid, b"SEND", route.rest, route.from_path, headers) + b"\r\n\r\n"
        route.hop.link.write_large(head, body, print_end(tid, flag))

    def _sent(
        self, tid: bytes, first: Chunk, chunk: Chunk, route: Route, span: ByteRange, now: float
    ) -> None:
        """Wait for the next hop's answer; whoever sends faster than it answers is not read."""
        hop = route.hop
        self.stats.chunks += 1
        self.stats.octets += chunk.size
        wanted = first.failure_report if first.method == b"SEND" else b"yes"
        if first.method != b"REPORT" and wanted != b"no":
            pending = Pending(route, first, span)
            if wanted == b"partial":
                if len(hop.quiet) >= self._limits.pending:
                    del hop.quiet[next(iter(hop.quiet))]
                hop.quiet[tid] = pending
            else:
                hop.open.begin(tid, pending, now)
        if hop.link.choked_since:
            route.source.hold(hop.link)
        else:
            hop.senders.add(route.source)
        if hop.open.full:
            hop.waiting.add(route.source)
            route.source.hold(hop)

    def _accept(self, first: Chunk, last: Chunk, route: Route, status: int) -> None:
        """Answer a SEND that has come to its end, to the previous hop alone (6.4.1)."""
        if last.flag == ABORTED and status != 200:
            return
        answer = response_to(first, status, route.first)
        if answer is not None:
            route.source.write(answer)

    def _tid(self, octets: bytes) -> bytes:
        """Return a transaction id that no end-line in these octets has.

        Large ones are not looked through for 64 random bits that were drawn behind them.
        """
        tid = self._new_tid()
        while b"-------" + tid in octets:
            tid = self._new_tid()
        return tid

    # -- answers ---------------------------------------------------------------------------------

    def _answered(self, chunk: Chunk, link: RelayLink) -> None:
        """Take an answer of a next hop (6.4.3); one that nobody waits for is dropped."""
        hop = self._hops.get(link)
        if hop is None:
            return
        pending = hop.open.answered(chunk.tid) or hop.quiet.pop(chunk.tid, None)
        hop.read_on()
        if pending is None:
            return
        if pending.method == b"SEND":
            if chunk.status != 200:
                self._report(pending, chunk.status)
            return
        route = pending.route
        front = route.own + b" "
        if not chunk.to_path.startswith(front) or route.source.closing:
            return
        mine = b" ".join(reversed(route.own.split(b" ")))
        start = chunk.raw[6 + len(chunk.tid) : chunk.raw.index(b"\r\n")]
        end = len(chunk.raw) - len(chunk.tid) - 10
        route.source.write(
            b"MSRP %b %b\r\nTo-Path: %b\r\nFrom-Path: %b %b\r\n%b-------%b$\r\n"
            % (
                pending.tid,
                start,
                chunk.to_path[len(front) :],
                mine,
                chunk.from_path,
                chunk.raw[chunk.rest : end],
                pending.tid,
            )
        )
        if pending.credentials and chunk.status == 401 and _STALE.search(chunk.headers) is None:
            self._hop(route.source).peer.failed(route.source)

    def _report(self, pending: Pending, status: int) -> None:
        """Tell the sender what became of its octets."""
        route = pending.route
        if route.source.closing:
            return
        self.stats.reports += 1
        route.source.write(
            print_report(
                self._new_tid(), route.came, route.first, pending.message_id, pending.span, status
            )
        )

    # -- ends ------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Report what next hops have not answered in 30 seconds (6.4.1); once a second or so."""
        for hop in list(self._hops.values()):
            if hop.link.choked_since:
                continue  # the time starts when the last octet has left
            hop.senders.clear()
            for pending in hop.open.expire(now):
                if pending.timed:
                    self.stats.timeouts += 1
                    self._report(pending, _TIMEOUT)
            hop.read_on()

    def choked(self, link: RelayLink) -> None:
        """Let nobody send to a connection that takes nothing; it releases them itself."""
        hop = self._hops.get(link)
        if hop is None:
            return
        for source in hop.senders:
            if not source.closing:
                source.hold(link)
        hop.senders.clear()

    def lost(self, link: RelayLink) -> None:
        """Forget a connection: its URIs are void, and what it did not answer has failed."""
        self.grants.lost(link)
        hop = self._hops.pop(link, None)
        if hop is None:
            return
        told: set[tuple[RelayLink, bytes]] = set()
        for pending in (*hop.open.expire(float("inf")), *hop.quiet.values()):
            key = (pending.route.source, pending.message_id)
            if pending.method == b"SEND" and key not in told:
                told.add(key)
                self._report(pending, _TIMEOUT)
        hop.read_on()
        large = hop.large
        if large is not None and self._hops.get(large.route.hop.link) is large.route.hop:
            # The receiver must not wait for the rest (RFC 4975 7.1.1).
            at = large.following
            span = ByteRange(at, at - 1, large.total)
            self._write_piece(large, self._new_tid(), span, b"", ABORTED)

    def _hop(self, link: RelayLink) -> Hop:
        hop = self._hops.get(link)
        if hop is None:
            hop = self._hops[link] = Hop(link, self._limits.pending)
        return hop
