# SPDX-License-Identifier: Apache-2.0
"""What users want, in the database: changes are one transaction each, and block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import delete, insert, select

from pager.screening import Strangers, UserPolicy

from .database import Database
from .errors import AccountUnknown
from .schema import account, user_policy

__all__ = ["UserPolicies"]


class UserPolicies:
    """The policies of one store.

    Every method raises StorageUnavailable or StoreDamaged when the store fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def load_all(self) -> Iterator[UserPolicy]:
        """Give every policy, by address of record."""
        with self._database.reading() as connection:
            for row in connection.execute(select(user_policy).order_by(user_policy.c.aor)):
                yield _policy(row)

    def get(self, aor: str) -> UserPolicy | None:
        """Return the policy of a canonical address of record; None when it has none."""
        query = select(user_policy).where(user_policy.c.aor == aor)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else _policy(row)

    def change(self, aor: str, edit: Callable[[UserPolicy], UserPolicy], wall: float) -> UserPolicy:
        """Replace the policy of a user by what ``edit`` makes of it; one that is empty goes.

        Raises: AccountUnknown; whatever ``edit`` raises, and then nothing is changed.
        """
        mine = user_policy.c.aor == aor
        with self._database.writing() as connection:
            known = select(account.c.aor).where(account.c.aor == aor)
            if connection.execute(known).first() is None:
                raise AccountUnknown(aor)
            row = connection.execute(select(user_policy).where(mine)).first()
            changed = edit(UserPolicy(aor) if row is None else _policy(row))
            connection.execute(delete(user_policy).where(mine))
            if not changed.empty(wall):
                connection.execute(insert(user_policy).values(_values(changed)))
        return changed


def _values(one: UserPolicy) -> dict[str, object]:
    return {
        "aor": one.aor,
        "block": "\n".join(sorted(one.block)),
        "allow": "\n".join(sorted(one.allow)),
        "types": "\n".join(one.types),
        "size": one.size,
        "strangers": one.strangers or "",
        "muted_until": one.muted_until,
    }


def _policy(row: Any) -> UserPolicy:  # a result row has no static type
    return UserPolicy(
        row.aor,
        frozenset(row.block.split("\n")) if row.block else frozenset(),
        frozenset(row.allow.split("\n")) if row.allow else frozenset(),
        tuple(row.types.split("\n")) if row.types else (),
        row.size,
        Strangers(row.strangers) if row.strangers else None,
        row.muted_until,
    )
