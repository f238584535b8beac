# SPDX-License-Identifier: Apache-2.0
"""SIM cards of accounts: sealed keys, and how far their sequence numbers are set aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from imsnode.identity.accounts import AkaSubscription

from .lanes import Submit
from .schema import aka_card

__all__ = ["CardLane", "Cards", "load_cards", "replace_card"]

_Reserved = tuple[str, int]  # AoR and the highest SEQ set aside


class CardLane:
    """Sets sequence numbers aside; the last of an account in a group counts."""

    reads = False

    def __init__(self) -> None:
        self._keep = (
            update(aka_card)
            .where(aka_card.c.aor == bindparam("card"))
            .values(reserved=bindparam("upto"))
        )

    def attach(self, connection: Connection) -> None:
        """Nothing is kept that a lost connection could make wrong."""

    def execute(self, connection: Connection, items: Sequence[_Reserved]) -> list[bool]:
        """Write a group; False for a card that is gone."""
        there = {
            aor: bool(connection.execute(self._keep, {"card": aor, "upto": upto}).rowcount)
            for aor, upto in dict(items).items()
        }
        return [there[aor] for aor, _ in items]

    def committed(self) -> None:
        """Nothing depends on it."""

    def failed(self, item: _Reserved, reason: str) -> bool:
        """Nothing was set aside."""
        return False


class Cards:
    """`imsnode.identity.auc.Sequences` of one store."""

    def __init__(self, submit: Submit) -> None:
        self.lane = CardLane()
        self._submit = submit

    def keep(self, aor: str, reserved: int, done: Callable[[bool], None]) -> None:
        """Set sequence numbers aside."""
        self._submit(self.lane, (aor, reserved), done)


def load_cards(connection: Connection, aor: str | None = None) -> dict[str, AkaSubscription]:
    """Return the cards by AoR, all of them or that of one account."""
    rows = select(aka_card)
    if aor is not None:
        rows = rows.where(aka_card.c.aor == aor)
    return {
        row.aor: AkaSubscription(row.algorithm, bytes(row.amf), bytes(row.sealed), row.reserved)
        for row in connection.execute(rows)
    }


def replace_card(connection: Connection, aor: str, card: AkaSubscription | None) -> None:
    """Give an account another card, or none; the sequence numbers go on."""
    known = select(aka_card.c.reserved).where(aka_card.c.aor == aor)
    reserved = connection.execute(known).scalar() or 0
    connection.execute(delete(aka_card).where(aka_card.c.aor == aor))
    if card is not None:
        row = {
            "aor": aor,
            "algorithm": card.algorithm,
            "amf": card.amf,
            "sealed": card.sealed,
            "reserved": max(reserved, card.reserved),
        }
        connection.execute(insert(aka_card).values(row))
