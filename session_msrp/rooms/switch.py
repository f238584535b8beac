# SPDX-License-Identifier: Apache-2.0
"""The MSRP switch of rooms: what one sends, the others get (RFC 7701 6).

A message is passed on chunk by chunk as it comes, to those who were there at its first chunk; its
content stays as it is, only the two paths, the Message-ID and the transaction id are new. Where the
room keeps a history, a message that is complete is kept before it is passed on, or its last chunk
answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ..chunk import ABORTED, ENDED, MORE, ByteRange, Chunk
from ..errors import BadChunk
from ..limits import Limits
from ..printing import print_report, response_to
from .copying import Copier, SwitchStats
from .envelope import CPIM, NOTICES, AorOf, Envelope, open_envelope
from .live import Copies, LiveRoom, Visit
from .nicknames import read_nickname
from .ports import Keeper
from .repeats import Kept, Repeats, repeat_key
from .values import RoomMessage

__all__ = ["Switch"]

#: What happens when a message could not be kept: its author may try again (RFC 4975 10.4).
_NOT_KEPT: Final = 408
#: Of messages of one session that are being kept, and what each counts for beside its octets.
_UNKEPT_BYTES: Final = 1 << 20
_MESSAGE_BYTES: Final = 1024


class Switch:
    """The switch of all rooms of a node.

    Args: new_tid: makes transaction ids and Message-IDs. aor_of: the address of record of a URI.
        drop(visit, reason): ends a session whose reader is too slow (threats.md M5). hold(visit,
        held): has nothing more read from a session, or goes on.
    """

    def __init__(
        self,
        limits: Limits,
        keeper: Keeper,
        new_tid: Callable[[], bytes],
        aor_of: AorOf,
        drop: Callable[[Visit, str], None],
        hold: Callable[[Visit, bool], None],
    ) -> None:
        self.limits = limits
        self.stats = SwitchStats()
        self._copier = Copier(new_tid, self.stats)
        self._repeats = Repeats()
        self._keeper = keeper
        self._new_tid = new_tid
        self._aor_of = aor_of
        self._drop = drop
        self._hold = hold

    # -- in --------------------------------------------------------------------------------------

    def receive(self, visit: Visit, chunk: Chunk, now: float) -> None:
        """Take a chunk from a session; nothing in it raises."""
        if chunk.status or chunk.method == b"REPORT":
            return  # what becomes of a copy is not its author's business (RFC 7701 6.3)
        if chunk.offset and visit.refused == chunk.tid:
            return  # of a chunk in pieces the first has been answered
        try:
            chunk.check()
            if chunk.method == b"SEND":
                self._take(visit, chunk, now)
            elif chunk.method == b"NICKNAME":
                self._take_nickname(visit, chunk, now)
            else:
                raise BadChunk("unknown method", 501)
        except BadChunk as error:
            self.stats.refused += 1
            if chunk.flag is MORE:
                visit.refused = chunk.tid
            self._answer(visit, chunk, error.status)

    def _answer(self, visit: Visit, chunk: Chunk, status: int) -> None:
        try:
            answer = response_to(chunk, status, visit.own)
        except BadChunk:  # its headers cannot be read
            return
        if answer is not None and not visit.left:
            visit.write(answer)

    def _take(self, visit: Visit, chunk: Chunk, now: float) -> None:
        if not chunk.has_body:
            self._answer(visit, chunk, 200)
            return
        if chunk.content_type != CPIM:
            raise BadChunk("rooms take message/cpim", 415)
        copies = visit.incoming.get(chunk.message_id)
        if copies is None and chunk.flag == ENDED and not chunk.offset:
            span = chunk.byte_range()
            if span.start == 1 and chunk.message_id not in visit.held:
                self._take_whole(visit, chunk)
                return
        self._take_part(visit, chunk, copies, now)

    def _take_whole(self, visit: Visit, chunk: Chunk) -> None:
        """Take a message of one chunk, as most are."""
        self._pace(visit, "MESSAGE")
        body = chunk.body
        if len(body) > self.limits.message_bytes:
            raise BadChunk("the message is too large", 413)
        span = chunk.byte_range()
        if span.total is not None and span.total != len(body):
            raise BadChunk("octets are missing")
        envelope = open_envelope(body, False, self._aor_of)
        assert envelope is not None
        copies = Copies(self._new_tid(), *self._recipients(visit, envelope))
        self._count(visit, len(body))
        if copies.passing:
            self._copier.whole(copies, body)
            self._settle(visit, chunk, len(body))
            return

        def passed_on() -> None:
            # Whoever came while it was being kept has not found it in the history.
            copies.to = _audience(visit.room, visit, envelope.kind)
            self._copier.whole(copies, body)

        self._keep(visit, chunk, copies, body, passed_on, _nothing)

    def _take_part(self, visit: Visit, chunk: Chunk, copies: Copies | None, now: float) -> None:
        """Take a chunk of a longer message, or a piece of one."""
        message_id = chunk.message_id
        span = chunk.byte_range()
        start = span.start - 1 + chunk.offset
        held = visit.held.get(message_id, b"")
        if copies is None and start != len(held):
            raise BadChunk("not the beginning of a message")
        if not start:
            self._pace(visit, "MESSAGE")
        if chunk.flag == ABORTED:
            self._give_up(visit, message_id)
            self._answer(visit, chunk, 200)
            return
        try:
            whole = visit.reassembly.add(chunk, now)
            octets = chunk.body
            if copies is None:
                octets = held + octets
                copies = self._open(visit, message_id, octets, whole is None)
            if copies is not None:
                copies.total = copies.total or span.total
            total = span.total if copies is None else copies.total
            if total is not None and start + len(chunk.body) > total:
                raise BadChunk("octets behind the end of the message")
        except BadChunk:
            self._give_up(visit, message_id)
            raise
        at = start + len(chunk.body) - len(octets)
        if whole is not None:
            visit.incoming.pop(message_id, None)
            assert copies is not None
            self._finish(visit, chunk, copies, octets, at, whole.body)
            return
        if copies is not None:
            self._copier.part(copies, octets, at, chunk.flag)
        if chunk.flag is not MORE:
            self._answer(visit, chunk, 200)

    def _open(self, visit: Visit, message_id: bytes, octets: bytes, more: bool) -> Copies | None:
        """Find out for whom a message is, once its wrapper is complete (RFC 7701 9.5)."""
        envelope = open_envelope(octets, more, self._aor_of)
        if envelope is None:
            visit.held[message_id] = octets
            return None
        visit.held.pop(message_id, None)
        copies = Copies(self._new_tid(), *self._recipients(visit, envelope))
        visit.incoming[message_id] = copies
        return copies

    def _finish(
        self, visit: Visit, chunk: Chunk, copies: Copies, octets: bytes, at: int, body: bytes
    ) -> None:
        """End a message that is complete: the others get its last octets when it is kept."""
        self._count(visit, len(body))
        if copies.passing:
            self._copier.part(copies, octets, at, chunk.flag)
            self._settle(visit, chunk, len(body))
            return

        def passed_on() -> None:
            self._copier.part(copies, octets, at, chunk.flag)

        def lost() -> None:
            self._copier.abort(copies)

        copies.kept = self._keep(visit, chunk, copies, body, passed_on, lost)

    def _keep(
        self,
        visit: Visit,
        chunk: Chunk,
        copies: Copies,
        body: bytes,
        pass_on: Callable[[], None],
        lost: Callable[[], None],
    ) -> str:
        """Have a message to all kept, then answered; returns its id, "" for one that came again.

        Args: pass_on: sends the others what they have not got yet; lost: in its place where the
            message could not be kept.
        """
        owed = len(body) + _MESSAGE_BYTES
        self._owe(visit, owed)

        def answered(message: RoomMessage | None, now: float) -> None:
            self._owe(visit, -owed)
            if message is None:
                self._answer(visit, chunk, _NOT_KEPT)
            else:
                self._settle(visit, chunk, len(body))

        key = repeat_key(visit.room.room.aor, visit.aor, chunk.message_id, body)
        tell = self._repeats.first(key, answered)
        if tell is None:
            lost()
            return ""

        def kept(message: RoomMessage | None, now: float) -> None:
            if message is None:
                lost()
                tell(None, now)
                return
            copies.number = message.number
            pass_on()
            tell(message, now)
            self._keeper.passed_on(visit.room, message, now)

        try:
            number = self._keeper.keep(visit.room, visit.aor, visit.nickname, body, kept)
        except BadChunk:
            self._repeats.forget(key)
            self._owe(visit, -owed)
            lost()
            raise
        visit.says(number)
        return number

    def _owe(self, visit: Visit, octets: int) -> None:
        """Count what is being kept of a session, which is not read while that is too much."""
        held = visit.unkept >= _UNKEPT_BYTES
        visit.unkept += octets
        if held != (visit.unkept >= _UNKEPT_BYTES):
            self._hold(visit, not held)

    def _settle(self, visit: Visit, chunk: Chunk, size: int) -> None:
        """Answer the last chunk of a message, and report where its author wants that."""
        self._answer(visit, chunk, 200)
        if chunk.success_report and not visit.left:
            span = ByteRange(1, size, size)
            visit.write(
                print_report(
                    self._new_tid(), chunk.from_path, visit.own, chunk.message_id, span, 200
                )
            )

    def _pace(self, visit: Visit, method: str) -> None:
        """Count what somebody begins to send. Raises: BadChunk when it is too much."""
        if not self._keeper.admits(visit.aor, method):
            raise BadChunk("too many of them", 403)

    def _count(self, visit: Visit, size: int) -> None:
        self.stats.messages += 1
        visit.messages += 1
        visit.octets += size

    # -- to whom ---------------------------------------------------------------------------------

    def _recipients(self, visit: Visit, envelope: Envelope) -> tuple[tuple[Visit, ...], bool]:
        """Return who gets a message, and whether it is passing: private, or a notice.

        Raises: BadChunk.
        """
        room, author = visit.room, visit.participant
        if not envelope.senders <= author.identities:
            raise BadChunk("the sender in the wrapper is another", 403)
        if any(room.passes_for(name, author.aor) for name in envelope.names):
            raise BadChunk("somebody else in the room has the sender's name", 403)
        if len(envelope.recipients) > 1 or not room.room.may_speak(author.aor):
            raise BadChunk("not allowed here", 403)
        if not envelope.recipients:
            raise BadChunk("the wrapper names no recipient", 404)
        [uri] = envelope.recipients
        kind = envelope.kind
        if uri == room.room.aor:
            return _audience(room, visit, kind), kind in NOTICES
        recipient = room.find(uri)
        if recipient is None or (recipient is author and len(author.visits) == 1):
            raise BadChunk("nobody here has this address", 404)
        if not room.room.private_messages:
            raise BadChunk("no private messages here", 403)
        private = [each for each in recipient.visits if each is not visit and each.private]
        if not private:
            raise BadChunk("the recipient knows no private messages", 428)
        return tuple([each for each in private if each.takes(kind)]), True

    # -- ends ------------------------------------------------------------------------------------

    def say(
        self, room: LiveRoom, sender: str, nickname: str, body: bytes, key: bytes, done: Kept
    ) -> None:
        """Send a message to all for somebody without a session; who may has been decided.

        Args: key: the same for every copy of one message (`repeat_key`).
        Raises: BadChunk for what is no message to the room.
        """
        envelope = open_envelope(body, False, self._aor_of)
        assert envelope is not None
        if envelope.recipients != (room.room.aor,):
            raise BadChunk("not for the room", 404)
        if any(room.passes_for(name, sender) for name in envelope.names):
            raise BadChunk("somebody else in the room has the sender's name", 403)
        tell = self._repeats.first(key, done)
        if tell is None:
            return
        self.stats.messages += 1

        def kept(message: RoomMessage | None, now: float) -> None:
            if message is not None:
                to = _audience(room, None, envelope.kind)
                copies = Copies(self._new_tid(), to, False)
                copies.number = message.number
                self._copier.whole(copies, body)
                self._keeper.passed_on(room, message, now)
            tell(message, now)

        try:
            self._keeper.keep(room, sender, nickname, body, kept)
        except BadChunk:
            self._repeats.forget(key)
            raise

    def replay(self, visit: Visit, messages: Iterable[RoomMessage]) -> None:
        """Send messages of the history to a session that waits for them, then what came since.

        Raises: BadChunk for a message that no session can have sent.
        """
        replayed: list[bytes] = []
        last, ids = 0, set()
        for message in messages:
            last = max(last, message.number)
            ids.add(message.id)
            if message.id in visit.said:
                continue
            body = message.body
            envelope = open_envelope(body, False, self._aor_of)
            if envelope is None or not visit.takes(envelope.kind):
                continue
            replayed.append(self._copier.printed(visit, body))
        visit.catch_up(replayed, last, ids)
        if visit.overflown:
            self._drop(visit, "too much waited for it")

    def gone(self, visit: Visit) -> None:
        """Tell the others of messages that stay incomplete because their author has left."""
        for message_id in [*visit.incoming, *visit.held]:
            self._give_up(visit, message_id)

    def expire(self, room: LiveRoom, now: float) -> None:
        """Give up messages of which nothing more came for the time of the reception timer."""
        for visit in room.visits:
            for message_id in visit.reassembly.expire(now):
                self._give_up(visit, message_id)

    def _give_up(self, visit: Visit, message_id: bytes) -> None:
        """End an incomplete message with "#" at those who have some of it (RFC 7701 6.1)."""
        visit.reassembly.forget(message_id)
        visit.held.pop(message_id, None)
        copies = visit.incoming.pop(message_id, None)
        if copies is not None:
            self._copier.abort(copies)

    # -- nicknames -------------------------------------------------------------------------------

    def _take_nickname(self, visit: Visit, chunk: Chunk, now: float) -> None:
        fields = chunk.fields
        if b"success-report" in fields or b"failure-report" in fields:
            raise BadChunk("NICKNAME has no reports")
        self._pace(visit, "NICKNAME")
        if not visit.room.room.nicknames:
            raise BadChunk("no nicknames here", 403)
        nickname = read_nickname(fields.get(b"use-nickname"))
        if nickname and visit.room.is_taken(nickname, visit.aor):
            raise BadChunk("somebody else has this nickname", 425)
        if nickname != visit.nickname:
            visit.room.name(visit, nickname)
            self._keeper.named(visit.room, visit, now)
            visit.room.remember(visit)
        self.stats.nicknames += 1
        self._answer(visit, chunk, 200)


def _audience(room: LiveRoom, author: Visit | None, kind: bytes) -> tuple[Visit, ...]:
    """Return the sessions that get a message to all."""
    return tuple([each for each in room.visits if each is not author and each.takes(kind)])


def _nothing() -> None:
    """Nobody has got any of it."""
