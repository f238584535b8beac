# SPDX-License-Identifier: Apache-2.0
"""Ends of sessions that are this node's own, and the connections they use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from session_msrp.chunk import Chunk
from session_msrp.errors import BadChunk
from session_msrp.limits import Limits
from session_msrp.media import Description
from session_msrp.outbox import Outgoing
from session_msrp.printing import response_to
from session_msrp.session import Event, Received, Session
from session_msrp.uri import MsrpUri, parse_path

if TYPE_CHECKING:
    from .connection import Connection
    from .connections import Connections

__all__ = ["End", "EndUser", "Ends"]

#: Octets that leave in one go; then others have their turn.
_TURN_BYTES: Final = 64 * 1024
#: Octets of messages that may wait for ``settle``, and what each counts for beside them; then the
#: peer is not read any more.
_UNSETTLED_BYTES: Final = 1 << 20
_MESSAGE_BYTES: Final = 8 * 1024


class EndUser(Protocol):
    """Whose an end is."""

    def bound(self, now: float) -> None:
        """The connection stands; called once for an end."""
        ...

    def happened(self, events: list[Event], now: float) -> None:
        """Take what came of chunks."""
        ...

    def chunk(self, chunk: Chunk, now: float) -> bool:
        """Take a chunk itself; False leaves it to the session."""
        ...

    def lost(self, reason: str, now: float) -> None:
        """The connection has gone, or cannot be made; called once."""
        ...


class End:
    """One end of ours. link: the connection, None while there is none.

    connects: we open the connection (RFC 6135). Whoever does sends first (RFC 4975 5.4). chunks,
    octets: of both directions, answers counted and heads not.
    """

    __slots__ = ("_confirmed", "_pumping", "_table", "_unsettled", "chunks", "connects",
                 "described", "link", "octets", "own", "session", "used", "user")  # fmt: skip

    def __init__(self, table: Ends, own: MsrpUri, user: EndUser) -> None:
        self.own = own
        self.user = user
        self.link: Connection | None = None
        self.described: Description | None = None
        self.session: Session | None = None
        self.connects = False
        self.chunks = 0
        self.octets = 0
        self.used = table.now()
        self._table = table
        self._pumping = False
        self._unsettled = 0
        self._confirmed = False

    def reached_by(
        self, described: Description, connects: bool, types: tuple[bytes, ...], limits: Limits
    ) -> None:
        """Take what the peer's description says. Args: types, limits: of what we take."""
        path = b" ".join(uri.raw for uri in described.path)
        self.described = described
        self.connects = connects and not described.websocket
        self.session = Session(
            self.own.raw, path, self._table.new_tid, limits, types, withheld=True
        )

    def open(self) -> None:
        """Connect, where that is ours to do."""
        described, session = self.described, self.session
        if not self.connects or described is None or session is None or self.link is not None:
            return
        table = self._table
        link = table.connections.dial(described.target, self.own.secure, described.fingerprint)
        if isinstance(link, str):
            table.soon(lambda: self.lost(link))
            return
        self.link = link
        link.ends.add(self)
        session.send(Outgoing(table.new_tid(), b"", None))
        self.pump()

    # -- out -------------------------------------------------------------------------------------

    def send(self, message: Outgoing) -> None:
        """Send a message as soon as its turn comes."""
        if self.session is not None:
            self.octets += len(message.body or b"")
            self.session.send(message)
            self.pump()

    def settle(self, received: Received, status: int) -> None:
        """Answer a message that came."""
        if self.session is None:
            return
        self.session.settle(received, status)
        self._unsettled -= len(received.message.body) + _MESSAGE_BYTES
        if self.link is not None and self._unsettled < _UNSETTLED_BYTES:
            self.link.release(self)
        self.pump()

    def write(self, octets: bytes) -> None:
        """Send chunks that somebody else has made."""
        if self.link is not None:
            self.link.write(octets)
            self._table.flush_soon()

    def pump(self) -> None:
        """Send what there is, a turn at a time, unless the peer does not read."""
        link, session = self.link, self.session
        if link is None or session is None or self._pumping:
            return
        left = _TURN_BYTES
        now = self._table.now()
        while left > 0:
            if link.choked_since:
                return  # it goes on when the connection can take more
            octets = session.take(now)
            if octets is None:
                return
            self.used = now
            self.chunks += 1
            left -= len(octets)
            link.write(octets)
            self._table.flush_soon()
        self._pumping = True
        self._table.soon(self._go_on)

    def _go_on(self) -> None:
        self._pumping = False
        self.pump()

    # -- in --------------------------------------------------------------------------------------

    def receive(self, chunk: Chunk, link: Connection, now: float) -> None:
        """Take a chunk for this end; its first binds it to a connection (RFC 4975 5.4)."""
        if self.link is not link and not self._bind(chunk, link, now):
            return
        self.used = now
        self.chunks += 1
        self.octets += chunk.size
        if not self._confirmed and (not self.connects or chunk.status == 200):
            self._confirmed = True
            self.user.bound(now)
        session = self.session
        if session is None or self.user.chunk(chunk, now):
            return
        events = session.receive(chunk, now)
        for event in events:
            if isinstance(event, Received):
                self._unsettled += len(event.message.body) + _MESSAGE_BYTES
        if self._unsettled >= _UNSETTLED_BYTES and self.link is not None:
            self.link.hold(self)
        if events:
            self.user.happened(events, now)
        self.pump()

    def _bind(self, chunk: Chunk, link: Connection, now: float) -> bool:
        session = self.session
        refused = 0
        if session is None or chunk.status or self.connects:
            refused = 481
        elif self.link is not None:
            refused = 506
        elif chunk.from_path != session.path and not _same(chunk.from_path, session.path):
            refused = 481
        if refused:
            answer = None if chunk.status else _answer(chunk, refused)
            if answer is not None:
                link.write(answer)
            return False
        self.link = link
        link.ends.add(self)
        return True

    # -- time, end -------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Give up what took too long."""
        session = self.session
        deadline = session.next_deadline() if session is not None else None
        if session is not None and deadline is not None and deadline <= now:
            events = session.expire(now)
            if events:
                self.user.happened(events, now)
            self.pump()

    def lost(self, reason: str) -> None:
        """Tell the user that the connection has gone."""
        if self._table.forget(self):
            self.user.lost(reason, self._table.now())

    def close(self) -> None:
        """Use the connection no more; the user hears nothing."""
        self._table.forget(self)


