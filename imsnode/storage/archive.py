# SPDX-License-Identifier: Apache-2.0
"""The archive: what users sent and received, written in blocks by the writer's thread.

A message noted less than a second before the process is killed may be missing from the archive,
as from the ledger; whether it was delivered or stored does not depend on that.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import blake2b

from sqlalchemy import Connection, Dialect, delete, func, select, update

from imsnode.history import NOTHING, Keep, Noted
from sip.bodies.cpim import parse_cpim
from sip.bodies.imdn_request import glance
from sip.bodies.mime import media_type
from sip.errors import ParseError

from .archive_block import (
    BLOCK,
    RECIPIENT,
    SENDER,
    leave,
    pack_block,
    pack_message,
    unpack_block,
)
from .archive_index import Runs, conversation, entries_at, position_of, remove_run, user
from .schema import archive_block, archive_brief, archive_run
from .statements import InsertRows
from .stats import StorageStats

__all__ = ["ArchiveMerging", "ArchiveRetention", "ArchiveWriter", "brief_key", "is_notice"]

_log = logging.getLogger(__name__)

_GROUP = 1024  # messages written in one step
_WAIT_S = 0.7  # a message waits so long for company; with the writer's tick, under a second
_WAITING_LIMIT = 100_000
_OCTETS_LIMIT = 64 * 1024 * 1024
_MERGE_PAUSE_S = 5.0
_RETENTION_PAUSE_S = 10.0
_RETENTION_BLOCKS = 64
_NOTICES = (b"message/imdn+xml", b"application/im-iscomposing+xml")


def brief_key(author: str, reader: str, imdn_id: bytes) -> bytes:
    """Return what a displayed receipt of ``reader`` says about a message of ``author``."""
    return blake2b(
        b"%b\n%b\n%b" % (author.encode(), reader.encode(), imdn_id), digest_size=16
    ).digest()


# A packed message, when it was received, and the checksums under which it is found.
_Packed = tuple[bytes, float, tuple[int, ...]]


class _Group:
    """What one step writes.

    spans: messages by how long they are kept. brief: those that go when they have been displayed,
    with the longest time they are kept otherwise and their keys. displayed: keys of such, and for
    which owners they go.
    """

    def __init__(self) -> None:
        self.count = 0
        self.spans: dict[float, list[_Packed]] = {}
        self.brief: list[tuple[_Packed, float, bytes]] = []
        self.displayed: list[tuple[bytes, int]] = []


class ArchiveWriter:
    """Takes messages on the loop's thread, writes them on the writer's.

    keep: says for how long a message stays in the history of an address; nothing is kept before
    it is set. rouse: called when a group is full. At most 100,000 messages and 64 MiB of bodies
    wait; while the database is away those beyond are dropped and counted, because a history must
    not hold up messages.
    """

    def __init__(self, dialect: Dialect, wall: Callable[[], float], stats: StorageStats) -> None:
        self.keep: Callable[[str], Keep] = lambda _aor: NOTHING
        self.rouse: Callable[[], None] = lambda: None
        self._wall = wall
        self._stats = stats
        self._queue: deque[Noted] = deque()
        self._octets_in = 0  # counted by the loop's thread
        self._octets_out = 0  # counted by the writer's
        self._group: _Group | None = None
        self._since: float | None = None
        self._next = 1
        self._last = 0
        self._runs = Runs(dialect)
        self._insert = InsertRows(archive_block, ("seq", "until", "messages"), dialect)
        self._insert_brief = InsertRows(
            archive_brief, ("key", "seq"), dialect, lambda insert: insert.on_conflict_do_nothing()
        )

    @property
    def waiting(self) -> int:
        """Messages that are not written yet."""
        group = self._group
        return len(self._queue) + (group.count if group is not None else 0)

    def note(self, noted: Noted) -> None:
        """Take a message."""
        queue = self._queue
        waiting = len(queue)
        octets = self._octets_in + len(noted[8])
        if waiting == _WAITING_LIMIT or octets - self._octets_out > _OCTETS_LIMIT:
            self._stats.archive_dropped += 1
            return
        self._octets_in = octets
        queue.append(noted)
        if waiting == _GROUP - 1:
            self.rouse()

    def displayed(self, author: str, reader: str, imdn_id: bytes) -> None:
        """Take note that a message was displayed: it goes where it was kept until then."""
        self.note((0, "", 0.0, author, reader, 0, b"", imdn_id, b"", None))

    def attach(self, connection: Connection) -> None:
        """Go on behind the newest block."""
        last = connection.execute(select(func.max(archive_run.c.last))).scalar()
        self._next = (last or 0) + 1

    def due(self, now: float, urgent: bool) -> bool:
        """True when a group is full, or its oldest message has waited long enough."""
        if self._group is not None:
            return True
        if not self._queue:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return urgent or len(self._queue) >= _GROUP or now - self._since >= _WAIT_S

    def step(self, connection: Connection) -> bool:
        """Write one group."""
        group = self._group
        if group is None:
            group = self._group = self._gather()
        if group.count:
            self._write(connection, group)
        for key, owners in group.displayed:
            _forget(connection, key, owners)
        return bool(self._queue)

    def _gather(self) -> _Group:
        group = _Group()
        queue = self._queue
        octets = 0
        for _ in range(min(len(queue), _GROUP)):
            noted = queue.popleft()
            octets += len(noted[8])
            try:
                self._add(group, *noted)
            except Exception:  # noqa: BLE001 - the others have to be written
                _log.exception("a message cannot be archived")
                self._stats.archive_dropped += 1
        self._octets_out += octets
        return group

    def _add(
        self,
        group: _Group,
        owners: int,
        message_id: str,
        at: float,
        sender: str,
        recipient: str,
        status: int,
        content_type: bytes,
        call_id: bytes,
        body: bytes,
        imdn_id: bytes | None,
    ) -> None:
        """Put one message where it belongs; notices are nobody's history."""
        if not owners:
            gone = SENDER if self.keep(sender).until_displayed else 0
            gone |= RECIPIENT if self.keep(recipient).until_displayed else 0
            if gone:
                group.displayed.append((brief_key(sender, recipient, call_id), gone))
            return
        if imdn_id is None and content_type[:5] != b"text/":
            if is_notice(content_type, body):
                return
            seen = glance(content_type, body)
            imdn_id = seen.message_id if seen is not None else b""
        brief = False
        longest = 0.0
        for owner, aor in ((SENDER, sender), (RECIPIENT, recipient)):
            if owners & owner:
                keep = self.keep(aor)
                if keep.seconds <= 0.0:
                    owners -= owner
                    continue
                longest = max(longest, keep.seconds)
                brief = brief or keep.until_displayed
        if not owners:
            return
        packed = pack_message(
            owners, message_id, at, sender, recipient, status, content_type, call_id, body
        )
        one, other = user(sender), user(recipient)
        # Whoever does not keep it is led to it too: the message itself says whose it is, and all of
        # somebody's can be found to be erased.
        talk = conversation(one, other)
        names = (talk, one, other) if one != other else (talk, one)
        group.count += 1
        message = (packed, at, names)
        if brief and imdn_id:
            group.brief.append((message, longest, brief_key(sender, recipient, imdn_id)))
        else:
            group.spans.setdefault(longest, []).append(message)

    def _write(self, connection: Connection, group: _Group) -> None:
        first = seq = max(self._next, int(self._wall() * 1000.0))
        blocks: list[tuple[int, float, bytes]] = []
        keys: list[tuple[bytes, int]] = []
        entries: list[int] = []
        for span, messages in group.spans.items():
            for start in range(0, len(messages), BLOCK):
                part = messages[start : start + BLOCK]
                blocks.append(_block(seq, part, span, entries))
                seq += 1
        for message, span, key in group.brief:
            blocks.append(_block(seq, (message,), span, entries))
            keys.append((key, seq))
            seq += 1
        self._last = seq - 1
        self._insert.run(connection, blocks)
        self._insert_brief.run(connection, keys)
        until = max(block[1] for block in blocks)
        self._runs.write(connection, (first, self._last), group.count, until, entries)

    def committed(self, now: float) -> None:
        """Count what was written."""
        group, self._group = self._group, None
        self._since = None
        if group is not None and group.count:
            self._next = self._last + 1
            self._stats.archived += group.count

    def failed(self, now: float, refused: bool) -> None:
        """Keep the group for later; one that the engine does not take is given up."""
        if refused and self._group is not None:
            self._stats.archive_dropped += self._group.count
            self._group = None


