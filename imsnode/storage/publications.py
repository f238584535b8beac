# SPDX-License-Identifier: Apache-2.0
"""The journal of publications: each PUBLISH appends the whole state of its publication.

The octets are a line of times (milliseconds of wall time), lines with the entity tag and the media
type, and the body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import delete

from presence.publication.publication import KeptPublication

from .database import Database
from .errors import StoreDamaged
from .journal import JournalLane, read_journal
from .lanes import Submit
from .schema import publication_journal

__all__ = ["Publications", "read_publications", "remove_publications"]

_VERSION = b"1"


class Publications:
    """`presence.publication.publication.PublicationStore`."""

    def __init__(self, database: Database, submit: Submit) -> None:
        self.lane = JournalLane(database, publication_journal)
        self._database = database
        self._submit = submit

    def append(
        self, number: int, kept: KeptPublication | None, done: Callable[[bool], None]
    ) -> None:
        """Keep a publication, None to forget it; see the port."""
        item = (number, "", "", b"")
        if kept is not None:
            item = (number, kept.resource, kept.package, _encode(kept))
        self._submit(self.lane, item, done)

    def load(self) -> Iterator[tuple[int, KeptPublication]]:
        """Give every publication; once, before the first `append`. Blocks.

        Raises: StorageUnavailable, StoreDamaged.
        """
        index, entries = read_journal(self._database, publication_journal)
        self.lane.adopt(index)
        return _decoded(self._database, list(entries.values()))


def read_publications(database: Database) -> Iterator[tuple[int, KeptPublication]]:
    """Give every publication, beside a running node or without one; blocks.

    Raises: StorageUnavailable, StoreDamaged.
    """
    entries = read_journal(database, publication_journal)[1]
    return _decoded(database, sorted(entries.values()))


def remove_publications(database: Database, resource: str) -> int:
    """Remove what is published about a resource in a store that no node uses now.

    Returns: how many entries there were.
    Raises: StorageUnavailable, StoreDamaged.
    """
    which = publication_journal.c.resource == resource
    with database.writing() as connection:
        return connection.execute(delete(publication_journal).where(which)).rowcount


def _decoded(
    database: Database, entries: list[tuple[int, str, str, bytes]]
) -> Iterator[tuple[int, KeptPublication]]:
    for number, resource, package, data in entries:
        if data:
            try:
                yield number, _decode(resource, package, data)
            except ValueError as error:
                text = f"publication {number} is damaged"
                raise StoreDamaged(database.name, text) from error


def _encode(kept: KeptPublication) -> bytes:
    times = b"%b %d %d" % (_VERSION, int(kept.since * 1000), int(kept.expires_at * 1000))
    return b"\n".join((times, kept.etag, kept.content_type, kept.body))


def _decode(resource: str, package: str, data: bytes) -> KeptPublication:
    times, etag, content_type, body = data.split(b"\n", 3)
    version, since, expires = times.split(b" ")
    if version != _VERSION:
        raise ValueError("unknown version")
    return KeptPublication(
        package, resource, etag, int(since) / 1000, int(expires) / 1000, content_type, body
    )
