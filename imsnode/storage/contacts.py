# SPDX-License-Identifier: Apache-2.0
"""Who has had to do with whom, where somebody's policy needs to know.

Written behind the message that brought it about: lost in a crash, the next message brings it
about again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Dialect, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from .database import Database
from .lanes import Submit
from .schema import contact

__all__ = ["Contact", "ContactLane", "Contacts"]

_CHUNK = 5000


@dataclass(frozen=True, slots=True)
class Contact:
    """One acquaintance. sent: the owner wrote to the other, else only the other to the owner."""

    owner: str
    other: str
    sent: bool
    at: float
    gone: bool = False


class ContactLane:
    """Adds, changes and removes acquaintances; the last change of a pair in a group counts."""

    reads = False

    def __init__(self, dialect: Dialect) -> None:
        made = (postgresql if dialect.name == "postgresql" else sqlite).insert(contact)
        changed = {"sent": made.excluded.sent, "at": made.excluded.at}
        self._put = made.on_conflict_do_update(index_elements=["owner", "other"], set_=changed)

    def attach(self, connection: Connection) -> None:
        """Nothing is kept that a lost connection could make wrong."""

    def execute(self, connection: Connection, items: Sequence[Contact]) -> list[bool]:
        """Write a group."""
        last = {(one.owner, one.other): one for one in items}
        gone = [pair for pair, one in last.items() if one.gone]
        kept = [
            {"owner": one.owner, "other": one.other, "sent": one.sent, "at": one.at}
            for one in last.values()
            if not one.gone
        ]
        if gone:
            pairs = tuple_(contact.c.owner, contact.c.other)
            connection.execute(delete(contact).where(pairs.in_(gone)))
        if kept:
            connection.execute(self._put, kept)
        return [True] * len(items)

    def committed(self) -> None:
        """Nothing depends on it."""

    def failed(self, item: Contact, reason: str) -> bool:
        """Give it up."""
        return False


class Contacts:
    """The acquaintances of one store."""

    def __init__(self, database: Database, submit: Submit) -> None:
        self.lane = ContactLane(database.engine.dialect)
        self._database = database
        self._submit = submit

    def load_all(self) -> Iterator[Contact]:
        """Give every acquaintance, each owner's oldest first; blocks.

        Raises: StorageUnavailable, StoreDamaged.
        """
        rows = select(contact).order_by(contact.c.owner, contact.c.at)
        with self._database.reading() as connection:
            for row in connection.execute(rows, execution_options={"yield_per": _CHUNK}):
                yield Contact(row.owner, row.other, row.sent, row.at)

    def note(self, one: Contact, done: Callable[[bool], None] | None = None) -> None:
        """Keep an acquaintance, or forget one that is ``gone``."""
        self._submit(self.lane, one, done)
