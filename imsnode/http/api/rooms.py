# SPDX-License-Identifier: Apache-2.0
"""Rooms for programs: their rules and members, who is in them, what was said and happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from session_msrp.rooms import edits
from session_msrp.rooms.audit import RoomEvent
from session_msrp.rooms.ports import Edit
from session_msrp.rooms.values import Access, Member, Role, Room, RoomMessage

from ...identity.tokens import ApiToken
from ...storage.errors import StorageError
from .models import timestamp
from .operation import Call, Operation, Security
from .problems import Problem
from .room_models import (
    Called,
    Happened,
    Invitation,
    KnownMember,
    MemberRules,
    NewRoom,
    Page,
    Participant,
    Participants,
    RoomEvents,
    RoomMessages,
    RoomRules,
    Rooms,
    RoomView,
    SaidInRoom,
    Whole,
)

__all__ = ["RoomDesk", "room_operations"]

_READ, _WRITE = "rooms:read", "rooms:write"
_TEXTS = {
    "room": "Address of record of the room, such as sip:staff@ims.test.",
    "aor": "Address of record of a user.",
}


class RoomDesk(Protocol):
    """The rooms of a node."""

    @property
    def domains(self) -> Sequence[str]:
        """Where rooms can be."""
        ...

    @property
    def most_members(self) -> int:
        """So many people a room may know."""
        ...

    def address(self, text: str) -> str:
        """Return the canonical AoR of an address. Raises ValueError with the reason."""
        ...

    def rooms(self) -> list[Room]:
        """Return every room."""
        ...

    def room(self, aor: str) -> Room | None:
        """Return one room."""
        ...

    async def change_room(self, aor: str, edit: Edit, actor: str) -> Room | None:
        """Change, make or remove one room, and put it in force. Raises: RoomRefused."""
        ...

    def participants(self, aor: str) -> Sequence[Mapping[str, Any]]:
        """Say who is in a room now."""
        ...

    def kick(self, aor: str, who: str, actor: str) -> int:
        """Hang up on somebody in a room; returns how many sessions ended."""
        ...

    async def invite(self, aor: str, people: Sequence[str], actor: str) -> int:
        """Call people into a room; returns how many devices ring. Raises: RoomRefused."""
        ...

    async def room_history(self, aor: str, after: int, limit: int) -> list[RoomMessage]:
        """Return the first messages behind a number, the newest of all with 0; oldest first.

        Raises: StorageError.
        """
        ...

    async def room_events(self, aor: str) -> list[RoomEvent]:
        """Return what happened, oldest first. Raises: StorageError."""
        ...


def room_operations(
    desk: RoomDesk, security: Security, wall: Callable[[], float]
) -> list[Operation]:
    """Return the operations on rooms."""
    rooms = _Rooms(desk, wall)

    def operation(
        method: str, path: str, handler: Any, summary: str, scope: str, **more: Any
    ) -> Operation:
        problems = more.pop("problems", ("not-found", "unavailable"))
        return Operation(
            method, "/rooms" + path, handler, summary, security, scope, problems=problems,
            path_texts=_TEXTS, tag="rooms", **more,
        )  # fmt: skip

    changing = ("not-found", "not-now", "unavailable")
    return [
        operation("GET", "", rooms.list_rooms, "List rooms", _READ, answer=Rooms),
        operation(
            "POST", "", rooms.add_room, "Make a room", _WRITE, body=NewRoom, answer=RoomView,
            status=201, problems=("sender-not-allowed", "not-now", "unavailable"),
        ),
        operation("GET", "/{room}", rooms.show_room, "Show a room", _READ, answer=Whole),
        operation(
            "PATCH", "/{room}", rooms.change_room, "Change the rules of a room", _WRITE,
            body=RoomRules, answer=RoomView, problems=changing,
        ),
        operation(
            "DELETE", "/{room}", rooms.remove_room, "Remove a room with its history", _WRITE,
            problems=changing,
        ),
        operation(
            "PUT", "/{room}/members/{aor}", rooms.set_member,
            "Let somebody belong to a room, or change what they are there", _WRITE,
            body=MemberRules, answer=KnownMember, problems=changing,
        ),
        operation(
            "DELETE", "/{room}/members/{aor}", rooms.remove_member,
            "Let somebody belong to a room no more", _WRITE, problems=changing,
        ),
        operation(
            "GET", "/{room}/participants", rooms.list_participants, "Say who is in a room now",
            _READ, answer=Participants,
        ),
        operation(
            "DELETE", "/{room}/participants/{aor}", rooms.kick_participant,
            "Hang up on somebody in a room", _WRITE,
        ),
        operation(
            "POST", "/{room}/invitations", rooms.invite_people, "Call people into a room", _WRITE,
            body=Invitation, answer=Called, status=202, problems=changing,
        ),
        operation(
            "GET", "/{room}/messages", rooms.list_room_messages, "Read what was said in a room",
            _READ, query=Page, answer=RoomMessages,
        ),
        operation(
            "GET", "/{room}/events", rooms.list_events, "Read what happened in a room", _READ,
            answer=RoomEvents,
        ),
    ]  # fmt: skip


class _Rooms:
    """The handlers."""

    def __init__(self, desk: RoomDesk, wall: Callable[[], float]) -> None:
        self._desk = desk
        self._wall = wall

    async def list_rooms(self, call: Call) -> Rooms:
        """List the rooms that the token may act for."""
        token: ApiToken = call.caller
        mine = [room for room in self._desk.rooms() if token.may_act_for(room.aor)]
        return Rooms(rooms=[RoomView.of(room) for room in mine])

    async def add_room(self, call: Call) -> RoomView:
        """Make a room."""
        new: NewRoom = call.body
        token: ApiToken = call.caller
        aor = self._address("aor", new.aor)
        if aor.rpartition("@")[2] not in self._desk.domains or not token.may_act_for(aor):
            raise Problem("sender-not-allowed", f"the token may not make {aor}")
        members = {}
        for one in new.members:
            who = self._address("members", one.aor)
            members[who] = Member(
                who, one.role or Role.MEMBER, bool(one.banned), bool(one.muted), "", bool(one.pager)
            )
        bare = Room(
            aor, access=new.access or Access.MEMBERS, created_at=self._wall(), members=members
        )
        made = _rules(aor, new, self._wall())(bare)
        assert made is not None
        return RoomView.of(
            await self._change(aor, edits.create(made, self._desk.most_members), token)
        )

    async def show_room(self, call: Call) -> Whole:
        """Show a room."""
        room = self._room(call)
        members = [KnownMember.of(one) for _, one in sorted(room.members.items())]
        return Whole(room=RoomView.of(room), members=members)

    async def change_room(self, call: Call) -> RoomView:
        """Change what is given."""
        aor = self._room(call).aor
        return RoomView.of(
            await self._change(aor, _rules(aor, call.body, self._wall()), call.caller)
        )

    async def remove_room(self, call: Call) -> None:
        """Remove a room."""
        aor = self._room(call).aor
        try:
            await self._desk.change_room(aor, edits.remove(aor), call.caller.name)
        except edits.RoomRefused as refused:
            raise Problem("not-now", str(refused)) from refused

    async def set_member(self, call: Call) -> KnownMember:
        """Change what is given of a member, new or not."""
        aor, who, given = self._room(call).aor, self._person(call), call.body
        edit = edits.set_member(
            aor, who, given.role, given.banned, given.muted, given.pager, self._desk.most_members
        )
        return KnownMember.of((await self._change(aor, edit, call.caller)).members[who])

    async def remove_member(self, call: Call) -> None:
        """Remove a member."""
        room, who = self._room(call), self._person(call)
        if who not in room.members:
            raise Problem("not-found", f"{who} is no member of {room.aor}")
        await self._change(room.aor, edits.unset_members(room.aor, [who]), call.caller)

    async def list_participants(self, call: Call) -> Participants:
        """Say who is in a room."""
        rows = self._desk.participants(self._room(call).aor)
        return Participants(
            participants=[
                Participant(
                    user=row["user"],
                    role=row["role"],
                    nickname=row["nickname"],
                    since=timestamp(row["since"]),
                    messages=row["messages"],
                )
                for row in rows
            ]
        )

    async def kick_participant(self, call: Call) -> None:
        """Hang up on somebody."""
        room, who = self._room(call), self._person(call)
        if not self._desk.kick(room.aor, who, call.caller.name):
            raise Problem("not-found", f"{who} is not in {room.aor}")

    async def invite_people(self, call: Call) -> Called:
        """Call people into a room."""
        room, given = self._room(call), call.body
        people = [self._address("people", text) for text in given.people]
        try:
            return Called(called=await self._desk.invite(room.aor, people, call.caller.name))
        except edits.RoomRefused as refused:
            raise Problem("not-now", str(refused)) from refused

    async def list_room_messages(self, call: Call) -> RoomMessages:
        """Read the history."""
        aor, page = self._room(call).aor, call.query
        try:
            said = await self._desk.room_history(aor, page.after, page.limit)
        except StorageError as error:
            raise Problem("unavailable", "the history cannot be read") from error
        return RoomMessages(messages=[SaidInRoom.of(one) for one in said])

    async def list_events(self, call: Call) -> RoomEvents:
        """Read what happened."""
        try:
            events = await self._desk.room_events(self._room(call).aor)
        except StorageError as error:
            raise Problem("unavailable", "the events cannot be read") from error
        return RoomEvents(events=[Happened.of(one) for one in events])

    async def _change(self, aor: str, edit: Edit, token: ApiToken) -> Room:
        try:
            changed = await self._desk.change_room(aor, edit, token.name)
        except edits.RoomRefused as refused:
            raise Problem("not-now", str(refused)) from refused
        assert changed is not None
        return changed

    def _room(self, call: Call) -> Room:
        token: ApiToken = call.caller
        try:
            room = self._desk.room(self._desk.address(call.path["room"]))
        except ValueError as error:
            raise Problem("not-found", str(error)) from error
        if room is None or not token.may_act_for(room.aor):
            raise Problem("not-found", "there is no such room, or not for this token")
        return room

    def _person(self, call: Call) -> str:
        try:
            return self._desk.address(call.path["aor"])
        except ValueError as error:
            raise Problem("not-found", str(error)) from error

    def _address(self, field: str, text: str) -> str:
        try:
            return self._desk.address(text)
        except ValueError as error:
            raise Problem("invalid-request", f"{field}: {error}") from error


def _rules(aor: str, given: RoomRules, wall: float) -> Edit:
    ends = given.expires_in
    return edits.set_rules(
        aor,
        display_name=given.name,
        subject=given.topic,
        access=given.access,
        moderated=given.moderated,
        nicknames=given.nicknames,
        private_messages=given.private_messages,
        history=given.history,
        retention_s=given.keep,
        expires_at=wall + ends if ends else ends,
    )
