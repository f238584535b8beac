# SPDX-License-Identifier: Apache-2.0
"""Is this our store, and is it whole? Looked at before anything is written (threats.md D9).

A store of a gigabyte cannot be read through at every start, so the check at start takes the small
tables first, stops at its deadline, and then probes the large ones from end to end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Table, exc, func, inspect, select

from .errors import StorageUnavailable, StoreDamaged
from .schema import REVISION, binding_journal, ledger_block, message, metadata

__all__ = ["CheckReport", "check_header", "find_problems"]

_SQLITE_MAGIC = b"SQLite format 3\x00"
_HEADER_OCTETS = 100
_PROBES = 64
_PROGRESS_STEPS = 20_000  # virtual machine steps between two looks at the clock


@dataclass(slots=True)
class CheckReport:
    """What a check found.

    complete: every octet was looked at; False when the time was up first.
    """

    revision: str
    head: str
    backend: str
    problems: list[str] = field(default_factory=list)
    complete: bool = True

    @property
    def ok(self) -> bool:
        """True when nothing is wrong as far as was looked."""
        return not self.problems


def check_header(name: str, path: Path) -> None:
    """Refuse a file that SQLite would not open, or would open and find cut off.

    Raises: StoreDamaged, StorageUnavailable (cannot be read).
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_OCTETS)
    except OSError as error:
        raise StorageUnavailable(name, error.strerror or str(error)) from error
    if not head:
        return
    if not head.startswith(_SQLITE_MAGIC) or len(head) < _HEADER_OCTETS:
        raise StoreDamaged(name, "is not a SQLite database")


def find_problems(connection: Connection, revision: str, seconds: float | None) -> CheckReport:
    """Check the store behind ``connection``; ``seconds`` None reads all of it."""
    report = CheckReport(revision, REVISION, connection.dialect.name)
    if connection.dialect.name == "sqlite":
        _check_sqlite(connection, report, seconds)
    else:
        _check_postgresql(connection, report)
    if revision == REVISION and not report.problems:
        _check_tables(connection, report)
    if revision == REVISION and not report.problems:
        _probe(connection, report)
    return report


def _check_sqlite(connection: Connection, report: CheckReport, seconds: float | None) -> None:
    size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    if size < 512:
        report.problems.append("has no valid page size")
        return
    if seconds is None:
        _run_check(connection, "PRAGMA integrity_check(20)", report)
        return
    names = inspect(connection).get_table_names()
    large = {message.name, ledger_block.name, binding_journal.name}
    deadline = time.monotonic() + seconds
    raw = connection.connection.driver_connection
    if raw is None:
        raise StorageUnavailable("storage", "connection lost")
    raw.set_progress_handler(lambda: int(time.monotonic() > deadline), _PROGRESS_STEPS)
    try:
        for name in sorted(names, key=lambda name: (name in large, name)):
            if not _run_check(connection, f'PRAGMA quick_check("{name}")', report):
                report.complete = False
                return
    finally:
        raw.set_progress_handler(None, 0)


def _run_check(connection: Connection, pragma: str, report: CheckReport) -> bool:
    """Run one of SQLite's checks; False when the deadline stopped it."""
    try:
        rows = connection.exec_driver_sql(pragma).scalars().all()
    except exc.OperationalError as error:
        if str(error.orig) == "interrupted":
            return False
        raise
    except exc.DatabaseError as error:
        report.problems.append(f"is damaged ({error.orig})")
        return True
    for row in rows:
        if row != "ok":
            report.problems.append("is damaged (" + " ".join(str(row).split()) + ")")
    return True


def _check_postgresql(connection: Connection, report: CheckReport) -> None:
    wanted = {"fsync": "on", "full_page_writes": "on", "server_encoding": "UTF8"}
    for name, value in wanted.items():
        found = connection.exec_driver_sql(f"SHOW {name}").scalar_one()
        if found != value:
            report.problems.append(f"runs with {name}={found}, {value} is needed")
    commit = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
    if commit in ("off", "local"):
        report.problems.append(f"runs with synchronous_commit={commit}, on is needed")


def _check_tables(connection: Connection, report: CheckReport) -> None:
    inspector = inspect(connection)
    found = set(inspector.get_table_names())
    for table in metadata.sorted_tables:
        if table.name not in found:
            report.problems.append(f"lacks the table {table.name}")
            continue
        columns = {column["name"] for column in inspector.get_columns(table.name)}
        for missing in sorted({column.name for column in table.columns} - columns):
            report.problems.append(f"lacks the column {table.name}.{missing}")


def _probe(connection: Connection, report: CheckReport) -> None:
    """Read rows spread evenly over the large tables, with all that hangs on them."""
    for table in (message, ledger_block, binding_journal):
        try:
            _probe_table(connection, table)
        except exc.DatabaseError as error:
            report.problems.append(f"is damaged in table {table.name} ({error.orig})")


def _probe_table(connection: Connection, table: Table) -> None:
    seq = table.c.seq
    # Two statements: SQLite answers each from one end of the table, both together by reading it.
    first = connection.execute(select(func.min(seq))).scalar()
    last = connection.execute(select(func.max(seq))).scalar()
    if first is None or last is None:
        return
    step = max(1, (last - first) // _PROBES)
    for start in range(first, last + 1, step):
        connection.execute(select(table).where(seq >= start).order_by(seq).limit(1)).all()
