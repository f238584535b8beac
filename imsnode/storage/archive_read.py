# SPDX-License-Identifier: Apache-2.0
"""Reading history: pages of one user's messages, in the order of the archive.

Positions only rise, whatever is removed meanwhile, so the position of the last message a client
has seen is its sync token: what follows it is exactly what the client has missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, select

from .archive_block import Archived, message_at, read_message
from .archive_index import find_positions
from .archive_place import block_of, conversation, place_of, position_of, user
from .database import Database
from .schema import archive_block

__all__ = ["LATEST", "Page", "Query", "read_page", "since", "start_of"]

#: Behind every position.
LATEST = 2**62
_BATCH = 64  # messages looked up together
_SCAN = 5000  # messages looked at for one page; a search goes on from there


@dataclass(frozen=True, slots=True)
class Query:
    """Whose messages are wanted.

    owner: whose history. peer: only messages with this address. after, before: positions between
    which they are; with ``newest`` the last of them are wanted, else the first. text: is in the
    body, upper and lower case alike. oldest: wall time of receipt. limit: at most so many.
    """

    owner: str
    peer: str = ""
    after: int = 0
    before: int = LATEST
    newest: bool = False
    text: str = ""
    oldest: float = 0.0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Page:
    """What was found, oldest first.

    first, last: positions between which everything was looked at, these included; what is outside
    may hold more. more: there may be more in the direction in which was looked.
    """

    messages: list[Archived]
    first: int
    last: int
    more: bool


def start_of(wall: float) -> int:
    """Return a position in front of every message received at a time or later."""
    return position_of(max(1, int(wall * 1000.0) - 1), 0) - 1


def since(text: str) -> tuple[int, float]:
    """Read a sync token or a time: behind which position, received at which wall time or later.

    A time is local unless it says otherwise. Raises: ValueError when it is neither.
    """
    if text.isascii() and text.isdigit():
        return min(int(text), LATEST), 0.0
    try:
        wall = datetime.fromisoformat(text).timestamp()
    except (OverflowError, OSError) as error:
        raise ValueError(str(error)) from None
    return start_of(wall), wall


def read_page(database: Database, query: Query) -> Page:
    """Return one page; blocks.

    Looks at 5000 messages at most, so a search may find nothing on a page and something on the
    next one.

    Raises: StorageUnavailable, StoreDamaged.
    """
    found: list[Archived] = []
    first, last = query.before, query.after
    more = False
    looked = 0
    with database.reading() as connection:
        if connection.dialect.name == "postgresql":
            # Runs are merged meanwhile: all statements have to see the same ones.
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        for message in _messages(connection, query):
            if len(found) == query.limit or looked == _SCAN:
                more = True
                break
            looked += 1
            first, last = min(first, message.position), max(last, message.position)
            if _wanted(message, query):
                found.append(message)
    if query.newest:
        found.reverse()
    return Page(found, first, last, more)


def _messages(connection: Connection, query: Query) -> Iterator[Archived]:
    """Give what stands under the names of a query, some of others too."""
    checksum = user(query.owner)
    if query.peer:
        checksum = conversation(checksum, user(query.peer))
    positions = find_positions(connection, checksum, query.after, query.before, query.newest)
    while batch := list(islice(positions, _BATCH)):
        seqs = {block_of(position) for position in batch}
        rows = select(archive_block.c.seq, archive_block.c.messages)
        found = connection.execute(rows.where(archive_block.c.seq.in_(seqs)))
        blocks = {row.seq: bytes(row.messages) for row in found}
        for position in batch:
            block = blocks.get(block_of(position))
            if block is None:
                continue  # nobody keeps it any longer
            octets = message_at(block, place_of(position))
            if octets:
                yield read_message(position, octets)


def _wanted(message: Archived, query: Query) -> bool:
    owner = query.owner
    return (
        message.of(owner)
        and (not query.peer or query.peer in (message.sender, message.recipient))
        and message.at >= query.oldest
        and (not query.text or query.text.casefold() in text_of(message).casefold())
    )


def text_of(message: Archived) -> str:
    """Return the body as text; octets that are none are replaced."""
    return message.body.decode("utf-8", "replace")
