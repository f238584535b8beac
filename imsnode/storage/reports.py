# SPDX-License-Identifier: Apache-2.0
"""Reports of spam with their evidence.

A report is made once and never changed: what is known of the message at that moment is copied, so
that the evidence outlives the message and the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b, sha256

from sqlalchemy import Connection, Dialect, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from .database import Database
from .lanes import Submit
from .schema import spam_report

__all__ = ["Report", "ReportLane", "ReportRetention", "Reports", "make_report"]

_PAUSE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Report:
    """One report.

    id: the same for the same reporter and message. how: "607" (a device's answer, RFC 8197), "user"
    or "operator". head: header lines joined by CRLF, b"" when the message was not kept. body_hash:
    SHA-256 of the body in hexadecimal, "" when the body is not known.
    """

    id: str
    at: float
    reporter: str
    how: str
    reason: str
    message_id: str
    sender: str
    recipient: str
    head: bytes
    body: bytes
    body_hash: str


def make_report(
    reporter: str,
    how: str,
    reason: str,
    message_id: str,
    sender: str,
    recipient: str,
    head: bytes,
    body: bytes,
    wall: float,
) -> Report:
    """Make a report; see `Report` for the values."""
    seed = f"{message_id}\n{reporter}".encode()
    identity = "r" + blake2b(seed, digest_size=8).hexdigest()
    digest = sha256(body).hexdigest() if head or body else ""
    return Report(
        identity, wall, reporter, how, reason, message_id, sender, recipient, head, body, digest
    )


class ReportLane:
    """Writes reports; one that is there already is left as it is."""

    reads = False

    def __init__(self, dialect: Dialect) -> None:
        made = (postgresql if dialect.name == "postgresql" else sqlite).insert(spam_report)
        self._insert = made.on_conflict_do_nothing(index_elements=["id"])

    def attach(self, connection: Connection) -> None:
        """Nothing is kept that a lost connection could make wrong."""

    def execute(self, connection: Connection, items: Sequence[Report]) -> list[bool]:
        """Write a group."""
        connection.execute(self._insert, [asdict(one) for one in items])
        return [True] * len(items)

    def committed(self) -> None:
        """Nothing depends on it."""

    def failed(self, item: Report, reason: str) -> bool:
        """Give it up."""
        return False


class ReportRetention:
    """In the background: removes reports older than ``retention_s``."""

    def __init__(self, wall: Callable[[], float], retention_s: float) -> None:
        self.retention_s = retention_s
        self._wall = wall
        self._next_at = 0.0

    def attach(self, connection: Connection) -> None:
        """Nothing is kept that a lost connection could make wrong."""

    def due(self, now: float, urgent: bool) -> bool:
        """True once a pause."""
        return now >= self._next_at

    def step(self, connection: Connection) -> bool:
        """Remove what is too old; there is never much of it."""
        limit = self._wall() - self.retention_s
        connection.execute(delete(spam_report).where(spam_report.c.at < limit))
        return False

    def committed(self, now: float) -> None:
        """Pause."""
        self._next_at = now + _PAUSE_S

    def failed(self, now: float, refused: bool) -> None:
        """Try again after the pause."""
        self._next_at = now + _PAUSE_S


class Reports:
    """The reports of one store. ``submit`` and ``wall`` are for a node, not for a command."""

    def __init__(
        self,
        database: Database,
        submit: Submit | None = None,
        wall: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._wall = wall
        self.lane = ReportLane(database.engine.dialect)
        self._database = database
        self._submit = submit

    def note(self, report: Report, done: Callable[[bool], None] | None = None) -> None:
        """Keep a report, by the writer."""
        if self._submit is None:
            raise TypeError("there is no writer")
        self._submit(self.lane, report, done)

    def unwanted(
        self, message_id: str, sender: str, recipient: str, head: bytes, body: bytes
    ) -> None:
        """Keep the report that a device made with its answer."""
        at = self._wall()
        self.note(make_report(recipient, "607", "", message_id, sender, recipient, head, body, at))

    def add(self, report: Report) -> bool:
        """Keep a report; False when it is there already. Blocks."""
        known = select(spam_report.c.id).where(spam_report.c.id == report.id)
        with self._database.writing() as connection:
            if connection.execute(known).first() is not None:
                return False
            connection.execute(insert(spam_report).values(asdict(report)))
        return True

    def list(self, sender: str | None = None, limit: int = 100) -> list[Report]:
        """Return the newest reports, of one sender or of all, newest first. Blocks."""
        page = select(spam_report).order_by(spam_report.c.at.desc(), spam_report.c.id).limit(limit)
        if sender is not None:
            page = page.where(spam_report.c.sender == sender)
        with self._database.reading() as connection:
            return [Report(*row) for row in connection.execute(page)]

    def get(self, identity: str) -> Report | None:
        """Return one report. Blocks."""
        query = select(spam_report).where(spam_report.c.id == identity)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else Report(*row)
