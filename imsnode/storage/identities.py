# SPDX-License-Identifier: Apache-2.0
"""Public identities of accounts in the database."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from imsnode.identity.identities import PublicIdentity

from .schema import public_identity

__all__ = ["load_identities", "replace_identities"]


def load_identities(
    connection: Connection, aor: str | None = None
) -> dict[str, tuple[PublicIdentity, ...]]:
    """Return the identities by AoR, of all accounts or of one, in their order."""
    rows = select(public_identity).order_by(public_identity.c.aor, public_identity.c.place)
    if aor is not None:
        rows = rows.where(public_identity.c.aor == aor)
    found: dict[str, list[PublicIdentity]] = {}
    for row in connection.execute(rows):
        found.setdefault(row.aor, []).append(PublicIdentity(row.uri, row.barred))
    return {key: tuple(identities) for key, identities in found.items()}


def replace_identities(
    connection: Connection, aor: str, identities: tuple[PublicIdentity, ...]
) -> None:
    """Give an account these identities and no others."""
    connection.execute(delete(public_identity).where(public_identity.c.aor == aor))
    if identities:
        rows = [
            {"uri": one.uri, "aor": aor, "place": place, "barred": one.barred}
            for place, one in enumerate(identities)
        ]
        connection.execute(insert(public_identity), rows)