def _block(
    seq: int, messages: Sequence[_Packed], span: float, entries: list[int]
) -> tuple[int, float, bytes]:
    """Return the row of a block, and add to ``entries`` where its messages are."""
    latest = 0.0
    position = position_of(seq, 0)
    for _, at, names in messages:
        latest = max(latest, at)
        entries += entries_at(position, names)
        position += 1
    return seq, latest + span, pack_block([message[0] for message in messages])


def is_notice(content_type: bytes, body: bytes) -> bool:
    """Tell receipts and is-composing notices, bare or in CPIM, from what people write."""
    kind = media_type(content_type)
    if kind != b"message/cpim":
        return kind in _NOTICES
    if not any(notice in body for notice in _NOTICES):
        return False
    try:
        return media_type(parse_cpim(body).part.content_type) in _NOTICES
    except ParseError:
        return False


def _forget(connection: Connection, key: bytes, owners: int) -> None:
    """Take a message that was displayed out of histories that keep it no longer than that."""
    brief = archive_brief.c
    seq = connection.execute(select(brief.seq).where(brief.key == key)).scalar()
    if seq is None:
        return
    connection.execute(delete(archive_brief).where(brief.key == key))
    blocks = select(archive_block.c.messages).where(archive_block.c.seq == seq)
    octets = connection.execute(blocks).scalar()
    if octets is None:
        return
    left = leave(unpack_block(octets)[0], owners)
    if left:
        changed = update(archive_block).where(archive_block.c.seq == seq)
        connection.execute(changed.values(messages=pack_block([left])))
    else:
        connection.execute(delete(archive_block).where(archive_block.c.seq == seq))


