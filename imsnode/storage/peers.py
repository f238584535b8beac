# SPDX-License-Identifier: Apache-2.0
"""Peers that commands made: each as the settings of its `[[peer]]` table; every verb blocks."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import delete, exc, insert, select, update

from .database import Database
from .schema import peer

__all__ = ["StoredPeers"]


class StoredPeers:
    """The peers of one store.

    Every method raises StorageUnavailable or StoreDamaged when the store fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def load_all(self) -> dict[str, dict[str, object]]:
        """Return the settings of every peer, by name."""
        with self._database.reading() as connection:
            rows = connection.execute(select(peer).order_by(peer.c.name))
            return {row.name: json.loads(row.settings) for row in rows}

    def add(self, name: str, settings: Mapping[str, object]) -> bool:
        """Keep a new peer; False when there is one of this name."""
        try:
            with self._database.writing() as connection:
                connection.execute(insert(peer).values(name=name, settings=json.dumps(settings)))
        except exc.IntegrityError:
            return False
        return True

    def change(self, name: str, settings: Mapping[str, object]) -> bool:
        """Replace the settings of a peer; False when there is none of this name."""
        with self._database.writing() as connection:
            changed = connection.execute(
                update(peer).where(peer.c.name == name).values(settings=json.dumps(settings))
            )
        return changed.rowcount > 0

    def remove(self, name: str) -> bool:
        """Forget a peer; False when there is none of this name."""
        with self._database.writing() as connection:
            gone = connection.execute(delete(peer).where(peer.c.name == name))
        return gone.rowcount > 0
