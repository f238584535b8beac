# SPDX-License-Identifier: Apache-2.0
"""Compaction of the journal, step by step; what the port promises is in tests/contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imsnode.storage import Database, journal
from imsnode.storage.binding_codec import is_renewal
from imsnode.storage.locations import BindingIndex, BindingLane, Locations


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder: Path = tmp_path_factory.mktemp("journal")
    with Database(f"sqlite:///{folder / 'store.db'}") as opened:
        opened.upgrade()
        yield opened


operations = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from("abcde"),
            st.sampled_from([b"", b"x", b"y", b"r1", b"r2"]),
            st.booleans(),
        ),
        st.sampled_from(["step", "unheard"]),
    ),
    max_size=60,
)


@given(operations, st.integers(1, 5))
def test_compaction_never_changes_what_the_journal_says(
    database: Database, work: list[tuple[str, bytes, bool] | str], step: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "_STEP", step)
        patch.setattr(journal, "_RUN", 2)
        check_compaction(database, work)


def check_compaction(database: Database, work: list[tuple[str, bytes, bool] | str]) -> None:
    lane = BindingLane(database)
    expected: dict[str, tuple[bytes, ...]] = {}
    with database.connect() as connection:
        connection.exec_driver_sql("DELETE FROM binding_journal")
        lane.adopt(BindingIndex())
        lane.attach(connection)
        for operation in work:
            if isinstance(operation, tuple):
                aor, data, heard = operation
                lane.execute(connection, [(aor, data)])
                # A connection may be lost between a commit and its answer.
                if heard:
                    lane.committed()
                else:
                    lane.attach(connection)
                note(expected, aor, data)
            else:
                lane.remove_some(connection)
                if operation == "step":
                    lane.removed()
                else:
                    lane.attach(connection)
            newest: dict[str, tuple[bytes, ...]] = {}
            for aor, data in connection.exec_driver_sql(
                "SELECT aor, data FROM binding_journal ORDER BY seq"
            ):
                note(newest, aor, data)
            assert newest == expected
        connection.rollback()


def note(states: dict[str, tuple[bytes, ...]], aor: str, data: bytes) -> None:
    """Note what an entry makes of a state, and of what renews it; without one nothing does."""
    if not is_renewal(data):
        states.pop(aor, None)
        if data:
            states[aor] = (data,)
    elif aor in states:
        states[aor] = (states[aor][0], data)


def test_little_is_left_of_what_does_not_count(database: Database) -> None:
    lane = BindingLane(database)
    with database.connect() as connection:
        connection.exec_driver_sql("DELETE FROM binding_journal")
        lane.adopt(BindingIndex())
        lane.attach(connection)
        for number in range(5000):
            lane.execute(connection, [(f"sip:u{number % 7}@ims.test", b"%d" % number)])
            lane.committed()
        assert lane.garbage()
        while lane.remove_some(connection):
            lane.removed()
        lane.removed()
        assert not lane.garbage()
        rows = connection.exec_driver_sql("SELECT data FROM binding_journal").scalars().all()
        connection.rollback()
    assert len(rows) == 5000 - 2 * 2048
    assert {b"%d" % number for number in range(4993, 5000)} <= set(rows)


def test_what_is_found_at_the_start_is_worked_off_in_order(database: Database) -> None:
    """An entry that says a user has gone must not be removed before those that it hides."""
    lane = BindingLane(database)
    with database.writing() as connection:
        lane.attach(connection)
        states = [("a", b""), *[("b", b"%d" % number) for number in range(4)]]
        lane.execute(connection, [("a", b"old"), ("b", b"x"), *states])
    Locations(database, lane, lambda *operation: None).load(0.0, 0.0)
    with pytest.MonkeyPatch.context() as patch, database.connect() as connection:
        patch.setattr(journal, "_STEP", 1)
        seen = []
        while lane.garbage():
            lane.remove_some(connection)
            lane.removed()
            text = "SELECT aor, data FROM binding_journal ORDER BY seq"
            seen.append([tuple(row) for row in connection.exec_driver_sql(text)])
        connection.rollback()
    assert all(("a", b"") in rows or ("a", b"old") not in rows for rows in seen)
    assert seen[-1] == [("b", b"3")]


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
