# SPDX-License-Identifier: Apache-2.0
"""Entries of mailboxes, made behind the messages: for many at once, and before they are needed.

The entries of a group of messages lie as far apart as their recipients, so that to write each with
its message costs a page for every one of them, several times what the messages themselves cost. A
message without an entry waits and nobody has taken it. The first one of every group is noted in
``due``, in the transaction of the group, so that any process can make what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    not_,
    select,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite

from .schema import DUE_ENTRIES, OPEN, SETTLED, due, mailbox, message
from .statements import Query, fetch_raw

__all__ = ["STANDING", "STATE", "Entries", "EntryMaking", "make_entries", "missing_from", "seqs_of"]

_BULK = 4096  # entries made together when nobody needs them earlier
_WAIT_S = 5.0  # a message waits so long for company
_LOOK_UPS = 64  # in one statement

#: Messages with their entries, and the state of each, whether it has one or not.
STANDING = message.outerjoin(
    mailbox, (mailbox.c.recipient == message.c.recipient) & (mailbox.c.key == message.c.key)
)
STATE: ColumnElement[int] = func.coalesce(mailbox.c.state, OPEN)

_FIRST = select(func.min(due.c.seq)).where(due.c.kind == DUE_ENTRIES)


def missing_from(recipient: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition on ``message`` for those to somebody that have no entry."""
    entry = exists().where(
        mailbox.c.recipient == message.c.recipient, mailbox.c.key == message.c.key
    )
    return and_(
        message.c.recipient == recipient, message.c.seq >= _FIRST.scalar_subquery(), not_(entry)
    )


def seqs_of(recipient: str) -> Any:  # a selectable of either engine
    """Return a query for the numbers of all messages to somebody, for use in ``IN``."""
    return union_all(
        select(mailbox.c.seq).where(mailbox.c.recipient == recipient),
        select(message.c.seq).where(missing_from(literal(recipient))),
    )


class Entries:
    """The keys of messages without an entry, and the statements that make entries.

    Changed on the writer's thread alone, which stores all messages; others may make entries too.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.keys: set[bytes] = set()
        noted = select(func.min(due.c.seq), func.max(due.c.seq)).where(due.c.kind == DUE_ENTRIES)
        self._noted = Query(noted, dialect)
        self._keys = Query(
            select(message.c.key).where(message.c.seq >= bindparam("first")), dialect
        )
        self._make = Query(_making(dialect), dialect)
        self._done = Query(
            delete(due).where(due.c.kind == DUE_ENTRIES, due.c.seq <= bindparam("last")), dialect
        )
        self._known = _Known(dialect)

    def attach(self, connection: Connection) -> None:
        """Read which messages have no entry."""
        first, _ = self._noted.run(connection).one()
        self.keys = set()
        if first is not None:
            self.keys.update(bytes(key) for (key,) in self._keys.run(connection, first))

    def has(self, connection: Connection, places: Sequence[tuple[str, bytes]]) -> bool:
        """Say whether some of these recipients and keys may be there, or one stands there twice."""
        keys = {key for _, key in places}
        if len(keys) < len(places) or not keys.isdisjoint(self.keys):
            return True
        return self._known.any(connection, places)

    def make(self, connection: Connection) -> None:
        """Make the entries that are missing, in the order of their pages."""
        if not self.keys:
            return
        first, last = self._noted.run(connection).one()
        if first is not None:
            self._make.run(connection, first)
            # What PostgreSQL commits beside us, behind the look above, may not be made.
            self._done.run(connection, last)
        self.keys = set()


def make_entries(connection: Connection) -> None:
    """Make the entries that are missing, whoever stored the messages."""
    entries = Entries(connection.dialect)
    entries.attach(connection)
    entries.make(connection)


def _making(dialect: Dialect) -> Any:  # the two dialects' inserts share no base
    insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
    state = case((message.c.settled_at.is_(None), OPEN), else_=SETTLED)
    rows = (
        select(message.c.recipient, message.c.key, message.c.seq, state)
        .where(message.c.seq >= bindparam("first"))
        .order_by(message.c.recipient, message.c.key)
    )
    made = insert(mailbox).from_select(["recipient", "key", "seq", "state"], rows)
    return made.on_conflict_do_nothing()


class _Known:
    """Looks many entries up by one statement."""

    def __init__(self, dialect: Dialect) -> None:
        one = and_(mailbox.c.recipient == bindparam("recipient"), mailbox.c.key == bindparam("key"))
        self._head, self._one = Query(select(mailbox.c.seq).where(one), dialect).text.split(
            " \nWHERE ", 1
        )
        self._texts: dict[int, str] = {}

    def any(self, connection: Connection, places: Sequence[tuple[str, bytes]]) -> bool:
        """Say whether one of them is there."""
        for start in range(0, len(places), _LOOK_UPS):
            part = places[start : start + _LOOK_UPS]
            text = self._texts.get(len(part))
            if text is None:
                one_of = " OR ".join([self._one] * len(part))
                text = self._texts[len(part)] = f"{self._head} WHERE {one_of}"
            values: list[object] = []
            for recipient, key in part:
                values += (recipient, bytearray(key))
            if fetch_raw(connection, text, values) is not None:
                return True
        return False


class EntryMaking:
    """In the background: makes entries when there are many to make, or some for long."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._since: float | None = None

    def attach(self, connection: Connection) -> None:
        """Nothing is kept here."""

    def due(self, now: float, urgent: bool) -> bool:
        """True when it is worth it, or the oldest message has waited long enough."""
        missing = len(self._entries.keys)
        if not missing:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return missing >= _BULK or now - self._since >= _WAIT_S

    def step(self, connection: Connection) -> bool:
        """Make all entries."""
        self._entries.make(connection)
        return False

    def committed(self, now: float) -> None:
        """Count from anew."""
        self._since = None

    def failed(self, now: float, refused: bool) -> None:
        """Try again later: who needs entries makes them."""
        self._since = now
