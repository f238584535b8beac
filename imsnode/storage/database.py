# SPDX-License-Identifier: Apache-2.0
"""Where the store is and how it is opened: engine settings, migration, checks at start.

Durability is set here and nowhere else (threats.md D1): SQLite journals ahead (WAL) and syncs
every commit (synchronous=FULL); PostgreSQL must run with fsync and gets synchronous_commit=on.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, exc, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from .errors import SchemaOutdated, SchemaTooNew, StorageUnavailable, StoreDamaged
from .integrity import CheckReport, check_header, find_problems
from .schema import KNOWN_REVISIONS, REVISION
from .statements import execute_raw

__all__ = ["Database", "leaves_connection_whole", "read_only", "reason_of"]

_BUSY_S = 2.0  # another process holds the lock: so long, then the caller is told
_CACHE_KIB = 16 * 1024
_WAL_PAGES = 8192  # write-ahead log at which its pages go home: 32 MiB
_WAL_BYTES = 64 * 1024 * 1024  # what is left of the log file after that
_READ_ONLY = "imsnode_read_only"
# A statement may wait for a lock, and a dead server for its answer, about two seconds.
_POSTGRESQL_OPTIONS = (
    "-c synchronous_commit=on -c lock_timeout=2000 -c idle_in_transaction_session_timeout=60000"
)
_MIGRATION_LOCK = 0x494D534E  # "IMSN"
_MIGRATION_WAIT_MS = 60_000  # for another node that migrates

# The driver asks octets how they want to be stored, with several failing look-ups each time,
# unless somebody has said so: as they are.
sqlite3.register_adapter(bytes, bytes.__bytes__)


def leaves_connection_whole(error: BaseException) -> bool:
    """Tell errors after which the connection goes on working.

    On a full disk it had better not be closed: SQLite could not open it again, and reads go on.
    """
    original = error.orig if isinstance(error, exc.DBAPIError) else None
    return isinstance(original, sqlite3.Error) and original.sqlite_errorname in (
        "SQLITE_FULL",
        "SQLITE_BUSY",
        "SQLITE_BUSY_SNAPSHOT",
        "SQLITE_LOCKED",
    )


def reason_of(error: BaseException) -> str:
    """Return one line for the operator, without statement text or values."""
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        error = error.orig
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def read_only(connection: Connection) -> Iterator[None]:
    """Let transactions begun in the block take no write lock."""
    connection.execution_options(**{_READ_ONLY: True})
    try:
        yield
    finally:
        connection.execution_options(**{_READ_ONLY: False})


class Database:
    """One store, by URL: ``sqlite:////path/file.db`` or ``postgresql://...``.

    Connects when something is asked for. Safe to use from any thread; every method takes and
    gives back a connection of its own.
    """

    def __init__(self, url: str) -> None:
        try:
            self._url = _normalised(make_url(url))
        except (exc.ArgumentError, ValueError) as error:
            raise StorageUnavailable("storage", f"not a database address: {error}") from None
        self.name = _display(self._url)
        self.engine = _make_engine(self._url)
        sqlite = self._url.get_backend_name() == "sqlite"
        # The file of a SQLite store, None for a server.
        self.path = Path(self._url.database or "") if sqlite else None

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what the engine holds."""
        self.engine.dispose()

    def identity(self) -> tuple[int, int]:
        """Tell which file the path leads to now; nothing of the kind for a server.

        SQLite goes on writing to a file that was removed or replaced; comparing this after a
        commit tells whether what was written can be found again.

        Raises: StorageUnavailable when there is no file.
        """
        if self.path is None:
            return 0, 0
        try:
            status = self.path.stat()
        except OSError as error:
            raise StorageUnavailable(self.name, error.strerror or str(error)) from error
        return status.st_dev, status.st_ino

    def connect(self) -> Connection:
        """Open a connection that writes; never makes a SQLite file.

        Raises: StorageUnavailable, StoreDamaged (the file is no SQLite database).
        """
        try:
            return self.engine.connect()
        except exc.DBAPIError as error:
            raise self._failure(error) from error

    @contextmanager
    def opened(self) -> Iterator[Connection]:
        """Give a connection; transactions are the caller's.

        Raises: StorageUnavailable, StoreDamaged, also for what goes wrong inside the block;
            sqlalchemy's IntegrityError passes.
        """
        with self.connect() as connection:
            try:
                yield connection
            except exc.IntegrityError:
                raise
            except exc.DBAPIError as error:
                raise self._failure(error) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that takes no write lock, inside one transaction; see `opened`."""
        with self.opened() as connection, read_only(connection), connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection inside one transaction that commits when the block ends well.

        Raises: see `opened`.
        """
        with self.opened() as connection, connection.begin():
            yield connection

    def revision(self, connection: Connection) -> str:
        """Return the schema revision, "" for an empty store.

        Raises: SchemaTooNew; StoreDamaged when the tables in it are somebody else's.
        """
        tables = set(inspect(connection).get_table_names())
        if "alembic_version" not in tables:
            if tables:
                raise StoreDamaged(self.name, "holds tables that are not of imsnode")
            return ""
        rows = connection.exec_driver_sql("SELECT version_num FROM alembic_version").fetchall()
        if not rows:
            return ""
        if len(rows) > 1:
            raise StoreDamaged(self.name, "has more than one schema revision")
        found = str(rows[0][0])
        if found not in KNOWN_REVISIONS:
            raise SchemaTooNew(self.name, found, REVISION)
        return found

    def upgrade(self, check_seconds: float = 1.5) -> tuple[str, str]:
        """Bring the schema to this release in one transaction; make a missing SQLite file.

        A damaged store is refused before anything is changed. Two processes may call this at
        once: the second one finds the work done.

        Returns: revision before and after.
        Raises: StorageUnavailable, StoreDamaged, SchemaTooNew.
        """
        path = self.path
        if path is not None:
            _make_file(self.name, path)
            check_header(self.name, path)
        with self.reading() as connection:
            before = self.revision(connection)
            problems = find_problems(connection, before, seconds=check_seconds).problems
        if problems:
            raise StoreDamaged(self.name, problems[0])
        if before == REVISION:
            return before, before
        with self.writing() as connection:
            if self.path is None:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_MIGRATION_WAIT_MS}")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            if self.revision(connection) != REVISION:
                _migrate(connection)
        return before, REVISION

    def check(self, full: bool = False, seconds: float = 1.5) -> CheckReport:
        """Look for damage without changing anything.

        Args: full: read the whole store, however long it takes; else stop after ``seconds``.
        Raises: StorageUnavailable, StoreDamaged (cannot even be opened), SchemaTooNew,
            SchemaOutdated.
        """
        path = self.path
        if path is not None:
            if not path.exists():
                raise StorageUnavailable(self.name, "does not exist: run imsnode db upgrade")
            check_header(self.name, path)
        report = None
        try:
            with self.reading() as connection:
                found = self.revision(connection)
                if found != REVISION:
                    raise SchemaOutdated(self.name, found, REVISION)
                report = find_problems(connection, found, seconds=None if full else seconds)
        except StoreDamaged:
            # SQLite may not even end the transaction in which damage was found.
            if report is None or report.ok:
                raise
        return report

    def _failure(self, error: exc.DBAPIError) -> StorageUnavailable | StoreDamaged:
        reason = reason_of(error)
        original = error.orig
        if isinstance(original, sqlite3.DatabaseError) and original.sqlite_errorname in (
            "SQLITE_CORRUPT",
            "SQLITE_NOTADB",
        ):
            return StoreDamaged(self.name, reason)
        return StorageUnavailable(self.name, reason)


