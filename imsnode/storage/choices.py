# SPDX-License-Identifier: Apache-2.0
"""What users chose for their own history, in the database."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from imsnode.history import Choice, keep_text, parse_keep

from .database import Database
from .schema import history_choice

__all__ = ["Choices", "replace_choice"]

_CARBONS = {None: "", True: "on", False: "off"}


class Choices:
    """The choices of one store; every method blocks.

    Raises: StorageUnavailable, StoreDamaged.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, aors: list[str] | None = None) -> dict[str, Choice]:
        """Return the choices of some users, of all with None; who made none is not among them."""
        rows = select(history_choice)
        if aors is not None:
            rows = rows.where(history_choice.c.aor.in_(aors))
        with self._database.reading() as connection:
            return {
                aor: Choice(parse_keep(retention) if retention else None, _carbons(carbons), floor)
                for aor, retention, carbons, floor in connection.execute(rows)
            }

    def set(self, aor: str, choice: Choice) -> None:
        """Replace the choice of a user; one that chooses nothing is forgotten."""
        with self._database.writing() as connection:
            replace_choice(connection, aor, choice)


def replace_choice(connection: Connection, aor: str, choice: Choice) -> None:
    """Write the choice of a user in the running transaction."""
    connection.execute(delete(history_choice).where(history_choice.c.aor == aor))
    if choice != Choice():
        keep = choice.keep
        row = {
            "aor": aor,
            "retention": keep_text(keep) if keep is not None else "",
            "carbons": _CARBONS[choice.carbons],
            "floor": choice.floor,
        }
        connection.execute(insert(history_choice).values(row))


def _carbons(text: str) -> bool | None:
    return text == "on" if text else None
