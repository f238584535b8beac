# SPDX-License-Identifier: Apache-2.0
"""Databases that fail: every operation is answered, and the node goes on by itself (D6)."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from imsnode.storage import AorState, Storage
from imsnode.storage.errors import StorageUnavailable
from imsnode.storage.failpoints import AFTER_COMMIT
from pager.ports import Bundle, CopiesResult
from pager.values import StoreKind, StoreResult
from tests.support.postgres import PostgresServer, running_server
from tests.support.running import eventually
from tests.support.stores import WALL, DurableStore, binding, entry, mark, message

OpenStore = Callable[..., DurableStore]
BOB = "sip:bob@ims.test"


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[DurableStore]:
    store = DurableStore(f"sqlite:///{tmp_path / 'store.db'}")
    yield store
    store.close()


def put(store: DurableStore, number: int, **values: Any) -> StoreResult:
    result: StoreResult = store.call(store.storage.messages.store, message(number, **values))
    return result


def until_healthy(storage: Storage) -> None:
    eventually(lambda: not storage.trouble, 20, "the store is healthy again")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)])
    if made.returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_and_recovers(small_disk: Path) -> None:
    store = DurableStore(f"sqlite:///{small_disk / 'store.db'}")
    stored = 0
    while (result := put(store, stored, body=b"x" * 30_000)).kind is StoreKind.STORED:
        stored += 1
    assert "full" in result.detail
    assert stored > 10
    assert put(store, stored, body=b"x" * 30_000).kind is StoreKind.FAILED
    # Reads go on.
    found = store.call(store.storage.messages.pending, BOB, 0, 1000)
    assert len(found) == stored
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    until_healthy(store.storage)
    assert put(store, stored, body=b"x" * 30_000).kind is StoreKind.STORED
    store.reopen()
    assert len(store.call(store.storage.messages.pending, BOB, 0, 1000)) == stored + 1
    store.close()


def test_a_file_without_room_refuses_and_recovers(sqlite_store: DurableStore) -> None:
    """The same without root: SQLite is told that its file may not grow."""
    store = sqlite_store
    limit = [1]  # pages; never fewer than there are

    def connected(connection: sqlite3.Connection, record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={limit[0]}").fetchall()

    event.listen(store.storage.database.engine, "connect", connected)
    store.storage.writer._drop_connection()  # nothing is under way yet
    results = [put(store, number, body=b"x" * 30_000) for number in range(5)]
    assert results[-1].kind is StoreKind.FAILED
    assert "full" in results[-1].detail
    assert store.call(store.storage.messages.pending, BOB, 0, 10) is not None
    assert store.storage.trouble
    limit[0] = 2**30
    with store.storage.database.reading() as connection:
        raise_limit = connection.exec_driver_sql(f"PRAGMA max_page_count={limit[0]}")
        assert raise_limit.scalar() == limit[0]


@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_a_file_that_goes_is_not_written_to(how: str, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = DurableStore(f"sqlite:///{path}")
    assert put(store, 1).kind is StoreKind.STORED
    away = tmp_path / "away.db"
    path.rename(away)
    if how == "removed":
        away.unlink()
    elif how == "replaced":
        path.write_bytes(b"something else")
    for number in (2, 3):
        assert put(store, number).kind is StoreKind.FAILED
    assert store.flush() is False
    if how == "moved":
        assert not path.exists()
        away.rename(path)
        until_healthy(store.storage)
        assert put(store, 2).kind is not StoreKind.FAILED
    else:
        assert store.storage.trouble
    store.storage.close()


def test_a_lock_held_too_long_refuses_and_recovers(sqlite_store: DurableStore) -> None:
    store = sqlite_store
    assert put(store, 1).kind is StoreKind.STORED
    other = sqlite3.connect(str(store.storage.database.path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    stored = put(store, 2)
    assert (stored.kind, stored.detail) == (StoreKind.FAILED, "database is locked")
    assert store.call(store.storage.messages.expire, WALL, 1) is None
    other.execute("ROLLBACK")
    other.close()
    until_healthy(store.storage)
    assert put(store, 2).kind is StoreKind.STORED


@pytest.mark.peer("initdb")
def test_a_server_that_goes_and_comes_back() -> None:
    with running_server() as server:
        store = DurableStore(server.new_database())
        storage = store.storage
        assert put(store, 1).kind is StoreKind.STORED
        server.stop()
        for _ in range(2):
            assert put(store, 2).kind is StoreKind.FAILED
        assert store.call(storage.messages.mark, [mark(StoreResult(StoreKind.STORED))]) is False
        assert store.call(storage.messages.pending, BOB, 0, 10) is None
        assert store.call(storage.messages.expire, WALL, 1) is None
        storage.ledger.note(entry(1))
        assert store.flush() is False
        assert storage.ledger.waiting == 1
        assert storage.trouble
        server.start()
        until_healthy(storage)
        assert put(store, 2).kind is StoreKind.STORED
        assert store.flush() is True
        assert storage.stats.ledger_rows == 1
        store.close()


@pytest.mark.peer("initdb")
def test_a_cut_connection_costs_one_group_at_most(server: PostgresServer) -> None:
    store = DurableStore(server.emptied_database())
    assert put(store, 1).kind is StoreKind.STORED
    server.disconnect_all()
    # The writer may have noticed by itself before the next group.
    failed = 0
    while put(store, 2).kind is not StoreKind.STORED:
        failed += 1
    assert failed <= 1
    assert store.storage.stats.reconnects == 1
    assert len(store.call(store.storage.messages.pending, BOB, 0, 10)) == 2
    store.close()


def lose_the_next_answer(store: DurableStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next group be committed, and the writer not hear of it."""

    def lose(point: str) -> None:
        if point == AFTER_COMMIT:
            monkeypatch.undo()
            raise StorageUnavailable("store", "the connection is lost")

    monkeypatch.setattr(store.storage.writer, "_reach", lose)


