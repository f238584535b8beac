# SPDX-License-Identifier: Apache-2.0
"""What the archive writes in one step: messages in blocks, and entries by which they are found."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from imsnode.history import Keep, Noted
from sip.bodies.cpim import parse_cpim
from sip.bodies.imdn_request import glance
from sip.bodies.mime import media_type
from sip.errors import ParseError

from .archive_block import RECIPIENT, SENDER, pack_block
from .archive_place import BLOCK, conversation, entry_at, position_of, user

__all__ = ["Group", "brief_key", "is_notice"]

_NOTICES = (b"message/imdn+xml", b"application/im-iscomposing+xml")
_OWNERS = (b"0", b"1", b"2", b"3")

# Compiled, C numbers.
_BLOCK = BLOCK
_SENDER = SENDER
_RECIPIENT = RECIPIENT

# What is made of addresses: the same ones come again and again. Emptied when full.
_KNOWN = 8192
_known: dict[str, Party] = {}
_digits: dict[int, bytes] = {}


class Party:
    """An address as it is written, and the checksum under which it is found."""

    def __init__(self, aor: str) -> None:
        self.octets = aor.encode()
        self.checksum = user(aor)


class Pile:
    """Messages that become one block. latest: when the last of them was received."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self.latest = 0.0
        self.messages: list[bytes] = []


class Group:
    """Messages written together, those that are kept equally long in blocks of their own.

    first, last: numbers of the blocks. blocks: rows of number, when the block goes, octets.
    entries: where the messages are found. brief: rows of key and block number of messages that go
    when they have been displayed. displayed: keys of such, and for which owners they go.
    taken_back: ids and recipients of messages that nobody gets to see. until: when the last block
    goes. Rows are complete after `close`.
    """

    def __init__(self, first: int, keep: Callable[[str], Keep]) -> None:
        self.first = first
        self.last = first - 1
        self.count = 0
        self.until = 0.0
        self.blocks: list[tuple[int, float, bytes]] = []
        self.entries: list[int] = []
        self.brief: list[tuple[bytes, int]] = []
        self.displayed: list[tuple[bytes, int]] = []
        self.taken_back: list[tuple[str, str]] = []
        self._keep = keep
        self._piles: dict[float, Pile] = {}
        self._span = -1.0  # of the pile that was used last
        self._pile = Pile(0)
        self._at_ms = -1
        self._at_text = b""

    def add(self, noted: Noted) -> None:
        """Put one message where it belongs; notices are nobody's history."""
        (
            owners, message_id, at, sender, recipient, status, content_type, call_id, body, imdn_id,
        ) = noted  # fmt: skip
        if not owners:
            if message_id:
                self.taken_back.append((message_id, recipient))
            else:
                self._note_displayed(sender, recipient, call_id)
            return
        if imdn_id is None and not content_type.startswith(b"text/"):
            if is_notice(content_type, body):
                return
            seen = glance(content_type, body)
            imdn_id = seen.message_id if seen is not None else None
        brief = False
        longest = 0.0
        if owners & _SENDER:
            keep = self._keep(sender)
            longest = keep.seconds
            if longest <= 0.0:
                owners -= _SENDER
            brief = keep.until_displayed
        if owners & _RECIPIENT:
            keep = self._keep(recipient)
            seconds = keep.seconds
            if seconds <= 0.0:
                owners -= _RECIPIENT
            elif seconds > longest:
                longest = seconds
            brief = brief or keep.until_displayed
        if not owners:
            return
        one = _party(sender)
        other = one if sender == recipient else _party(recipient)
        fields = (
            _OWNERS[owners],
            message_id.encode(),
            self._stamp(at),
            one.octets,
            other.octets,
            _number(status),
            content_type,
            call_id,
            body,
        )
        shown_as = (imdn_id or b"") if brief else b""
        pile = self._begin() if shown_as else self._open(longest)
        # Whoever does not keep it is led to it too: the message itself says whose it is, and all of
        # somebody's can be found to be erased.
        position = position_of(pile.seq, len(pile.messages))
        entries = self.entries
        entries.append(entry_at(position, conversation(one.checksum, other.checksum)))
        entries.append(entry_at(position, one.checksum))
        if other is not one:
            entries.append(entry_at(position, other.checksum))
        pile.messages.append(b"\n".join(fields))
        if at > pile.latest:
            pile.latest = at
        self.count += 1
        if shown_as:
            self.brief.append((brief_key(sender, recipient, shown_as), pile.seq))
            self._seal(longest, pile)

    def close(self) -> None:
        """Make rows of all that was added."""
        for span, pile in self._piles.items():
            self._seal(span, pile)
        self._piles = {}

    def _note_displayed(self, author: str, reader: str, imdn_id: bytes) -> None:
        gone = SENDER if self._keep(author).until_displayed else 0
        gone |= RECIPIENT if self._keep(reader).until_displayed else 0
        if gone:
            self.displayed.append((brief_key(author, reader, imdn_id), gone))

    def _begin(self) -> Pile:
        self.last += 1
        return Pile(self.last)

    def _open(self, span: float) -> Pile:
        """Return the block for the next message that is kept for a time."""
        pile = self._pile if span == self._span else self._piles.get(span)
        if pile is None or len(pile.messages) == _BLOCK:
            if pile is not None:
                self._seal(span, pile)
            pile = self._piles[span] = self._begin()
        self._span = span
        self._pile = pile
        return pile

    def _seal(self, span: float, pile: Pile) -> None:
        until = pile.latest + span
        self.blocks.append((pile.seq, until, pack_block(pile.messages)))
        if until > self.until:
            self.until = until

    def _stamp(self, at: float) -> bytes:
        at_ms = int(at * 1000.0 + 0.5)
        if at_ms != self._at_ms:
            self._at_text = b"%d" % at_ms
            self._at_ms = at_ms
        return self._at_text


def _party(aor: str) -> Party:
    party = _known.get(aor)
    if party is None:
        party = Party(aor)
        if len(_known) >= _KNOWN:
            _known.clear()
        _known[aor] = party
    return party


def _number(status: int) -> bytes:
    digits = _digits.get(status)
    if digits is None:
        digits = _digits[status] = b"%d" % status
    return digits


def brief_key(author: str, reader: str, imdn_id: bytes) -> bytes:
    """Return what a displayed receipt of ``reader`` says about a message of ``author``."""
    return blake2b(
        b"%b\n%b\n%b" % (author.encode(), reader.encode(), imdn_id), digest_size=16
    ).digest()


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
