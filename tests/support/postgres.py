# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of the test run's own: made in a folder, reached over a Unix socket."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from imsnode.storage import Database
from imsnode.storage.schema import metadata
from tests.support.programs import find

__all__ = ["PostgresServer", "running_server"]

_START_S = 30
_USER = "postgres"


class PostgresServer:
    """A server that can be stopped and started again."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries = binaries
        self._folder = folder
        self._data = folder / "data"
        self._databases = 0
        self._prepared = ""

    def _run(self, program: str, *arguments: str) -> None:
        # The server refuses to run as root; the package's own user is there for that.
        other = _USER if os.geteuid() == 0 else None
        with (self._folder / "commands").open("ab+") as output:  # the server inherits it too
            done = subprocess.run(
                [str(self._binaries / program), *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=60,
                user=other,
                group=other,
                extra_groups=None if other is None else [],
            )
        if done.returncode:
            said = (self._folder / "commands").read_text(errors="replace")
            raise RuntimeError(f"{program} failed:\n{said}")

    def make(self) -> None:
        """Make the cluster of databases."""
        self._run(
            "initdb", "-D", str(self._data), "-A", "trust", "-U", "postgres", "-E", "UTF8",
            "--no-sync", "--wal-segsize=1",
        )  # fmt: skip

    def start(self, *settings: str) -> None:
        """Start, with further settings such as ``fsync=off``."""
        options = f"-k {self._folder} -c listen_addresses= -p 5432"
        for setting in settings:
            options += f" -c {setting}"
        self._run(
            "pg_ctl", "-D", str(self._data), "-o", options, "-l", str(self._folder / "log"),
            "-w", "-t", str(_START_S), "start",
        )  # fmt: skip

    def stop(self, mode: str = "immediate") -> None:
        """Stop; "immediate" is what a crash looks like to clients."""
        self._run("pg_ctl", "-D", str(self._data), "-m", mode, "-w", "stop")

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://postgres@/{database}?host={self._folder}&port=5432"

    def new_database(self) -> str:
        """Make an empty database and return its address."""
        self._databases += 1
        name = f"test{self._databases}"
        with psycopg.connect(
            host=str(self._folder), port=5432, user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def emptied_database(self) -> str:
        """Return the address of a database with the tables of a store and nothing in them."""
        if not self._prepared:
            self._prepared = self.new_database()
            with Database(self._prepared) as database:
                database.upgrade()
        names = ", ".join(table.name for table in metadata.sorted_tables)
        with Database(self._prepared) as database, database.writing() as connection:
            connection.exec_driver_sql(f"TRUNCATE {names}")
        return self._prepared

    def disconnect_all(self) -> None:
        """Cut every connection but our own."""
        with psycopg.connect(
            host=str(self._folder), port=5432, user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Make and start a server; stop it and remove it at the end."""
    initdb = find("initdb")
    if initdb is None:
        raise RuntimeError("PostgreSQL is not installed")
    # Not in pytest's folders: those are closed to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="imsnode-pg-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            user = pwd.getpwnam(_USER)
            os.chown(folder, user.pw_uid, user.pw_gid)
        server = PostgresServer(Path(initdb).parent, folder)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