def test_what_expired_unheard_is_told_with_the_next(
    sqlite_store: DurableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = sqlite_store
    expire = store.storage.messages.expire
    assert put(store, 1).kind is StoreKind.STORED
    lose_the_next_answer(store, monkeypatch)
    assert store.call(expire, message(1).expires_at, 10) is None
    until_healthy(store.storage)
    assert put(store, 2).kind is StoreKind.STORED
    (gone,) = store.call(expire, message(1).expires_at, 10)
    assert gone.id == message(1).id
    assert store.call(expire, message(1).expires_at, 10) == []


def test_a_parcel_committed_unheard_becomes_messages(
    sqlite_store: DurableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = sqlite_store
    told: list[list[tuple[str, bool]]] = []
    store.storage.on_unheard(told.append)
    one = message(1)
    bundle = Bundle(b"identity", one.sender, one.head, one.body, False, [one])
    results: list[CopiesResult] = []
    lose_the_next_answer(store, monkeypatch)
    store.storage.jobs.store_copies([], None, results.append, bundle)
    store.run_until(lambda: bool(results))
    assert results[0].copies is None
    until_healthy(store.storage)
    store.run_until(lambda: bool(told))
    assert told == [[(BOB, False)]]
    (found,) = store.call(store.storage.messages.pending, BOB, 0, 10)
    assert (found.message.id, found.message.body) == (one.id, one.body)


@pytest.mark.parametrize("copies", [False, True], ids=["message", "copies"])
def test_what_was_committed_unheard_is_told_when_the_store_is_back(
    sqlite_store: DurableStore, monkeypatch: pytest.MonkeyPatch, copies: bool
) -> None:
    store = sqlite_store
    told: list[list[tuple[str, bool]]] = []
    store.storage.on_unheard(told.append)
    assert put(store, 1).kind is StoreKind.STORED
    lose_the_next_answer(store, monkeypatch)
    if copies:
        store.call(store.storage.jobs.store_copies, [message(2)], None)
    else:
        assert put(store, 2).kind is StoreKind.FAILED
    until_healthy(store.storage)
    assert put(store, 2).kind is StoreKind.DUPLICATE
    store.run_until(lambda: bool(told))
    assert told == [[(BOB, False)]]
    assert put(store, 3).kind is StoreKind.STORED
    assert len(told) == 1


def test_an_operation_that_cannot_be_written_fails_alone(durable: DurableStore) -> None:
    results: list[StoreResult] = []
    for number in range(40):
        sender = "sip:\ud800@ims.test" if number in (13, 29) else "sip:alice@ims.test"
        durable.storage.messages.store(message(number, sender=sender), results.append)
    durable.run_until(lambda: len(results) == 40)
    failed = {result.id for result in results if result.kind is StoreKind.FAILED}
    assert failed == {message(13).id, message(29).id}
    assert {result.kind for result in results} == {StoreKind.FAILED, StoreKind.STORED}
    assert not durable.storage.trouble
    found = durable.call(durable.storage.messages.pending, BOB, 0, 100)
    assert len(found) == 38
    seqs = [one.seq for one in found]
    assert seqs == sorted(seqs)


def test_a_fault_of_our_own_fails_one_operation(durable: DurableStore) -> None:
    results: list[StoreResult] = []
    for number in range(20):
        broken: Any = object() if number == 5 else message(number)
        durable.storage.messages._submit(
            durable.storage.messages.lanes[0], broken, results.append if number != 5 else None
        )
    durable.run_until(lambda: len(results) == 19)
    assert {result.kind for result in results} == {StoreKind.STORED}
    assert not durable.storage.trouble


def test_too_many_waiting_operations_are_refused_at_once(open_store: OpenStore) -> None:
    store = open_store(queue_limit=10)
    results: list[StoreResult] = []
    for number in range(5000):
        store.storage.messages.store(message(number), results.append)
    store.run_until(lambda: len(results) == 5000)
    refused = [result for result in results if result.kind is StoreKind.FAILED]
    assert refused
    assert refused[0].detail == "too many operations are waiting"
    assert store.storage.stats.refused == len(refused)
    found = store.call(store.storage.messages.pending, BOB, 0, 5000)
    assert len(found) == 5000 - len(refused)


def test_a_callback_that_fails_does_not_keep_the_others_waiting(durable: DurableStore) -> None:
    results: list[StoreResult] = []

    def fail(result: StoreResult) -> None:
        raise RuntimeError("a bug")

    for number in range(10):
        done = fail if number == 3 else results.append
        durable.storage.messages.store(message(number), done)
    durable.run_until(lambda: len(results) == 9)


def test_closing_writes_what_waits_and_refuses_what_comes(durable: DurableStore) -> None:
    results: list[StoreResult] = []
    for number in range(100):
        durable.storage.messages.store(message(number), results.append)
    durable.storage.ledger.note(entry(1))
    durable.storage.close()
    durable.storage.messages.store(message(100), results.append)
    durable.run_until(lambda: len(results) == 101)
    kinds = [result.kind for result in results]
    assert kinds.count(StoreKind.STORED) == 100
    assert results[-1].detail == "closing"
    assert durable.storage.stats.ledger_rows == 1


def test_bindings_fail_with_the_store(sqlite_store: DurableStore) -> None:
    other = sqlite3.connect(str(sqlite_store.storage.database.path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    append = sqlite_store.storage.locations.append
    assert sqlite_store.call(append, BOB, AorState((binding(1),), {}), 0.0, WALL) is False
    other.execute("ROLLBACK")
    other.close()
    until_healthy(sqlite_store.storage)
    assert sqlite_store.call(append, BOB, AorState((binding(1),), {}), 0.0, WALL) is True
