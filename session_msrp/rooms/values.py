# SPDX-License-Identifier: Apache-2.0
"""A room as it is kept: its rules, its members, its messages.

All times are wall time in epoch seconds, because all of it outlives a process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["MODERATORS", "Access", "Member", "Page", "Role", "Room", "RoomMessage"]


class Role(StrEnum):
    """What somebody is in a room."""

    OWNER = "owner"
    MODERATOR = "moderator"
    MEMBER = "member"
    VISITOR = "visitor"  # comes in because the room is open, or was let in without a voice


class Access(StrEnum):
    """Who may come into a room."""

    OPEN = "open"  # everybody who was authenticated
    MEMBERS = "members"
    PRIVATE = "private"  # members, and nobody else learns that the room exists


#: Who may remove, ban and mute others, invite, and set the topic.
MODERATORS = frozenset((Role.OWNER, Role.MODERATOR))


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody a room knows.

    banned: kept out; the row stays so that the ban does. pager: gets messages of the room as
    MESSAGE, having no MSRP. seen: number of the newest message they have got.
    """

    aor: str
    role: Role = Role.MEMBER
    banned: bool = False
    muted: bool = False
    nickname: str = ""
    pager: bool = False
    seen: int = 0


@dataclass(frozen=True, slots=True)
class Room:
    """A room, whoever is in it now.

    aor: canonical, like that of a user. moderated: visitors may not speak. nicknames,
    private_messages: whether they are allowed here. history: messages kept at most, 0 for none;
    retention_s: how long. expires_at: when it ends by itself, 0.0 for never. idle_s: so long it
    goes on with nobody in it, 0.0 for ever; rooms made on demand have one. members: by AoR.
    """

    aor: str
    display_name: str = ""
    subject: str = ""
    access: Access = Access.MEMBERS
    moderated: bool = False
    nicknames: bool = True
    private_messages: bool = True
    history: int = 100
    retention_s: float = 30 * 86400.0
    expires_at: float = 0.0
    idle_s: float = 0.0
    created_at: float = 0.0
    members: Mapping[str, Member] = field(default_factory=dict)

    def role_of(self, aor: str) -> Role | None:
        """Return what somebody is here; None for who may not come in."""
        member = self.members.get(aor)
        if member is None:
            return Role.VISITOR if self.access is Access.OPEN else None
        return None if member.banned else member.role

    def may_speak(self, aor: str) -> bool:
        """Say whether the room takes messages from somebody."""
        role = self.role_of(aor)
        if role is None or (self.moderated and role is Role.VISITOR):
            return False
        member = self.members.get(aor)
        return member is None or not member.muted

    def may_moderate(self, aor: str) -> bool:
        """Say whether somebody may remove, ban, mute and invite others, and set the topic."""
        return self.role_of(aor) in MODERATORS

    def is_known_to(self, aor: str) -> bool:
        """Say whether somebody may learn that the room exists."""
        return self.access is not Access.PRIVATE or self.role_of(aor) is not None


@dataclass(frozen=True, slots=True)
class RoomMessage:
    """A message to a whole room, as its members get it.

    number: place in the order of commits, rising from room to room; 0 until it is kept. id: of the
    ledger. nickname: of the sender at that time, "" for none. body: message/cpim.
    """

    room: str
    number: int
    id: str
    sender: str
    nickname: str
    at: float
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """Messages of a room that follow each other, oldest first. more: others follow."""

    messages: Sequence[RoomMessage]
    more: bool = False
