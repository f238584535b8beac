# SPDX-License-Identifier: Apache-2.0
"""Service profiles: the filter criteria of users, as the documents they were given in; blocks."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, insert, select

from .database import Database
from .schema import service_profile

__all__ = ["StoredProfiles"]


class StoredProfiles:
    """The service profiles of one store, by address of record or "*@DOMAIN".

    Every method raises StorageUnavailable or StoreDamaged when the store fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def load_all(self) -> dict[str, bytes]:
        """Return every document."""
        columns = service_profile.c
        with self._database.reading() as connection:
            rows = connection.execute(select(service_profile).order_by(columns.aor))
            return {row.aor: row.document.encode() for row in rows}

    def put(self, names: Iterable[str], document: bytes) -> None:
        """Make a document the profile of all these."""
        with self._database.writing() as connection:
            for aor in names:
                connection.execute(delete(service_profile).where(service_profile.c.aor == aor))
                values = {"aor": aor, "document": document.decode()}
                connection.execute(insert(service_profile).values(**values))

    def remove(self, aor: str) -> bool:
        """Forget a profile; False when there is none."""
        with self._database.writing() as connection:
            gone = connection.execute(delete(service_profile).where(service_profile.c.aor == aor))
        return gone.rowcount > 0
