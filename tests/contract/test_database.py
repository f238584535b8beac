# SPDX-License-Identifier: Apache-2.0
"""Opening a store: migration, damage, other people's files (threats.md D9, D10)."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

import imsnode.storage.migrations
from imsnode.storage import (
    Database,
    SchemaOutdated,
    SchemaTooNew,
    StorageUnavailable,
    StoreDamaged,
    find_story,
)
from imsnode.storage.schema import KNOWN_REVISIONS, REVISION, metadata
from tests.support.postgres import PostgresServer
from tests.support.stores import WALL, DurableStore, message

ROOT = Path(__file__).parents[2]
MIGRATIONS = Path(imsnode.storage.migrations.__file__).parent


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("initdb"))])
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    server: PostgresServer = request.getfixturevalue("server")
    return server.new_database()


def alembic_config(connection: object) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def tables(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(inspect(connection).get_table_names())


def test_the_known_revisions_are_those_of_the_scripts() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(revisions)) == KNOWN_REVISIONS
    assert scripts.get_current_head() == REVISION


def test_migrations_make_the_tables_of_the_schema(fresh_url: str) -> None:
    with Database(fresh_url) as database:
        assert database.upgrade() == ("", REVISION)
        assert database.upgrade() == (REVISION, REVISION)
        with database.reading() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
        report = database.check(full=True)
        assert (report.ok, report.complete, report.revision) == (True, True, REVISION)


def test_migrations_can_be_taken_back(fresh_url: str) -> None:
    with Database(fresh_url) as database:
        database.upgrade()
        with database.writing() as connection:
            command.downgrade(alembic_config(connection), "base")
        assert tables(database) == {"alembic_version"}
        assert database.upgrade() == ("", REVISION)


def test_a_ledger_of_rows_comes_along(fresh_url: str) -> None:
    with Database(fresh_url) as database:
        database.upgrade()
        with database.writing() as connection:
            command.downgrade(alembic_config(connection), "0001")
            columns = "seq, message_id, call_id, at, ended, sender, recipient, size, outcome, steps"
            values = ":seq, :id, :call_id, :at, :ended, 's', 'r', 7, 'relayed', :steps"
            connection.execute(
                text(f"INSERT INTO ledger ({columns}) VALUES ({values})"),
                [
                    {
                        "seq": number,
                        "id": f"m{number}",
                        "call_id": b"\xff%d" % number,
                        "at": WALL + number,
                        "ended": WALL + number + 0.5,
                        "steps": "0\treceived\t0\tforwarded\t\n500\tanswered\t200\tr\t<a>\tb",
                    }
                    for number in range(1, 1501)
                ],
            )
        assert database.upgrade() == ("0001", REVISION)
        for number in (1, 1024, 1025, 1500):
            (story,) = find_story(database, f"m{number}")
            assert find_story(database, f"\udcff{number}") == [story]
            assert (story.call_id, story.sender, story.size) == (b"\xff%d" % number, "s", 7)
            assert story.steps == [
                (WALL + number, "received", "", 0, "forwarded"),
                (WALL + number + 0.5, "answered", "<a>\tb", 200, "r"),
            ]


def test_a_store_that_is_not_migrated_is_not_checked(fresh_url: str) -> None:
    with Database(fresh_url) as database, pytest.raises((SchemaOutdated, StorageUnavailable)):
        database.check()


CHILD = """
import os, signal, sys
from sqlalchemy import event
from imsnode.storage import Database
database = Database(sys.argv[1])
left = int(sys.argv[2])
def count(connection, cursor, statement, parameters, context, many):
    global left
    if statement.lstrip().startswith(("CREATE", "INSERT")):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
