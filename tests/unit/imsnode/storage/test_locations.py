# SPDX-License-Identifier: Apache-2.0
"""Compaction of the journal, step by step; what the port promises is in tests/contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imsnode.storage import Database, journal, locations
from imsnode.storage.binding_codec import Renewal, split_renewals
from imsnode.storage.locations import BindingIndex, BindingLane, Locations


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder: Path = tmp_path_factory.mktemp("journal")
    with Database(f"sqlite:///{folder / 'store.db'}") as opened:
        opened.upgrade()
        yield opened


entries = st.tuples(
    st.sampled_from("abcde"),
    st.sampled_from([b"", b"x", b"y", (1, 1, 1), (2, 2, 2)]),
)
operations = st.lists(
    st.one_of(
        st.tuples(
            st.lists(entries, min_size=1, max_size=4, unique_by=lambda entry: entry[0]),
            st.booleans(),
        ),
        st.sampled_from(["step", "unheard"]),
    ),
    max_size=60,
)
Kept = bytes | Renewal
Work = list[tuple[list[tuple[str, Kept]], bool] | str]


@given(operations, st.integers(1, 5))
def test_compaction_never_changes_what_the_journal_says(
    database: Database, work: Work, step: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "_STEP", step)
        patch.setattr(journal, "_RUN", 2)
        patch.setattr(locations, "_TOGETHER", 4 * 2)
        patch.setattr(locations, "_STEP", step)
        check_compaction(database, work)


def check_compaction(database: Database, work: Work) -> None:
    lane = BindingLane(database)
    expected: dict[str, tuple[Kept, ...]] = {}
    placed: dict[int, str] = {}  # by number of a row, whose state it has
    with database.connect() as connection:
        connection.exec_driver_sql("DELETE FROM binding_journal")
        index = BindingIndex()
        lane.adopt(index)
        lane.attach(connection)
        for operation in work:
            if isinstance(operation, tuple):
                group, heard = operation
                lane.execute(connection, group)
                # A connection may be lost between a commit and its answer.
                if heard:
                    lane.committed()
                else:
                    lane.attach(connection)
                for aor, data in group:
                    note(expected, aor, data)
            else:
                lane.remove_some(connection)
                if operation == "step":
                    lane.removed()
                else:
                    lane.attach(connection)
            newest: dict[str, tuple[Kept, ...]] = {}
            for seq, aor, data in connection.exec_driver_sql(
                "SELECT seq, aor, data FROM binding_journal ORDER BY seq"
            ):
                if aor:
                    placed[seq] = aor
                    note(newest, aor, data)
                    continue
                for state, renewal in split_renewals(data):
                    if state == index.newest(placed[state]):
                        note(newest, placed[state], renewal)
            assert newest == expected
        connection.rollback()


def note(states: dict[str, tuple[Kept, ...]], aor: str, data: Kept) -> None:
    """Note what an entry makes of a state, and of what renews it; without one nothing does."""
    if isinstance(data, bytes):
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


def test_renewals_of_a_group_are_one_row_without_names(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locations, "_STEP", 1)
    lane = BindingLane(database)
    users = [f"sip:u{number}@ims.test" for number in range(10)]
    with database.connect() as connection:
        connection.exec_driver_sql("DELETE FROM binding_journal")
        index = BindingIndex()
        lane.adopt(index)
        lane.attach(connection)
        for data in (b"x", (1, 2, 3), (4, 5, 6)):
            assert lane.execute(connection, [(user, data) for user in users]) == [True] * 10
            lane.committed()
        text = "SELECT seq, data FROM binding_journal WHERE aor = '' ORDER BY seq"
        first, second = connection.exec_driver_sql(text).all()
        connection.rollback()
    assert dict(split_renewals(second[1])) == {index.newest(user): (4, 5, 6) for user in users}
    assert index.worthless == [first[0]]
