# SPDX-License-Identifier: Apache-2.0
"""Short messages in the database: parts until the message is whole, and what a centre has taken.

Every verb is one transaction, and blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select

from sip.bodies.segments import Place

from .database import Database
from .schema import sms_part, sms_sent

__all__ = ["PARTS", "PARTS_OF_ONE", "Part", "Sent", "ShortMessages"]

PARTS = 10_000  # that may wait for the rest of their messages
PARTS_OF_ONE = 1_000  # of these, from one source


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it came. source, destination: as the centre writes them."""

    source: str
    destination: str
    place: Place
    coding: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """One short message that a centre took under `id`; see the table."""

    smsc: str
    id: str
    message_id: str
    sender: str
    recipient: str
    call_id: bytes
    asked: bytes
    total: int
    at: float


class ShortMessages:
    """Parts and what was sent, of one store.

    Every method raises StorageUnavailable or StoreDamaged when the store fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep_part(self, part: Part, at: float) -> list[Part] | None:
        """Keep a part, the same one once; returns all of its message when none is missing.

        Phones count their messages in 8 bits: another text in the place of one that is kept is of
        a new message, and the old one, which never became whole, is forgotten.

        Returns: an empty list while some are; None when there is no room for more.
        """
        place = part.place
        key = _key(part)
        with self._database.writing() as connection:
            rows = connection.execute(select(sms_part.c.number, sms_part.c.data).where(key))
            known = {row.number: bytes(row.data) for row in rows}
            if known.get(place.number, part.data) != part.data:
                connection.execute(delete(sms_part).where(key))
                known = {}
            if place.number not in known:
                if not _has_room(connection, part.source):
                    return None
                connection.execute(
                    insert(sms_part).values(
                        source=part.source,
                        destination=part.destination,
                        reference=place.reference,
                        total=place.total,
                        number=place.number,
                        coding=part.coding,
                        data=part.data,
                        at=at,
                    )
                )
            if len({*known, place.number}) < place.total:
                return []
            rows = connection.execute(select(sms_part).where(key).order_by(sms_part.c.number))
            return [
                Part(
                    row.source,
                    row.destination,
                    Place(row.reference, row.total, row.number),
                    row.coding,
                    row.data,
                )
                for row in rows
            ]

    def forget_parts(self, part: Part) -> None:
        """Forget all parts of a message."""
        with self._database.writing() as connection:
            connection.execute(delete(sms_part).where(_key(part)))

    def keep_sent(self, sent: Sequence[Sent]) -> None:
        """Keep what a centre took; an id that it gave before counts anew."""
        with self._database.writing() as connection:
            for one in sent:
                again = and_(sms_sent.c.smsc == one.smsc, sms_sent.c.id == one.id)
                connection.execute(delete(sms_sent).where(again))
                connection.execute(
                    insert(sms_sent).values(
                        smsc=one.smsc,
                        id=one.id,
                        message_id=one.message_id,
                        sender=one.sender,
                        recipient=one.recipient,
                        call_id=one.call_id,
                        asked=one.asked,
                        total=one.total,
                        at=one.at,
                    )
                )

    def find_sent(self, smsc: str, ids: Sequence[str]) -> Sent | None:
        """Return what was sent under the first of these ids that there is."""
        wanted = and_(sms_sent.c.smsc == smsc, sms_sent.c.id.in_(ids))
        with self._database.reading() as connection:
            found = [Sent(*row) for row in connection.execute(select(sms_sent).where(wanted))]
        return min(found, key=lambda one: ids.index(one.id), default=None)

    def settle(self, sent: Sent, whole: bool) -> int:
        """Forget one short message, or all parts of its message; returns how many are left."""
        own = and_(sms_sent.c.smsc == sent.smsc, sms_sent.c.id == sent.id)
        message = sms_sent.c.message_id == sent.message_id
        with self._database.writing() as connection:
            connection.execute(delete(sms_sent).where(message if whole else own))
            left = select(func.count()).select_from(sms_sent).where(message)
            return int(connection.execute(left).scalar_one())

    def forget_before(self, parts_at: float, sent_at: float) -> int:
        """Forget parts and sent messages of before; returns how many parts went."""
        with self._database.writing() as connection:
            gone = connection.execute(delete(sms_part).where(sms_part.c.at < parts_at))
            connection.execute(delete(sms_sent).where(sms_sent.c.at < sent_at))
        return gone.rowcount


def _has_room(connection: Connection, source: str) -> bool:
    count = select(func.count()).select_from(sms_part)
    own = connection.execute(count.where(sms_part.c.source == source)).scalar_one()
    return own < PARTS_OF_ONE and connection.execute(count).scalar_one() < PARTS


def _key(part: Part) -> ColumnElement[bool]:
    return and_(
        sms_part.c.source == part.source,
        sms_part.c.destination == part.destination,
        sms_part.c.reference == part.place.reference,
        sms_part.c.total == part.place.total,
    )
