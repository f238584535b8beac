# SPDX-License-Identifier: Apache-2.0
"""Every port of storage is held to its contract in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imsnode.storage import Database
from tests.support.postgres import PostgresServer, running_server
from tests.support.stores import DurableStore, MemoryStore

ENGINES = (
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.peer("initdb")),
)
OpenStore = Callable[..., DurableStore]


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole run."""
    with running_server() as running:
        yield running


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a store without anything in it is as a file: it takes a while to make."""
    file = tmp_path_factory.mktemp("new") / "store.db"
    with Database(f"sqlite:///{file}") as database:
        database.upgrade()
    return file.read_bytes()


@pytest.fixture
def sqlite_url(new_store: bytes, tmp_path: Path) -> str:
    """The address of an empty store in a file."""
    file = tmp_path / "store.db"
    file.write_bytes(new_store)
    return f"sqlite:///{file}"


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store."""
    if request.param == "sqlite":
        made: str = request.getfixturevalue("sqlite_url")
        return made
    running: PostgresServer = request.getfixturevalue("server")
    return running.emptied_database()


@pytest.fixture
def open_store(url: str) -> Iterator[OpenStore]:
    """Open the store with other settings; closed at the end of the test."""
    opened: list[DurableStore] = []

    def open_it(**settings: Any) -> DurableStore:
        opened.append(DurableStore(url, **settings))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def durable(open_store: OpenStore) -> DurableStore:
    """A store in a database."""
    return open_store()


@pytest.fixture(params=("memory", *ENGINES))
def store(request: pytest.FixtureRequest) -> Iterator[DurableStore | MemoryStore]:
    """Every implementation in turn."""
    made: DurableStore | MemoryStore
    if request.param == "memory":
        made = MemoryStore()
    elif request.param == "sqlite":
        made = DurableStore(request.getfixturevalue("sqlite_url"))
    else:
        running: PostgresServer = request.getfixturevalue("server")
        made = DurableStore(running.emptied_database())
    yield made
    made.close()
