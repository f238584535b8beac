# SPDX-License-Identifier: Apache-2.0
"""Service accounts in the database: users whose messages a program takes instead of a device.

A service account is an account with a password that nobody knows, and a row that says where its
messages go. Every verb is one transaction, and blocks.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import exc, insert, select, update

from imsnode.identity.accounts import make_account

from .accounts import Accounts, account_values, refuse_named
from .database import Database
from .errors import AccountExists, AccountUnknown
from .schema import account, service

__all__ = ["ServiceAccount", "ServiceAccounts"]


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Who takes the messages of an address of record.

    webhook: URL they are posted to, "" when they are fetched. secret: signs what is posted.
    events: whether what becomes of messages it sent is posted too.
    """

    aor: str
    webhook: str
    secret: str
    created_at: float
    events: bool = False


class ServiceAccounts:
    """The service accounts of one store.

    Every method raises StorageUnavailable or StoreDamaged when the store fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def load_all(self) -> list[ServiceAccount]:
        """Return every service account, by address of record."""
        with self._database.reading() as connection:
            rows = connection.execute(select(service).order_by(service.c.aor))
            return [
                ServiceAccount(row.aor, row.webhook, row.secret, row.created_at, bool(row.events))
                for row in rows
            ]

    def add(self, new: ServiceAccount, display_name: str = "") -> None:
        """Add a service account together with its account.

        Raises: AccountExists.
        """
        made = make_account(new.aor, secrets.token_urlsafe(32), display_name=display_name)
        try:
            with self._database.writing() as connection:
                refuse_named(connection, new.aor)
                connection.execute(insert(account).values(account_values(made)))
                connection.execute(
                    insert(service).values(
                        aor=new.aor,
                        webhook=new.webhook,
                        secret=new.secret,
                        created_at=new.created_at,
                        events=int(new.events),
                    )
                )
        except exc.IntegrityError:
            raise AccountExists(new.aor) from None

    def change(
        self,
        aor: str,
        webhook: str | None = None,
        secret: str | None = None,
        events: bool | None = None,
    ) -> None:
        """Change where messages go, what signs them, what is told. Raises: AccountUnknown."""
        told = None if events is None else int(events)
        values = {"webhook": webhook, "secret": secret, "events": told}
        given = {name: value for name, value in values.items() if value is not None}
        with self._database.writing() as connection:
            done = connection.execute(update(service).where(service.c.aor == aor).values(**given))
        if not done.rowcount:
            raise AccountUnknown(aor)

    def remove(self, aor: str) -> None:
        """Remove a service account and its account. Raises: AccountUnknown."""
        with self._database.reading() as connection:
            known = connection.execute(select(service.c.aor).where(service.c.aor == aor)).first()
        if known is None:
            raise AccountUnknown(aor)
        Accounts(self._database).remove(aor)