event.listen(database.engine, "after_cursor_execute", count)
database.upgrade()
"""


@pytest.mark.parametrize("statements", [1, 6, 12])
def test_a_migration_killed_half_way_leaves_nothing(fresh_url: str, statements: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, fresh_url, str(statements)], cwd=ROOT, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    with Database(fresh_url) as database:
        assert tables(database) == set()
        assert database.upgrade() == ("", REVISION)
        assert database.check().ok


def test_a_newer_schema_is_refused(fresh_url: str) -> None:
    with Database(fresh_url) as database:
        database.upgrade()
        with database.writing() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        for use in (database.upgrade, database.check):
            with pytest.raises(SchemaTooNew, match="schema revision 9999 is newer"):
                use()
        assert "message" in tables(database)


def test_tables_of_another_program_are_left_alone(fresh_url: str) -> None:
    with Database(fresh_url) as database:
        if database.path is not None:
            database.path.touch()
        with database.writing() as connection:
            connection.exec_driver_sql("CREATE TABLE theirs (a INTEGER)")
        with pytest.raises(StoreDamaged, match="holds tables that are not of imsnode"):
            database.upgrade()
        assert tables(database) == {"theirs"}


def test_a_missing_table_is_told(fresh_url: str) -> None:
    with Database(fresh_url) as database:
        database.upgrade()
        with database.writing() as connection:
            connection.exec_driver_sql("DROP TABLE fate")
        assert database.check().problems == ["lacks the table fate"]
        with pytest.raises(StoreDamaged, match="lacks the table fate"):
            database.upgrade()


@pytest.mark.peer("initdb")
def test_a_server_without_fsync_is_refused(server: PostgresServer) -> None:
    server.stop("fast")
    server.start("fsync=off")
    try:
        with (
            Database(server.new_database()) as database,
            pytest.raises(StoreDamaged, match="runs with fsync=off"),
        ):
            database.upgrade()
    finally:
        server.stop("fast")
        server.start()


@pytest.mark.peer("initdb")
def test_commits_on_postgresql_are_synchronous(server: PostgresServer) -> None:
    with Database(server.new_database()) as database, database.reading() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def filled(file: Path, count: int = 600) -> bytes:
    store = DurableStore(f"sqlite:///{file}")
    results: list[object] = []
    for number in range(count):
        store.storage.messages.store(message(number), results.append)
    store.run_until(lambda: len(results) == count)
    store.close()
    return file.read_bytes()


def test_sqlite_commits_are_synced_and_its_file_is_private(file: Path) -> None:
    with Database(f"sqlite:///{file}") as database:
        database.upgrade()
        with database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


Damage = Callable[[bytes], bytes]


def overwrite(start: float, length: int) -> Damage:
    def damage(data: bytes) -> bytes:
        at = int(len(data) * start) // 4096 * 4096
        return data[:at] + b"\xa5" * length + data[at + length :]

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"not a database " * 100,
        lambda data: data[:50],
        lambda data: b"\x00" * len(data),
        lambda data: data[: len(data) // 2],
        lambda data: data[: len(data) // 2 // 4096 * 4096],
        overwrite(0.0, 4096),
        overwrite(0.1, 4096),
        overwrite(0.5, 8192),
        overwrite(0.9, 4096),
    ],
    ids=["text", "stub", "zeros", "cut", "cut at a page", "head", "early", "middle", "late"],
)
def test_a_damaged_file_is_refused_and_left_as_it_is(file: Path, damage: Damage) -> None:
    broken = damage(filled(file))
    for rest in file.parent.glob("store.db-*"):
        rest.unlink()
    file.write_bytes(broken)
    with Database(f"sqlite:///{file}") as database:
        with pytest.raises(StoreDamaged) as caught:
            database.upgrade()
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "nothing was changed" in str(caught.value)
    assert file.read_bytes() == broken


def test_a_full_check_finds_what_lies_between_the_probes(file: Path) -> None:
    data = bytearray(filled(file))
    with Database(f"sqlite:///{file}") as database:
        assert database.check(full=True).ok
    at = data.rfind(b"hello \x00\xff 300")
    page = at // 4096 * 4096
    data[page : page + 8] = b"\xff" * 8
    file.write_bytes(data)
    with Database(f"sqlite:///{file}") as database:
        report = database.check(full=True)
    assert not report.ok
    assert all("\n" not in problem for problem in report.problems)


def test_a_check_without_time_says_that_it_is_not_complete(file: Path) -> None:
    filled(file, 3000)
    with Database(f"sqlite:///{file}") as database:
        report = database.check(seconds=0.0)
    assert report.ok
    assert not report.complete


def test_a_log_left_by_a_crash_is_taken_in(file: Path) -> None:
    store = DurableStore(f"sqlite:///{file}")
    store.call(store.storage.messages.store, message(1))
    left = {path.name: path.read_bytes() for path in file.parent.glob("store.db*")}
    store.close()
    assert left["store.db-wal"]
    for name, data in left.items():
        (file.parent / name).write_bytes(data)
    (file.parent / "store.db-shm").unlink(missing_ok=True)
    again = DurableStore(f"sqlite:///{file}")
    found = again.call(again.storage.messages.pending, "sip:bob@ims.test", 0, 10)
    again.close()
    assert [one.message.id for one in found] == [message(1).id]


def test_a_place_that_cannot_be_used_is_told_in_a_line(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/no/such/store.db", f"sqlite:///{tmp_path}"):
        with Database(url) as database, pytest.raises(StorageUnavailable) as caught:
            database.upgrade()
        assert str(tmp_path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y", "nonsense", "postgresql:///x:y:z"]
)
def test_addresses_that_make_no_sense_are_refused(url: str) -> None:
    with pytest.raises(StorageUnavailable):
        Database(url).upgrade()


def test_a_password_in_the_address_is_not_shown() -> None:
    database = Database("postgresql://imsnode:s3cret@127.0.0.1:1/imsnode")
    with pytest.raises(StorageUnavailable) as caught:
        database.upgrade()
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(caught.value)


def test_two_processes_migrate_at_once(fresh_url: str) -> None:
    code = "import sys; from imsnode.storage import Database; Database(sys.argv[1]).upgrade()"
    started = [
        subprocess.Popen([sys.executable, "-c", code, fresh_url], cwd=ROOT) for _ in range(3)
    ]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    with Database(fresh_url) as database:
        assert database.check().ok


def test_an_open_reader_does_not_hold_up_the_writer(file: Path) -> None:
    store = DurableStore(f"sqlite:///{file}")
    store.call(store.storage.messages.store, message(1))
    reader = sqlite3.connect(file)
    assert reader.execute("SELECT count(*) FROM message").fetchone() == (1,)
    assert store.call(store.storage.messages.store, message(2)).kind == "stored"
    reader.close()
    store.close()
