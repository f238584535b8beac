# SPDX-License-Identifier: Apache-2.0
"""Changes to a room as values: made by an operator, a program or a moderator in the room alike.

An edit is given the room as the store has it at that moment and returns the room that is wanted,
so that two changes at once lose nothing of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final
from unicodedata import category

from .ports import Edit
from .values import Access, Member, Role, Room

__all__ = [
    "LONGEST_TEXT",
    "RoomRefused",
    "chain",
    "create",
    "remove",
    "set_banned",
    "set_member",
    "set_members",
    "set_muted",
    "set_nickname",
    "set_pager",
    "set_rules",
    "unset_members",
]

#: Characters of a room's name, and of its topic.
LONGEST_TEXT: Final = 256
#: Categories of characters that no document can hold: controls, halves of characters.
_UNSHOWN: Final = frozenset(("Cc", "Cs"))


class RoomRefused(Exception):
    """A change to a room that cannot be made; str() says why."""


def create(room: Room, most_members: int = 1 << 30) -> Edit:
    """Make a room."""

    def edit(there: Room | None) -> Room:
        if there is not None:
            raise RoomRefused(f"{room.aor} exists already")
        _check_size(room, most_members)
        _check_rules(room)
        return room

    return edit


def remove(aor: str) -> Edit:
    """Remove a room with its history."""

    def edit(there: Room | None) -> None:
        _existing(there, aor)

    return edit


def set_rules(
    aor: str,
    *,
    display_name: str | None = None,
    subject: str | None = None,
    access: Access | None = None,
    moderated: bool | None = None,
    nicknames: bool | None = None,
    private_messages: bool | None = None,
    history: int | None = None,
    retention_s: float | None = None,
    expires_at: float | None = None,
) -> Edit:
    """Change what is given."""
    given = {
        "display_name": display_name,
        "subject": subject,
        "access": access,
        "moderated": moderated,
        "nicknames": nicknames,
        "private_messages": private_messages,
        "history": history,
        "retention_s": retention_s,
        "expires_at": expires_at,
    }
    wanted = {name: value for name, value in given.items() if value is not None}

    def edit(there: Room | None) -> Room:
        made = replace(_existing(there, aor), **wanted)  # type: ignore[arg-type]
        _check_rules(made)
        return made

    return edit


def set_members(
    aor: str, people: Iterable[str], role: Role | None = None, most_members: int = 1 << 30
) -> Edit:
    """Let people belong to a room; those who do keep their role, unless one is given.

    A ban ends.
    """
    wanted = tuple(people)

    def edit(there: Room | None) -> Room:
        room = _existing(there, aor)
        members = dict(room.members)
        for who in wanted:
            known = members.get(who, Member(who))
            members[who] = replace(known, role=role or known.role, banned=False)
        made = replace(room, members=members)
        _check_owner(room, made)
        _check_size(made, most_members)
        return made

    return edit


def chain(edits: Iterable[Edit]) -> Edit:
    """Do one edit after the other, or none of them."""
    every = tuple(edits)

    def edit(there: Room | None) -> Room | None:
        for each in every:
            there = each(there)
        return there

    return edit


def set_member(
    aor: str,
    who: str,
    role: Role | None = None,
    banned: bool | None = None,
    muted: bool | None = None,
    pager: bool | None = None,
    most_members: int = 1 << 30,
) -> Edit:
    """Let somebody be known to a room as it is given, all at once."""

    def edit(there: Room | None) -> Room:
        room = _existing(there, aor)
        known = room.members.get(who, Member(who))
        given = {"role": role, "banned": banned, "muted": muted, "pager": pager}
        wanted = {name: value for name, value in given.items() if value is not None}
        made = _with(room, replace(known, **wanted))  # type: ignore[arg-type]
        _check_owner(room, made)
        _check_size(made, most_members)
        return made

    return edit


def unset_members(aor: str, people: Iterable[str]) -> Edit:
    """Let people belong to a room no more."""
    gone = frozenset(people)

    def edit(there: Room | None) -> Room:
        room = _existing(there, aor)
        strangers = sorted(gone - room.members.keys())
        if strangers:
            raise RoomRefused(f"{strangers[0]} is no member of {aor}")
        left = {who: member for who, member in room.members.items() if who not in gone}
        made = replace(room, members=left)
        _check_owner(room, made)
        return made

    return edit


def set_banned(aor: str, who: str, banned: bool, most_members: int = 1 << 30) -> Edit:
    """Keep somebody out, member or not, or let them in again."""

    def edit(there: Room | None) -> Room:
        room = _existing(there, aor)
        known = room.members.get(who, Member(who, Role.VISITOR))
        if not banned and not known.banned:
            raise RoomRefused(f"{who} is not banned from {aor}")
        if banned or known.role is not Role.VISITOR:
            made = _with(room, replace(known, banned=banned))
        else:  # known for the ban alone
            made = replace(
                room, members={name: one for name, one in room.members.items() if name != who}
            )
        _check_owner(room, made)
        _check_size(made, most_members)
        return made

    return edit


def set_muted(aor: str, who: str, muted: bool, most_members: int = 1 << 30) -> Edit:
    """Take the voice of somebody, member or not, or give it back."""

    def edit(there: Room | None) -> Room:
        room = _existing(there, aor)
        known = room.members.get(who)
        if known is None and (not muted or room.role_of(who) is None):
            raise RoomRefused(f"{who} is no member of {aor}")
        made = _with(room, replace(known or Member(who, Role.VISITOR), muted=muted))
        _check_size(made, most_members)
        return made

    return edit


def set_nickname(aor: str, who: str, nickname: str) -> Edit:
    """Remember the nickname of a member; that of others is not kept."""
    return _of_member(aor, who, lambda member: replace(member, nickname=nickname))


def set_pager(aor: str, who: str, pager: bool) -> Edit:
    """Remember how messages of the room reach a member."""
    return _of_member(aor, who, lambda member: replace(member, pager=pager))


def _of_member(aor: str, who: str, changed: Callable[[Member], Member]) -> Edit:
    def edit(there: Room | None) -> Room:
        room = _existing(there, aor)
        member = room.members.get(who)
        if member is None:
            raise RoomRefused(f"{who} is no member of {aor}")
        return _with(room, changed(member))

    return edit


def _existing(there: Room | None, aor: str) -> Room:
    if there is None:
        raise RoomRefused(f"there is no room {aor}")
    return there


def _with(room: Room, member: Member) -> Room:
    return replace(room, members={**room.members, member.aor: member})


def _check_owner(before: Room, after: Room) -> None:
    """Refuse to leave a room that has owners without any."""
    if _owners(before) and not _owners(after):
        raise RoomRefused(f"{after.aor} would have no owner: make somebody else one first")


def _owners(room: Room) -> bool:
    return any(one.role is Role.OWNER and not one.banned for one in room.members.values())


def _check_rules(room: Room) -> None:
    """Refuse what cannot be shown or kept."""
    for what, text in (("name", room.display_name), ("topic", room.subject)):
        if len(text) > LONGEST_TEXT:
            raise RoomRefused(f"the {what} is longer than {LONGEST_TEXT} characters")
        if any(category(character) in _UNSHOWN for character in text):
            raise RoomRefused(f"the {what} holds a control character")
    if room.history < 0 or room.retention_s <= 0:
        raise RoomRefused("a history of less than nothing cannot be kept")


def _check_size(room: Room, most_members: int) -> None:
    if len(room.members) > most_members:
        raise RoomRefused(f"{room.aor} may have {most_members} members")