class Ends:
    """All ends of our own, found by their URIs."""

    def __init__(self, connections: Connections, new_tid: Callable[[], bytes]) -> None:
        self.connections = connections
        self.new_tid = new_tid
        self.now = connections.now
        self._by_own: dict[bytes, End] = {}
        self._by_key: dict[object, End] = {}
        self._flushing = False

    def __len__(self) -> int:
        return len(self._by_own)

    def add(self, own: MsrpUri, user: EndUser) -> End:
        """Serve a new end from now on."""
        end = End(self, own, user)
        self._by_own[own.raw] = self._by_key[own.key] = end
        return end

    def receive(self, chunk: Chunk, link: Connection, now: float) -> bool:
        """Take a chunk; False when it is for no end of ours."""
        end = self._by_own.get(chunk.to_path) or self._find(chunk)
        if end is None:
            return False
        end.receive(chunk, link, now)
        return True

    def _find(self, chunk: Chunk) -> End | None:
        """Find an end by a To-Path that is written in another way than ours."""
        if not self._by_key:
            return None
        try:
            [uri] = parse_path(chunk.to_path, 1)
        except BadChunk:
            return None
        return self._by_key.get(uri.key)

    def forget(self, end: End) -> bool:
        """Serve an end no more; False when it was forgotten before."""
        if self._by_own.pop(end.own.raw, None) is None:
            return False
        self._by_key.pop(end.own.key, None)
        link, end.link = end.link, None
        if link is not None:
            link.release(end)
            self.connections.leave(link, end)
        return True

    def sweep(self, now: float) -> None:
        """Give up what took too long."""
        for end in list(self._by_own.values()):
            end.expire(now)

    def soon(self, work: Callable[[], None]) -> None:
        """Do something in a later turn of the loop, and send what came of it."""

        def turn() -> None:
            work()
            self.connections.flush()

        self.connections.loop.call_soon(turn)

    def flush_soon(self) -> None:
        """Let what was written leave at the end of this turn of the loop."""
        if not self._flushing:
            self._flushing = True
            self.connections.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self.connections.flush()


def _answer(chunk: Chunk, status: int) -> bytes | None:
    try:
        return response_to(chunk, status, chunk.to_path)
    except BadChunk:
        return None


def _same(one: bytes, other: bytes) -> bool:
    """Compare paths as RFC 4975 6.1 compares URIs."""
    try:
        mine, theirs = parse_path(one, 8), parse_path(other, 8)
    except BadChunk:
        return False
    return [uri.key for uri in mine] == [uri.key for uri in theirs]
