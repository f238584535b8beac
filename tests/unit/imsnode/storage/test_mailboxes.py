# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

from imsnode.storage import Database
from imsnode.storage.entries import Entries
from imsnode.storage.mailboxes import StoreLane
from tests.support.stores import message


def test_a_number_is_not_given_twice_in_one_run(tmp_path: Path) -> None:
    """A delivery under way would take the new message for the one that was forgotten."""
    with Database(f"sqlite:///{tmp_path / 'store.db'}") as database:
        database.upgrade()
        lane = StoreLane(database.engine.dialect, Entries(database.engine.dialect))
        with database.connect() as connection:
            with connection.begin():
                lane.attach(connection)
                first = lane.execute(connection, [message(1), message(2)])
            with connection.begin():
                for table in ("mailbox", "due", "message"):
                    connection.exec_driver_sql(f"DELETE FROM {table}")
            with connection.begin():
                lane.attach(connection)  # as after a group that was rolled back
                again = lane.execute(connection, [message(3)])
    assert [one.seq for one in first] == [1, 2]
    assert again[0].seq == 3