class ArchiveMerging:
    """In the background: makes long runs of short ones, so that few have to be asked."""

    def __init__(self, dialect: Dialect) -> None:
        self._runs = Runs(dialect)
        self._next_at = 0.0
        self._more = False

    def attach(self, connection: Connection) -> None:
        """Nothing is kept that a lost connection could make wrong."""

    def due(self, now: float, urgent: bool) -> bool:
        """True once a pause."""
        return now >= self._next_at

    def step(self, connection: Connection) -> bool:
        """Merge one group of neighbours."""
        self._more = self._runs.merge(connection)
        return self._more

    def committed(self, now: float) -> None:
        """Pause when there is nothing to merge."""
        if not self._more:
            self._next_at = now + _MERGE_PAUSE_S

    def failed(self, now: float, refused: bool) -> None:
        """Try again after the pause."""
        self._next_at = now + _MERGE_PAUSE_S


class ArchiveRetention:
    """In the background: removes blocks whose messages nobody keeps any longer."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._next_at = 0.0
        self._more = False

    def attach(self, connection: Connection) -> None:
        """Nothing is kept that a lost connection could make wrong."""

    def due(self, now: float, urgent: bool) -> bool:
        """True once a pause."""
        return now >= self._next_at

    def step(self, connection: Connection) -> bool:
        """Remove some blocks; when there are none, a run of which no block is left."""
        wall = self._wall()
        block = archive_block.c
        old = select(block.seq).where(block.until < wall).order_by(block.until)
        seqs = connection.execute(old.limit(_RETENTION_BLOCKS)).scalars().all()
        if seqs:
            connection.execute(delete(archive_block).where(block.seq.in_(seqs)))
            connection.execute(delete(archive_brief).where(archive_brief.c.seq.in_(seqs)))
        self._more = len(seqs) == _RETENTION_BLOCKS
        if not self._more:
            over = select(archive_run.c.seq).where(archive_run.c.until < wall).limit(1)
            run = connection.execute(over).scalar()
            if run is not None:
                remove_run(connection, run)
                self._more = True
        return self._more

    def committed(self, now: float) -> None:
        """Pause when nothing old is left."""
        if not self._more:
            self._next_at = now + _RETENTION_PAUSE_S

    def failed(self, now: float, refused: bool) -> None:
        """Try again after the pause."""
        self._next_at = now + _RETENTION_PAUSE_S
