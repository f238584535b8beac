# SPDX-License-Identifier: Apache-2.0
"""Rows of rooms, read and written in the transaction of whoever asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from session_msrp.rooms.audit import RoomEvent
from session_msrp.rooms.values import Access, Member, Page, Role, Room, RoomMessage

from .schema import (
    account,
    public_identity,
    recipient_group,
    room,
    room_event,
    room_member,
    room_message,
)

__all__ = [
    "delete_room",
    "holder_of",
    "insert_events",
    "read_events",
    "read_history",
    "read_newest",
    "read_next",
    "read_page",
    "read_room",
    "read_rooms",
    "users_among",
    "write_room",
    "write_seen",
]

_CHUNK = 500
#: Of a page of the history; one message may be larger.
_PAGE_MESSAGES = 256
_PAGE_BYTES = 256 * 1024


def read_rooms(connection: Connection) -> list[Room]:
    """Return every room, by AoR."""
    members: dict[str, dict[str, Member]] = {}
    people = select(room_member).order_by(room_member.c.room, room_member.c.member)
    for row in connection.execute(people):
        members.setdefault(row.room, {})[row.member] = _member(row)
    rows = connection.execute(select(room).order_by(room.c.aor))
    return [_room(row, members.get(row.aor, {})) for row in rows]


def read_room(connection: Connection, aor: str) -> Room | None:
    """Return one room."""
    row = connection.execute(select(room).where(room.c.aor == aor)).first()
    if row is None:
        return None
    people = select(room_member).where(room_member.c.room == aor).order_by(room_member.c.member)
    return _room(row, {one.member: _member(one) for one in connection.execute(people)})


def write_room(connection: Connection, before: Room | None, after: Room) -> None:
    """Write what differs between a room as it is kept and as it is wanted.

    What has reached a member is written by `write_seen` alone, but for members who are new.
    """
    values = _room_values(after)
    if before is None:
        connection.execute(insert(room).values(values))
    elif values != _room_values(before):
        connection.execute(update(room).where(room.c.aor == after.aor).values(values))
    had = {} if before is None else before.members
    gone = [who for who in had if who not in after.members]
    if gone:
        c = room_member.c
        connection.execute(delete(room_member).where(c.room == after.aor, c.member.in_(gone)))
    fresh = [_member_values(after.aor, m) for who, m in after.members.items() if who not in had]
    if fresh:
        # Nothing is owed to new members of what was said before they were members.
        newest = read_newest(connection, after.aor).get(after.aor, 0)
        for values in fresh:
            values["seen"] = newest or values["seen"]
        connection.execute(insert(room_member), fresh)
    for who, member in after.members.items():
        if who in had and member != had[who]:
            changed = _member_values(after.aor, member)
            del changed["seen"]
            connection.execute(_one_member(after.aor, who).values(changed))


def delete_room(connection: Connection, aor: str) -> None:
    """Remove a room with its members and messages; what happened in it is kept for its time."""
    connection.execute(delete(room_member).where(room_member.c.room == aor))
    connection.execute(delete(room_message).where(room_message.c.room == aor))
    connection.execute(delete(room).where(room.c.aor == aor))


def write_seen(connection: Connection, aor: str, who: str, number: int) -> None:
    """Note up to which number messages have reached a member; it never goes back."""
    one = _one_member(aor, who).where(room_member.c.seen < number)
    connection.execute(one.values(seen=number))


def read_page(connection: Connection, aor: str, after: int, limit: int) -> list[RoomMessage]:
    """Return the first ``limit`` messages behind a number, oldest first."""
    c = room_message.c
    rows = select(room_message).where(c.room == aor, c.number > after)
    return [_message(row) for row in connection.execute(rows.order_by(c.number).limit(limit))]


def read_next(connection: Connection, aor: str, after: int, newest: int) -> Page:
    """Return the first of the ``newest`` messages behind a number, 0: of all, oldest first.

    So many as a page holds, and one at least where there is any.
    """
    c = room_message.c
    behind = (c.room == aor) & (c.number > after)
    if newest:
        numbers = select(c.number).where(behind).order_by(c.number.desc())
        older = connection.execute(numbers.offset(newest).limit(1)).scalar()
        behind = (c.room == aor) & (c.number > (after if older is None else older))
    sizes = select(c.number, func.length(c.body)).where(behind).order_by(c.number)
    found = connection.execute(sizes.limit(_PAGE_MESSAGES + 1)).all()
    count = octets = 0
    for _, size in found[:_PAGE_MESSAGES]:
        octets += size
        if count and octets > _PAGE_BYTES:
            break
        count += 1
    last = found[count - 1].number if count else 0
    page = select(room_message).where(behind, c.number <= last).order_by(c.number)
    messages = [_message(row) for row in connection.execute(page)]
    return Page(messages, count < len(found))


def read_history(connection: Connection, aor: str, after: int, limit: int) -> list[RoomMessage]:
    """Return the newest ``limit`` messages behind a number, oldest first."""
    c = room_message.c
    rows = select(room_message).where(c.room == aor, c.number > after)
    newest = connection.execute(rows.order_by(c.number.desc()).limit(limit)).all()
    return [_message(row) for row in reversed(newest)]


def read_newest(connection: Connection, aor: str = "") -> dict[str, int]:
    """Return the number of the newest message, by room; of one room when it is named."""
    c = room_message.c
    newest = select(c.room, func.max(c.number)).group_by(c.room)
    if aor:
        newest = newest.where(c.room == aor)
    return {row[0]: row[1] for row in connection.execute(newest)}


def insert_events(connection: Connection, events: Sequence[RoomEvent]) -> None:
    """Write down what happened, in this order."""
    last = connection.execute(select(func.max(room_event.c.number))).scalar() or 0
    rows = []
    for event in events:
        last = max(last + 1, int(event.at * 1e6))
        rows.append({"number": last, **asdict(event)})
    if rows:
        connection.execute(insert(room_event), rows)


def read_events(connection: Connection, aor: str) -> Iterator[RoomEvent]:
    """Give what happened in a room, oldest first."""
    rows = select(room_event).where(room_event.c.room == aor).order_by(room_event.c.number)
    for row in connection.execute(rows):
        yield RoomEvent(row.room, row.at, row.act, row.actor, row.who, row.detail)


def users_among(connection: Connection, aors: Sequence[str]) -> set[str]:
    """Return those who have an account."""
    found: set[str] = set()
    for start in range(0, len(aors), _CHUNK):
        part = account.c.aor.in_(aors[start : start + _CHUNK])
        found.update(connection.execute(select(account.c.aor).where(part)).scalars())
    return found


def holder_of(connection: Connection, aor: str) -> str:
    """Say what has an address that a room cannot have for that reason; "" when nothing has."""
    for column, what in (
        (account.c.aor, "a user"),
        (public_identity.c.uri, "a user"),
        (recipient_group.c.aor, "a group"),
    ):
        if connection.execute(select(column).where(column == aor)).first() is not None:
            return what
    return ""


def _one_member(aor: str, who: str) -> Any:  # SQLAlchemy's own type says no more
    return update(room_member).where(room_member.c.room == aor, room_member.c.member == who)


def _room(row: Row[Any], members: dict[str, Member]) -> Room:
    return Room(
        row.aor,
        row.display_name,
        row.subject,
        Access(row.access),
        row.moderated,
        row.nicknames,
        row.private_messages,
        row.history,
        row.retention,
        row.expires_at,
        row.idle,
        row.created_at,
        members,
    )


def _room_values(one: Room) -> dict[str, object]:
    return {
        "aor": one.aor,
        "display_name": one.display_name,
        "subject": one.subject,
        "access": one.access.value,
        "moderated": one.moderated,
        "nicknames": one.nicknames,
        "private_messages": one.private_messages,
        "history": one.history,
        "retention": one.retention_s,
        "expires_at": one.expires_at,
        "idle": one.idle_s,
        "created_at": one.created_at,
    }


def _member(row: Row[Any]) -> Member:
    return Member(
        row.member, Role(row.role), row.banned, row.muted, row.nickname, row.pager, row.seen
    )


def _member_values(aor: str, one: Member) -> dict[str, object]:
    return {
        "room": aor,
        "member": one.aor,
        "role": one.role.value,
        "banned": one.banned,
        "muted": one.muted,
        "nickname": one.nickname,
        "pager": one.pager,
        "seen": one.seen,
    }


def _message(row: Row[Any]) -> RoomMessage:
    return RoomMessage(
        row.room, row.number, row.id, row.sender, row.nickname, row.at, bytes(row.body)
    )
