# SPDX-License-Identifier: Apache-2.0
"""Where a message is in the archive, and the numbers under which it is found.

Its position is the number of its block above its place there. It has three entries: its sender's,
its recipient's, and their conversation's. An entry is a number, a checksum of whom it is for above
the low bits of the position.
"""

from __future__ import annotations

from zlib import crc32

__all__ = [
    "BLOCK",
    "LOW",
    "NAMES",
    "POSITION_BITS",
    "block_of",
    "conversation",
    "entry_at",
    "place_of",
    "position_of",
    "user",
]

# Compiled, the names with an underscore are C numbers.
_PLACE_BITS = 6
BLOCK = 1 << _PLACE_BITS  # messages in one block at most
POSITION_BITS = _POSITION_BITS = 40  # of a position, in full known by its run: half a year
LOW = _LOW = (1 << 40) - 1
NAMES = _NAMES = (1 << 23) - 1
_SPREAD = 0x9E3779B1


def user(aor: str) -> int:
    """Return the checksum under which a user's messages are found."""
    return crc32(aor.encode()) & NAMES


def conversation(one: int, other: int) -> int:
    """Return the checksum of a conversation from those of its two users, in any order."""
    return ((one + other) * _SPREAD >> 9) & _NAMES


def entry_at(position: int, checksum: int) -> int:
    """Return the entry of a message under a checksum."""
    return checksum << _POSITION_BITS | position & _LOW


def position_of(seq: int, place: int) -> int:
    """Return the position of a message from its block's number and its place in it."""
    return seq << _PLACE_BITS | place


def block_of(position: int) -> int:
    """Return the number of the block of a position."""
    return position >> _PLACE_BITS


def place_of(position: int) -> int:
    """Return the place of a position in its block."""
    return position & BLOCK - 1
