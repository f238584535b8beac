# SPDX-License-Identifier: Apache-2.0
"""XCAP documents in the database: octets as they were put, one entity tag each.

A write says which entity tag it found; another one there by then makes it stale, and nothing is
written. So whoever writes may work from memory, and still nobody's change is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import (
    Connection,
    Dialect,
    Double,
    LargeBinary,
    Text,
    bindparam,
    delete,
    exc,
    func,
    insert,
    select,
    tuple_,
    update,
)

from presence.xcap import GLOBAL, Entry, Stored

from .database import Database, read_only, reason_of
from .errors import StorageUnavailable
from .lanes import Done, Submit
from .schema import account, document, document_uri
from .statements import Query

__all__ = ["DocumentKey", "DocumentWrite", "Documents", "Outcome", "remove_documents"]

# Any: a result row has no static type.
Row = Sequence[Any]
#: Owner ("" for the global tree), usage, name.
DocumentKey = tuple[str, str, str]


_CHUNK = 500


class Outcome(Enum):
    """What became of a write."""

    DONE = "done"
    STALE = "the document changed meanwhile"
    TAKEN = "a URI in it belongs to another document"
    FULL = "the user has as many documents as allowed"
    GONE = "there is no such user"
    FAILED = "the store cannot be written now"


@dataclass(frozen=True, slots=True)
class DocumentWrite:
    """A document to be kept, or removed with octets None.

    found: entity tag it replaces, "" for none. uris: that are the document's from now on, None for
    one of a usage that claims none. most: documents the owner may have.
    """

    key: DocumentKey
    found: str
    etag: str
    octets: bytes | None
    changed: float
    uris: Sequence[str] | None = None
    most: int = 1 << 30


class _Statements:
    """The SQL of one dialect, built once."""

    def __init__(self, dialect: Dialect) -> None:
        c, u = document.c, document_uri.c
        owner, auid, name = (bindparam(key, type_=Text()) for key in "oan")
        here = (c.owner == owner, c.auid == auid, c.name == name)
        self.read = Query(select(c.etag, c.octets, c.changed).where(*here), dialect)
        self.home = Query(select(c.auid, c.name, c.etag).where(c.owner == owner), dialect)
        user = select(account.c.aor).where(account.c.aor == owner).scalar_subquery()
        etag = select(c.etag).where(*here).scalar_subquery()
        self.state = Query(select(user, etag), dialect)
        self.count = Query(
            select(func.count()).select_from(document).where(c.owner == owner), dialect
        )
        rest: dict[str, Any] = {
            "etag": bindparam("new_etag", type_=Text()),
            "changed": bindparam("new_changed", type_=Double()),
            "octets": bindparam("new_octets", type_=LargeBinary()),
        }
        new = {"owner": owner, "auid": auid, "name": name, **rest}
        self.insert = Query(insert(document).values(new), dialect)
        self.update = Query(update(document).where(*here).values(rest), dialect)
        self.delete = Query(delete(document).where(*here), dialect)
        ours = (u.owner == owner, u.auid == auid, u.name == name)
        self.uris = Query(select(u.uri).where(*ours), dialect)
        self.drop_uris = Query(delete(document_uri).where(*ours), dialect)
        whose = select(u.owner, u.auid, u.name).where(u.uri == bindparam("u"))
        self.claimed = Query(whose, dialect)
        claim = {"uri": bindparam("u"), "owner": owner, "auid": auid, "name": name}
        self.claim = Query(insert(document_uri).values(claim), dialect)


class DocumentLane:
    """Writes documents one by one: each depends on what is there."""

    reads = False

    def __init__(self, dialect: Dialect) -> None:
        self._sql = _Statements(dialect)

    def attach(self, connection: Connection) -> None:
        """Nothing is kept in memory."""

    def execute(self, connection: Connection, items: Sequence[DocumentWrite]) -> list[Outcome]:
        """Write a group."""
        return [_write(connection, self._sql, item) for item in items]

    def committed(self) -> None:
        """Nothing depends on it."""

    def failed(self, item: DocumentWrite, reason: str) -> Outcome:
        """Say that the store could not take it."""
        return Outcome.FAILED


class Documents:
    """The documents of one store. What reads blocks, and raises StorageError.

    `read` and `home` keep a connection of their own and belong to one thread.
    """

    def __init__(self, database: Database, submit: Submit | None = None) -> None:
        self._database = database
        self._submit = submit
        self._sql = _Statements(database.engine.dialect)
        self.lane = DocumentLane(database.engine.dialect)
        self._connection: Connection | None = None

    def submit(self, write: DocumentWrite, done: Done) -> None:
        """Have the writer do it; ``done(Outcome)`` comes after the commit."""
        assert self._submit is not None
        self._submit(self.lane, write, done)

    def write_now(self, write: DocumentWrite) -> Outcome:
        """Do it here, for whoever works on the store alone; blocks."""
        with self._database.writing() as connection:
            return _write(connection, self._sql, write)

    def read(self, key: DocumentKey) -> Stored | None:
        """Return a document."""
        row = self._first(self._sql.read, *key)
        return None if row is None else Stored(row[0], bytes(row[1]), row[2])

    def read_all(self, keys: Sequence[DocumentKey]) -> Iterator[tuple[DocumentKey, Stored]]:
        """Give several documents."""
        c = document.c
        with self._database.reading() as connection:
            for start in range(0, len(keys), _CHUNK):
                part = tuple_(c.owner, c.auid, c.name).in_(list(keys[start : start + _CHUNK]))
                for row in connection.execute(select(document).where(part)):
                    key = (row.owner, row.auid, row.name)
                    yield key, Stored(row.etag, bytes(row.octets), row.changed)

    def home(self, owner: str) -> dict[tuple[str, str], str]:
        """Return the entity tags of all documents of an owner, by usage and name."""
        return {(auid, name): etag for auid, name, etag in self._all(self._sql.home, owner)}

    def homes(self, owners: Sequence[str]) -> dict[str, dict[tuple[str, str], str]]:
        """Return what `home` gives for each of several owners; from any thread."""
        c = document.c
        found: dict[str, dict[tuple[str, str], str]] = {}
        with self._database.reading() as connection:
            for start in range(0, len(owners), _CHUNK):
                part = c.owner.in_(owners[start : start + _CHUNK])
                for row in connection.execute(select(c.owner, c.auid, c.name, c.etag).where(part)):
                    found.setdefault(row.owner, {})[row.auid, row.name] = row.etag
        return found

    def claimant(self, uri: str) -> DocumentKey | None:
        """Return the document that has a URI for itself."""
        row = self._first(self._sql.claimed, uri)
        return None if row is None else (row[0], row[1], row[2])

    def claims(self) -> dict[str, DocumentKey]:
        """Return all URIs that documents have."""
        with self._database.reading() as connection:
            return {
                row.uri: (row.owner, row.auid, row.name)
                for row in connection.execute(select(document_uri))
            }

    def named(self, auid: str, name: str) -> Iterator[tuple[str, bytes]]:
        """Give the documents of a name of all users, by owner; from any thread."""
        c = document.c
        query = select(c.owner, c.octets).where(c.auid == auid, c.name == name, c.owner != GLOBAL)
        with self._database.reading() as connection:
            for row in connection.execute(query.order_by(c.owner)):
                yield row.owner, bytes(row.octets)

    def entries(
        self, owner: str | None = None, auid: str | None = None
    ) -> Iterator[tuple[str, Entry]]:
        """Give what is kept, with its owner, by owner, usage and name; from any thread."""
        c = document.c
        query = select(
            c.owner, c.auid, c.name, c.etag, c.changed, func.length(c.octets).label("size")
        )
        if owner is not None:
            query = query.where(c.owner == owner)
        if auid is not None:
            query = query.where(c.auid == auid)
        with self._database.reading() as connection:
            for row in connection.execute(query.order_by(c.owner, c.auid, c.name)):
                yield row.owner, Entry(row.auid, row.name, row.etag, row.size, row.changed)

    def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _first(self, query: Query, *arguments: object) -> Row | None:
        rows = self._all(query, *arguments)
        return rows[0] if rows else None

    def _all(self, query: Query, *arguments: object) -> list[Row]:
        connection = self._connection
        try:
            if connection is None:
                connection = self._connection = self._database.connect()
            with read_only(connection):
                rows = query.run(connection, *arguments).all()
                connection.rollback()
        except exc.SQLAlchemyError as error:
            self.close()
            raise StorageUnavailable(self._database.name, reason_of(error)) from error
        return list(rows)


def _write(connection: Connection, sql: _Statements, write: DocumentWrite) -> Outcome:
    """Do a write in the running transaction, or nothing of it."""
    owner = write.key[0]
    user, etag = sql.state.first(connection, owner, *write.key) or (None, None)
    if user is None and owner != GLOBAL:
        return Outcome.GONE
    if (etag or "") != write.found:
        return Outcome.STALE
    if not write.found and sql.count.run(connection, owner).scalar_one() >= write.most:
        return Outcome.FULL
    for uri in write.uris or ():
        claimed = sql.claimed.run(connection, uri).first()
        if claimed is not None and tuple(claimed) != write.key:
            return Outcome.TAKEN
    if write.octets is None:
        sql.delete.change(connection, *write.key)
    elif write.found:
        sql.update.change(connection, write.etag, write.changed, write.octets, *write.key)
    else:
        sql.insert.change(connection, *write.key, write.etag, write.changed, write.octets)
    uris = () if write.octets is None else write.uris
    if uris is not None:
        _claim(connection, sql, write.key, uris)
    return Outcome.DONE


def _claim(connection: Connection, sql: _Statements, key: DocumentKey, uris: Sequence[str]) -> None:
    """Let a document have these URIs and no others."""
    had = set(sql.uris.run(connection, *key).scalars())
    if had != set(uris):
        sql.drop_uris.run(connection, *key)
        for uri in dict.fromkeys(uris):
            sql.claim.run(connection, uri, *key)


def remove_documents(connection: Connection, owner: str) -> int:
    """Remove all documents of a user; return how many."""
    connection.execute(delete(document_uri).where(document_uri.c.owner == owner))
    return connection.execute(delete(document).where(document.c.owner == owner)).rowcount
