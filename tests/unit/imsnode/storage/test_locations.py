# SPDX-License-Identifier: Apache-2.0
"""Compaction of the journal, step by step; what the port promises is in tests/contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imsnode.storage import Database, locations
from imsnode.storage.locations import BindingLane


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder: Path = tmp_path_factory.mktemp("journal")
    with Database(f"sqlite:///{folder / 'store.db'}") as opened:
        opened.upgrade()
        yield opened


operations = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("abcde"), st.sampled_from([b"", b"x", b"y"])), st.just("step")
    ),
    max_size=60,
)


@given(operations)
def test_compaction_never_changes_what_the_journal_says(
    database: Database, work: list[tuple[str, bytes] | str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locations, "_STEP", 3)
        patch.setattr(locations, "_GARBAGE_FLOOR", 1)
        lane = BindingLane(database)
    expected: dict[str, bytes] = {}
    with database.connect() as connection:
        connection.exec_driver_sql("DELETE FROM binding_journal")
        lane.adopt({}, 0)
        lane.attach(connection)
        for operation in work:
            if isinstance(operation, tuple):
                lane.execute(connection, [operation])
                lane.committed()
                expected[operation[0]] = operation[1]
            else:
                lane.remove_some(connection)
                lane.removed()
            newest: dict[str, bytes] = {}
            for aor, data in connection.exec_driver_sql(
                "SELECT aor, data FROM binding_journal ORDER BY seq"
            ):
                newest[aor] = data
            assert {k: v for k, v in newest.items() if v} == {
                k: v for k, v in expected.items() if v
            }
        connection.rollback()


def test_a_whole_pass_leaves_one_entry_of_each(database: Database) -> None:
    lane = BindingLane(database)
    with database.connect() as connection:
        connection.exec_driver_sql("DELETE FROM binding_journal")
        lane.adopt({}, 0)
        lane.attach(connection)
        for number in range(3000):
            lane.execute(connection, [(f"sip:u{number % 7}@ims.test", b"%d" % number)])
            lane.committed()
        lane.execute(connection, [("sip:u0@ims.test", b"")])
        lane.committed()
        assert lane.garbage()
        while lane.remove_some(connection):
            lane.removed()
        lane.removed()
        assert not lane.garbage()
        rows = connection.exec_driver_sql("SELECT data FROM binding_journal").scalars().all()
        connection.rollback()
    assert sorted(rows) == [b"%d" % number for number in range(2993, 3000) if number % 7]


def test_nothing_is_removed_before_the_journal_was_read(database: Database) -> None:
    lane = BindingLane(database)
    with database.connect() as connection:
        lane.attach(connection)
        for _ in range(3000):
            lane.execute(connection, [("sip:a@ims.test", b"x")])
            lane.committed()
        assert not lane.garbage()
        assert not lane.remove_some(connection)
        connection.rollback()