def _normalised(url: URL) -> URL:
    backend = url.get_backend_name()
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise ValueError("sqlite needs a file")
        return url.set(drivername="sqlite+pysqlite")
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise ValueError(f"{backend} is not supported, sqlite and postgresql are")


def _display(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(drivername="postgresql").render_as_string(hide_password=True)


def _make_engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        # mode=rw: a file that has gone must not come back empty.
        name = f"file:{quote(str(url.database))}?mode=rw"
        engine = create_engine(
            url,
            poolclass=NullPool,
            hide_parameters=True,
            creator=lambda: sqlite3.connect(
                name,
                uri=True,
                timeout=_BUSY_S,
                isolation_level=None,
                cached_statements=512,
                check_same_thread=False,
            ),
        )
        event.listen(engine, "connect", _set_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={
            "connect_timeout": 2,
            "tcp_user_timeout": 1500,
            "keepalives_idle": 5,
            "options": _POSTGRESQL_OPTIONS,
        },
    )


def _set_sqlite(connection: sqlite3.Connection, record: object) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"cache_size=-{_CACHE_KIB}",
        f"wal_autocheckpoint={_WAL_PAGES}",
        f"journal_size_limit={_WAL_BYTES}",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _begin_sqlite(connection: Connection) -> None:
    # The driver's own transaction handling leaves table definitions outside; we say BEGIN.
    lock = "" if connection.get_execution_options().get(_READ_ONLY) else " IMMEDIATE"
    execute_raw(connection, f"BEGIN{lock}", ())


def _make_file(name: str, path: Path) -> None:
    # The HA1s in it are as good as passwords for its realm: nobody else may read the file.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StorageUnavailable(name, error.strerror or str(error)) from error


def _migrate(connection: Connection) -> None:
    # Imported here: a store that is up to date, which is nearly every start, needs no Alembic.
    from alembic import command
    from alembic.config import Config

    config = Config()
    directory = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", directory.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
