# SPDX-License-Identifier: Apache-2.0
"""Tokens of the HTTP API in the database: every verb is one transaction, and blocks."""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from imsnode.identity.tokens import ApiToken

from .database import Database
from .schema import api_token

__all__ = ["Tokens"]


class Tokens:
    """The tokens of one store.

    Every method raises StorageUnavailable or StoreDamaged when the store fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def load_all(self) -> list[ApiToken]:
        """Return every token, oldest first, those that are over too."""
        rows = select(api_token).order_by(api_token.c.created_at, api_token.c.id)
        with self._database.reading() as connection:
            return [
                ApiToken(
                    row.id,
                    row.digest,
                    row.name,
                    tuple(row.scopes.split()),
                    tuple(row.senders.split()),
                    row.created_at,
                    row.expires_at,
                )
                for row in connection.execute(rows)
            ]

    def add(self, token: ApiToken) -> None:
        """Keep a new token."""
        with self._database.writing() as connection:
            connection.execute(
                insert(api_token).values(
                    id=token.id,
                    digest=token.digest,
                    name=token.name,
                    scopes=" ".join(token.scopes),
                    senders=" ".join(token.senders),
                    created_at=token.created_at,
                    expires_at=token.expires_at,
                )
            )

    def remove(self, identity: str) -> bool:
        """Forget a token; False when there is none of this id."""
        with self._database.writing() as connection:
            gone = connection.execute(delete(api_token).where(api_token.c.id == identity))
        return gone.rowcount > 0
