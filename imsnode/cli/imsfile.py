# SPDX-License-Identifier: Apache-2.0
"""What a file of users may say besides: private and public identities, SIM cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .cards import check_private, read_card, seal_card
from .errors import UsageError
from .identities import BARRED, canonical_identity

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.identity.accounts import Account

__all__ = ["completed"]


def completed(config: Config, account: Account, row: dict[str, str]) -> Account:
    """Return an account with what its line says in the columns of IMS. Raises: UsageError."""
    from imsnode.identity.accounts import hashes_of
    from imsnode.identity.identities import PublicIdentity

    given = {name: value.strip() for name, value in row.items() if value}
    impi = given.get("impi")
    if impi:
        check_private(impi)
        hashes = hashes_of(impi, account.realm, row.get("password", ""))
        account = account.changed(user=impi, **hashes)
    if given.get("aka_k"):
        card = read_card(
            given.get("aka_algorithm", "milenage"), given["aka_k"], given.get("aka_op"),
            given.get("aka_opc"), given.get("aka_amf", "8000"),
        )  # fmt: skip
        sealed = seal_card(config, account.aor, card)
        account = account.changed(aka=sealed, algorithms=("AKAv1-MD5",))
    elif any(name.startswith("aka_") for name in given):
        raise UsageError("a SIM card needs aka_k")
    identities = tuple(
        PublicIdentity(canonical_identity(config, word.removeprefix(BARRED)), word[:1] == BARRED)
        for word in given.get("identities", "").split()
    )
    if len({one.uri for one in identities} | {account.aor}) <= len(identities):
        raise UsageError("an identity is given twice")
    return account.changed(identities=identities)
