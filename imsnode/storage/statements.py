# SPDX-License-Identifier: Apache-2.0
"""SQL text of the hot statements, built once by SQLAlchemy for the dialect in use.

One statement carries as many rows as possible. The interpreter lock changes hands at every step
of a cursor, and beside a busy event loop each of these hand-overs can cost milliseconds; a group
of messages inserted by one statement takes the lock once where ``executemany`` takes it per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Connection,
    CursorResult,
    Dialect,
    Table,
    bindparam,
    exc,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["InsertRows", "PerCount", "Query", "execute_raw", "fetch_raw"]

Row = Sequence[object]

# Row counts of one statement: whole steps, then what is left. Few enough to stay prepared.
_STEPS = (256, 64)
# Counts of an IN list; a list is filled up by repeating its last value.
_COUNTS = (1, 4, 16, 64, 256)


class Query:
    """A statement built once; every ``bindparam`` without a value is an argument, in text order."""

    __slots__ = ("_arguments", "_template", "text")

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=_positional(dialect))
        if not isinstance(compiled, SQLCompiler):
            raise TypeError("not a statement with parameters")
        names = list(compiled.positiontup or ())
        values = compiled.params
        self.text = str(compiled)
        self._template = [values[name] for name in names]
        self._arguments = [
            index for index, name in enumerate(names) if compiled.binds[name].required
        ]

    def run(self, connection: Connection, *arguments: object) -> CursorResult[*tuple[Any, ...]]:
        """Execute with as many arguments as the statement has parameters of its own."""
        return connection.exec_driver_sql(self.text, self._parameters(arguments))

    def first(self, connection: Connection, *arguments: object) -> Sequence[Any] | None:
        """Return the first row as the driver gives it; see `fetch_raw`."""
        return fetch_raw(connection, self.text, self._parameters(arguments))

    def change(self, connection: Connection, *arguments: object) -> int:
        """Return how many rows were changed; see `execute_raw`."""
        return execute_raw(connection, self.text, self._parameters(arguments))

    def _parameters(self, arguments: Sequence[object]) -> tuple[object, ...]:
        parameters = self._template.copy()
        for index, argument in zip(self._arguments, arguments, strict=True):
            parameters[index] = argument
        return tuple(parameters)


def _positional(dialect: Dialect) -> Dialect:
    if dialect.name == "postgresql":
        # SQLAlchemy leaves the constructors of its dialects without types.
        return postgresql.psycopg.dialect(paramstyle="format")  # type: ignore[no-untyped-call]
    return sqlite.dialect(paramstyle="qmark")


class InsertRows:
    """An INSERT of many rows, in the order of ``columns``.

    ``conflict`` builds on the dialect's own insert construct, for ON CONFLICT clauses.
    """

    __slots__ = ("_head", "_one", "_tail", "_texts")

    def __init__(
        self,
        table: Table,
        columns: Sequence[str],
        dialect: Dialect,
        conflict: Callable[[Any], Any] | None = None,  # the two dialects' inserts share no base
    ) -> None:
        insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
        statement = insert(table)
        if conflict is not None:
            statement = conflict(statement)
        compiled = statement.compile(dialect=_positional(dialect), column_keys=list(columns))
        if not isinstance(compiled, SQLCompiler) or compiled.positiontup != list(columns):
            raise ValueError(f"columns of {table.name} have to be named in table order")
        self._head, values = str(compiled).split(" VALUES ", 1)
        self._one, self._tail = _cut_group(values)
        self._texts: dict[int, str] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Insert rows; return how many were inserted or changed."""
        return self.run_flat(connection, len(rows), list(chain.from_iterable(rows)))

    def run_flat(self, connection: Connection, count: int, values: list[object]) -> int:
        """Insert ``count`` rows whose values follow one another; see ``run``."""
        changed = 0
        done = 0
        width = len(values) // count if count else 0
        for size in _sizes(count):
            text = self._texts.get(size)
            if text is None:
                group = ", ".join([self._one] * size)
                text = self._texts[size] = f"{self._head} VALUES {group}{self._tail}"
            part = values if size == count else values[done * width : (done + size) * width]
            changed += execute_raw(connection, text, part)
            done += size
        return changed


def execute_raw(connection: Connection, text: str, parameters: Sequence[object]) -> int:
    """Execute on the driver itself and return the row count.

    What SQLAlchemy does around a statement takes longer than SQLite needs for several rows. Its
    errors are worth having.

    Raises: sqlalchemy.exc.DBAPIError.
    """
    with _cursor(connection, text, parameters) as cursor:
        return int(cursor.rowcount)


def fetch_raw(
    connection: Connection, text: str, parameters: Sequence[object]
) -> Sequence[Any] | None:
    """Execute on the driver itself and return the first row; see `execute_raw`."""
    with _cursor(connection, text, parameters) as cursor:
        row: Sequence[Any] | None = cursor.fetchone()
        return row


@contextmanager
def _cursor(connection: Connection, text: str, parameters: Sequence[object]) -> Iterator[Any]:
    driver = connection.dialect.loaded_dbapi
    try:
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text, parameters)
            yield cursor
        finally:
            cursor.close()
    except driver.Error as error:
        raise exc.DBAPIError.instance(
            text, None, error, driver.Error, hide_parameters=True, dialect=connection.dialect
        ) from error


def _cut_group(values: str) -> tuple[str, str]:
    """Split "(?, ?) ON CONFLICT ..." behind the first group of parentheses."""
    depth = 0
    for index, character in enumerate(values):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return values[: index + 1], values[index + 1 :]
    raise ValueError("no group of values")


def _sizes(count: int) -> Iterator[int]:
    """Give the row counts of the statements that insert ``count`` rows."""
    for step in _STEPS:
        while count >= step:
            yield step
            count -= step
    if count:
        yield count


class PerCount:
    """A statement with one IN list, built for a few list lengths.

    ``build`` gets the parameters of the list; in the text they come after all other ones.
    """

    __slots__ = ("_build", "_dialect", "_queries")

    def __init__(
        self, build: Callable[[list[BindParameter[Any]]], ClauseElement], dialect: Dialect
    ) -> None:
        self._build = build
        self._dialect = dialect
        self._queries: dict[int, Query] = {}

    def run(
        self, connection: Connection, values: Sequence[object], first: Row = ()
    ) -> Iterator[CursorResult[*tuple[Any, ...]]]:
        """Execute for all values, a part at a time, as the results are asked for."""
        for start in range(0, len(values), _COUNTS[-1]):
            part = list(values[start : start + _COUNTS[-1]])
            count = next(count for count in _COUNTS if count >= len(part))
            part.extend([part[-1]] * (count - len(part)))
            query = self._queries.get(count)
            if query is None:
                parameters: list[BindParameter[Any]] = [
                    bindparam(f"value_{index}") for index in range(count)
                ]
                query = self._queries[count] = Query(self._build(parameters), self._dialect)
            yield query.run(connection, *first, *part)

    def all(self, connection: Connection, values: Sequence[object], first: Row = ()) -> int:
        """Execute for all values and return how many rows changed."""
        return sum(result.rowcount for result in self.run(connection, values, first))
