# SPDX-License-Identifier: Apache-2.0
"""Messages taken back: the lane for a running node, the same at once for a store at rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Dialect, bindparam, select

from pager.recall import RecallState, Withdrawal, Withdrawn, recall_entry
from pager.values import ExpiredMessage, MarkState

from .archive_removal import take_back
from .database import Database
from .entries import Entries
from .ledger import LedgerWriter
from .parcels import recover_parcels
from .schema import COPIES, SETTLED, fate, mailbox, message
from .settling import Settling
from .statements import InsertRows, Query
from .states import State, state_of
from .stats import StorageStats
from .story import Story, find_story

__all__ = ["RecallLane", "find_copies", "is_taken", "recall_told", "withdraw_now"]

#: Copies of one message that a recall reaches.
COPIES_LIMIT = 10_000


class RecallLane:
    """Settles messages that somebody took back; an item is a `Withdrawal`.

    A fate of its own, for no device, says so for as long as the message is remembered.
    """

    reads = False

    def __init__(self, dialect: Dialect, entries: Entries) -> None:
        self._entries = entries
        self._by_key = Query(_finding(mailbox.c.key == bindparam("key")), dialect)
        self._by_id = Query(_finding(message.c.id == bindparam("id")), dialect)
        self._recalled = Query(
            select(fate.c.seq).where(
                fate.c.seq == bindparam("seq"), fate.c.state == str(MarkState.RECALLED)
            ),
            dialect,
        )
        self._fate = InsertRows(
            fate,
            ("seq", "device", "state", "at", "status"),
            dialect,
            lambda insert: insert.on_conflict_do_update(
                index_elements=["seq", "device"],
                set_={"state": insert.excluded.state, "at": insert.excluded.at},
            ),
        )
        self._settling = Settling(dialect)

    def attach(self, connection: Connection) -> None:
        """Nothing is kept in memory."""

    def execute(self, connection: Connection, items: Sequence[Withdrawal]) -> list[Withdrawn]:
        """Settle for each item."""
        self._entries.make(connection)
        return [self._withdraw(connection, item) for item in items]

    def _withdraw(self, connection: Connection, wish: Withdrawal) -> Withdrawn:
        if wish.key:
            row = self._by_key.run(connection, wish.recipient, wish.key).fetchone()
        else:
            row = self._by_id.run(connection, wish.recipient, wish.message_id).fetchone()
        if row is None or (wish.sender and wish.sender != row.sender):
            return Withdrawn(RecallState.UNKNOWN)
        gone = ExpiredMessage(
            row.id, row.seq, row.call_id, row.sender, row.recipient, row.size, row.state == COPIES
        )
        if row.state == SETTLED:
            if self._recalled.run(connection, row.seq).fetchone() is not None:
                return Withdrawn(RecallState.REMOVED, gone, again=True)
            return Withdrawn(RecallState.TOO_LATE)
        if not gone.accepted:
            self._fate.run(connection, [(row.seq, "", str(MarkState.RECALLED), wish.at, 0)])
        self._settling.expired(connection, (row.seq,), wish.at)
        return Withdrawn(RecallState.PARTLY if gone.accepted else RecallState.REMOVED, gone)

    def committed(self) -> None:
        """Nothing is kept in memory."""

    def failed(self, item: Withdrawal, reason: str) -> Withdrawn:
        """Return FAILED."""
        return Withdrawn(RecallState.FAILED)


def _finding(which: ColumnElement[bool]) -> Any:  # any SQL expression
    return (
        select(
            message.c.seq,
            message.c.id,
            message.c.call_id,
            message.c.sender,
            message.c.recipient,
            message.c.size,
            mailbox.c.state,
        )
        .join_from(mailbox, message, message.c.seq == mailbox.c.seq)
        .where(mailbox.c.recipient == bindparam("recipient"), which)
    )


def find_copies(database: Database, identity: str, sender: str) -> list[Story]:
    """Find a message and the copies that share its Call-ID and sender; blocks.

    Args: identity: message id or Call-ID. sender: who must have sent it, "" for anybody.
    Raises: StorageUnavailable, StoreDamaged.
    """
    found = [one for one in find_story(database, identity) if sender in ("", one.sender)]
    if not found:
        return []
    call_id = found[0].call_id.decode("utf-8", "surrogateescape")
    family = find_story(database, call_id, COPIES_LIMIT)
    return [one for one in family if one.sender == found[0].sender] or found


def withdraw_now(
    database: Database, identity: str, sender: str, wall: float
) -> list[tuple[str, str, RecallState]]:
    """Take a message and its copies back in a store that no node uses now.

    Args: as in `find_copies`.
    Returns: message id, recipient and state, for each.
    Raises: StorageUnavailable, StoreDamaged.
    """
    stories = find_copies(database, identity, sender)
    dialect = database.engine.dialect
    with database.writing() as connection:
        recover_parcels(connection, wall)
    entries = Entries(dialect)
    lane, ledger = RecallLane(dialect, entries), LedgerWriter(dialect, StorageStats(), None)
    wishes = [Withdrawal(one.recipient, sender, wall, message_id=one.message_id) for one in stories]
    with database.writing() as connection:
        entries.attach(connection)
        results = lane.execute(connection, wishes)
        for wish, result in zip(wishes, results, strict=True):
            if result.message is not None and not result.again:
                ledger.note(recall_entry(wish, result.message))
                if result.state is RecallState.REMOVED:
                    take_back(connection, result.message.id, wish.recipient)
        ledger.attach(connection)
        while ledger.waiting and ledger.step(connection):
            ledger.committed(0.0)
    return [
        (one.message_id, one.recipient, recall_told(one, result.state))
        for one, result in zip(stories, results, strict=True)
    ]


def recall_told(story: Story, state: RecallState) -> RecallState:
    """Return what a recall came to: too late for what a device took and was never stored."""
    return RecallState.TOO_LATE if state is RecallState.UNKNOWN and is_taken(story) else state


def is_taken(story: Story) -> bool:
    """Say whether a device has taken a message."""
    return state_of(story).state in (State.DELIVERED, State.DISPLAYED)
