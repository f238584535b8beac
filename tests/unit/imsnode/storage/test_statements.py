# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, bindparam, create_engine, exc, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.pool import StaticPool

from imsnode.storage.schema import due, fate, mailbox, metadata
from imsnode.storage.statements import InsertRows, PerCount, Query

COLUMNS = ("kind", "at", "seq")


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 255, 256, 257, 700])
def test_all_rows_are_inserted(connection: Connection, count: int) -> None:
    insert = InsertRows(due, COLUMNS, connection.dialect)
    rows = [(0, float(number), number) for number in range(count)]
    assert insert.run(connection, rows) == count
    found = connection.execute(select(due).order_by(due.c.seq)).all()
    assert [tuple(row) for row in found] == rows


def test_conflicts_are_not_counted(connection: Connection) -> None:
    insert = InsertRows(
        due, COLUMNS, connection.dialect, lambda statement: statement.on_conflict_do_nothing()
    )
    rows = [(0, 1.0, number % 50) for number in range(100)]
    assert insert.run(connection, rows) == 50


def test_an_error_is_sqlalchemys_and_shows_no_values(connection: Connection) -> None:
    insert = InsertRows(due, COLUMNS, connection.dialect)
    with pytest.raises(exc.IntegrityError) as caught:
        insert.run(connection, [(0, 1.0, 424242), (0, 1.0, 424242)])
    assert "424242" not in str(caught.value)


def test_columns_have_to_be_in_table_order(connection: Connection) -> None:
    with pytest.raises(ValueError):
        InsertRows(due, ("seq", "at", "kind"), connection.dialect)


@given(st.lists(st.integers(0, 2000), max_size=600, unique=True))
def test_lists_of_any_length_find_the_same(values: list[int]) -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    due.create(engine)
    with engine.connect() as connection:
        InsertRows(due, COLUMNS, connection.dialect).run(
            connection, [(0, 0.5, number) for number in range(0, 2000, 2)]
        )
        query = PerCount(
            lambda list_: select(due.c.seq).where(due.c.kind == 0, due.c.seq.in_(list_)),
            connection.dialect,
        )
        found = [row[0] for rows in query.run(connection, values) for row in rows]
        assert sorted(found) == sorted(value for value in values if value % 2 == 0 and value < 2000)
    engine.dispose()


def test_lists_change_rows_and_count_them(connection: Connection) -> None:
    InsertRows(due, COLUMNS, connection.dialect).run(
        connection, [(0, 1.0, number) for number in range(10)]
    )
    change = PerCount(
        lambda list_: update(due).values(at=bindparam("to")).where(due.c.seq.in_(list_)),
        connection.dialect,
    )
    assert change.all(connection, [1, 2, 3, 99], (7.0,)) == 3
    assert change.all(connection, [], (7.0,)) == 0


def test_arguments_have_to_fit(connection: Connection) -> None:
    query = Query(
        select(mailbox.c.seq).where(mailbox.c.recipient == bindparam("r")).limit(3),
        connection.dialect,
    )
    assert query.run(connection, "sip:a@b").all() == []
    with pytest.raises(ValueError):
        query.run(connection)
    with pytest.raises(ValueError):
        query.run(connection, "a", "b")


def test_postgresql_gets_its_own_text() -> None:
    dialect = postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]
    insert = InsertRows(
        fate,
        ("seq", "device", "state", "at", "status"),
        dialect,
        lambda statement: statement.on_conflict_do_nothing(),
    )
    assert insert._tail == " ON CONFLICT DO NOTHING"
    assert insert._one.count("%s") == 5
