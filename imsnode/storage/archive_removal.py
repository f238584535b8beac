# SPDX-License-Identifier: Apache-2.0
"""Messages that leave histories before their time: they were displayed, or taken back."""

from __future__ import annotations

from itertools import islice

from sqlalchemy import Connection, delete, select, update

from .archive_block import RECIPIENT, leave, message_at, pack_block, read_message, unpack_block
from .archive_index import find_positions
from .archive_place import block_of, place_of, user
from .archive_read import LATEST, start_of
from .schema import archive_block, archive_brief

__all__ = ["forget_displayed", "take_back"]

_LOOKED_AT = 1000  # messages of a recipient, from the second in which the one was received


def forget_displayed(connection: Connection, key: bytes, owners: int) -> None:
    """Take a message that was displayed out of histories that keep it no longer than that."""
    brief = archive_brief.c
    seq = connection.execute(select(brief.seq).where(brief.key == key)).scalar()
    if seq is not None:
        connection.execute(delete(archive_brief).where(brief.key == key))
        _leave(connection, seq, 0, owners)


def take_back(connection: Connection, message_id: str, recipient: str) -> None:
    """Take a message that nobody has been shown out of the history of its recipient."""
    after = start_of(_second_of(message_id))
    found = find_positions(connection, user(recipient), after, LATEST, newest_first=False)
    for position in islice(found, _LOOKED_AT):
        seq, place = block_of(position), place_of(position)
        octets = message_at(_block(connection, seq), place)
        if octets:
            message = read_message(position, octets)
            if message.message_id == message_id and message.recipient == recipient:
                _leave(connection, seq, place, RECIPIENT)
                return


def _second_of(message_id: str) -> float:
    """Return the second in which a message got its id (`pager.identity.MessageIds`)."""
    return float(int(message_id[1:8], 32))


def _block(connection: Connection, seq: int) -> bytes:
    """Return the octets of a block, those of an empty one when it has gone."""
    block = archive_block.c
    octets = connection.execute(select(block.messages).where(block.seq == seq)).scalar()
    return bytes(octets) if octets is not None else pack_block([])


def _leave(connection: Connection, seq: int, place: int, owners: int) -> None:
    """Take a message out of histories, and its block away when nothing is left in it."""
    messages = unpack_block(_block(connection, seq))
    if place >= len(messages):
        return
    messages[place] = leave(messages[place], owners) if messages[place] else b""
    one = archive_block.c.seq == seq
    if any(messages):
        connection.execute(update(archive_block).where(one).values(messages=pack_block(messages)))
    else:
        connection.execute(delete(archive_block).where(one))
