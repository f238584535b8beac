# SPDX-License-Identifier: Apache-2.0
"""The octets of the archive: messages that were written together are one block.

A block is a table of lengths and the messages behind it, not packed: packing costs three times
what writing does, and a page of history opens a block for every message of it. A message is lines
of fixed fields (`imsnode.storage.archive_group`), ended by LF, which none of them can hold, and
then its body. One that was removed has the length 0 and keeps its place.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = [
    "OWNERS",
    "RECIPIENT",
    "SENDER",
    "Archived",
    "leave",
    "message_at",
    "pack_block",
    "read_message",
    "unpack_block",
]

SENDER = 1
RECIPIENT = 2
OWNERS = SENDER | RECIPIENT
_COUNT = struct.Struct("<H")


@dataclass(frozen=True, slots=True)
class Archived:
    """One message as it is kept.

    position: in the order of the archive, rising. owners: in whose histories it stands, SENDER and
    RECIPIENT. status: what the sender was answered. content_type, call_id, body: octets as they
    came.
    """

    position: int
    owners: int
    message_id: str
    at: float
    sender: str
    recipient: str
    status: int
    content_type: bytes
    call_id: bytes
    body: bytes

    def of(self, aor: str) -> bool:
        """Say whether it stands in the history of a user."""
        owners = self.owners
        return bool(
            (owners & SENDER and self.sender == aor)
            or (owners & RECIPIENT and self.recipient == aor)
        )

    def peer(self, aor: str) -> str:
        """Return the other side, as ``aor`` sees it."""
        return self.recipient if self.sender == aor else self.sender


def read_message(position: int, octets: bytes) -> Archived:
    """Read a message of a block. Raises: ValueError when it is damaged."""
    owners, message_id, at, sender, recipient, status, content_type, call_id, body = octets.split(
        b"\n", 8
    )
    return Archived(
        position,
        int(owners),
        message_id.decode(),
        int(at) / 1000,
        sender.decode(),
        recipient.decode(),
        int(status),
        content_type,
        call_id,
        body,
    )


def leave(octets: bytes, owners: int) -> bytes:
    """Return a message without some of its owners, b"" when none is left."""
    kept, line, rest = octets.partition(b"\n")
    left = int(kept) & ~owners
    return b"%d%b%b" % (left, line, rest) if left else b""


def pack_block(messages: list[bytes]) -> bytes:
    """Return the octets of a block."""
    count = len(messages)
    head = struct.pack(f"<H{count}I", count, *map(len, messages))
    return b"".join((head, *messages))


def unpack_block(block: bytes) -> list[bytes]:
    """Return the messages of a block by place, b"" for those that were removed."""
    lengths = _lengths(block)
    messages = []
    begin = _COUNT.size + 4 * len(lengths)
    for length in lengths:
        messages.append(block[begin : begin + length])
        begin += length
    return messages


def message_at(block: bytes, place: int) -> bytes:
    """Return the message at a place of a block, b"" where none is."""
    lengths = _lengths(block)
    if place >= len(lengths):
        return b""
    begin = _COUNT.size + 4 * len(lengths) + sum(lengths[:place])
    return block[begin : begin + lengths[place]]


def _lengths(block: bytes) -> tuple[int, ...]:
    return struct.unpack_from(f"<{_COUNT.unpack_from(block)[0]}I", block, _COUNT.size)
