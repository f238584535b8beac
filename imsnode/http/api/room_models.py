# SPDX-License-Identifier: Apache-2.0
"""What goes over the API about rooms, as it is checked and documented."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, StringConstraints

from session_msrp.rooms.audit import RoomEvent
from session_msrp.rooms.values import Access, Member, Role, Room, RoomMessage

from .models import Address, ApiModel, timestamp

__all__ = [
    "Called",
    "Invitation",
    "KnownMember",
    "MemberRules",
    "NewRoom",
    "Page",
    "Participants",
    "RoomEvents",
    "RoomMessages",
    "RoomRules",
    "RoomView",
    "Rooms",
    "Whole",
]

# Nothing that a client would show over several lines, or a terminal obey.
_Line = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]


class RoomRules(ApiModel):
    """What can be said of a room; what is left out stays as it is."""

    name: _Line | None = Field(default=None, description="Name shown to others.")
    topic: _Line | None = Field(default=None, description="What the room is about.")
    access: Access | None = Field(
        default=None,
        description="Who may come in: everybody, members, or members while nobody else learns "
        "that the room exists.",
    )
    moderated: bool | None = Field(default=None, description="Whether visitors only listen.")
    nicknames: bool | None = Field(default=None, description="Whether nicknames are allowed.")
    private_messages: bool | None = Field(
        default=None, description="Whether those in the room may write to one another."
    )
    history: int | None = Field(
        default=None, ge=0, le=100_000, description="Messages kept at most."
    )
    keep: float | None = Field(
        default=None, gt=0, le=2**31, description="Seconds for which messages are kept."
    )
    expires_in: float | None = Field(
        default=None, ge=0, le=2**31, description="Seconds until the room ends, 0 for never."
    )


class MemberRules(ApiModel):
    """What somebody is in a room; what is left out stays as it is."""

    role: Role | None = None
    banned: bool | None = Field(default=None, description="Whether they are kept out.")
    muted: bool | None = Field(default=None, description="Whether they only listen.")
    pager: bool | None = Field(
        default=None, description="Whether they get what is said as MESSAGE, without a session."
    )


class NewMember(MemberRules):
    """Somebody who belongs to a new room."""

    aor: Address


class NewRoom(RoomRules):
    """A room to be made."""

    aor: Address
    members: list[NewMember] = Field(default_factory=list, max_length=1000)


class KnownMember(ApiModel):
    """Somebody a room knows."""

    aor: str
    role: Role
    banned: bool
    muted: bool
    nickname: str
    pager: bool

    @classmethod
    def of(cls, member: Member) -> Self:
        """Return what is told of a member."""
        return cls(
            aor=member.aor,
            role=member.role,
            banned=member.banned,
            muted=member.muted,
            nickname=member.nickname,
            pager=member.pager,
        )


class RoomView(ApiModel):
    """A room as it is kept."""

    aor: str
    name: str
    topic: str
    access: Access
    moderated: bool
    nicknames: bool
    private_messages: bool
    history: int
    keep: float
    created_at: datetime
    expires_at: datetime | None = None
    members: int = Field(description="How many it knows.")

    @classmethod
    def of(cls, room: Room) -> Self:
        """Return what is told of a room."""
        return cls(**_facts(room), members=len(room.members))


class Whole(ApiModel):
    """A room with its members."""

    room: RoomView
    members: list[KnownMember]


class Rooms(ApiModel):
    """Rooms, by address."""

    rooms: list[RoomView]


class Participant(ApiModel):
    """A session in a room."""

    user: str
    role: str
    nickname: str
    since: datetime
    messages: int = Field(description="As many came from it.")


class Participants(ApiModel):
    """Who is in a room now."""

    participants: list[Participant]


class Invitation(ApiModel):
    """People to be called into a room; who is no member of it becomes one."""

    people: list[Address] = Field(min_length=1, max_length=100)


class Called(ApiModel):
    """How many of them are being called."""

    called: int


class Page(ApiModel):
    """Which messages of a history."""

    after: int = Field(
        default=0,
        ge=0,
        lt=2**63,
        description="The first messages behind this number; without it the newest ones.",
    )
    limit: int = Field(default=100, ge=1, le=1000, description="At most so many.")


class SaidInRoom(ApiModel):
    """A message of a room's history."""

    number: int = Field(description="Its place; grows from message to message.")
    id: str = Field(description="Message id, as in `imsnode why`.")
    sender: str
    nickname: str
    at: datetime
    cpim_base64: str = Field(description="The octets of the message, message/cpim.")

    @classmethod
    def of(cls, message: RoomMessage) -> Self:
        """Return what is told of a message."""
        return cls(
            number=message.number,
            id=message.id,
            sender=message.sender,
            nickname=message.nickname,
            at=timestamp(message.at),
            cpim_base64=base64.b64encode(message.body).decode(),
        )


class RoomMessages(ApiModel):
    """What was said, oldest first."""

    messages: list[SaidInRoom]


class Happened(ApiModel):
    """Something that happened in a room."""

    at: datetime
    act: str
    actor: str
    who: str
    detail: str

    @classmethod
    def of(cls, event: RoomEvent) -> Self:
        """Return what is told of an event."""
        return cls(
            at=timestamp(event.at),
            act=event.act,
            actor=event.actor,
            who=event.who,
            detail=event.detail,
        )


class RoomEvents(ApiModel):
    """What happened, oldest first."""

    events: list[Happened]


def _facts(room: Room) -> dict[str, object]:
    return {
        "aor": room.aor,
        "name": room.display_name,
        "topic": room.subject,
        "access": room.access,
        "moderated": room.moderated,
        "nicknames": room.nicknames,
        "private_messages": room.private_messages,
        "history": room.history,
        "keep": room.retention_s,
        "created_at": timestamp(room.created_at),
        "expires_at": timestamp(room.expires_at) if room.expires_at else None,
    }
