# SPDX-License-Identifier: Apache-2.0
"""A room with those who are in it: participants, each with the sessions of their devices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

from ..limits import Limits
from ..reassembly import Reassembly
from .changes import Changes
from .naming import Names
from .values import Member, Role, Room

__all__ = ["Copies", "LiveRoom", "Participant", "Visit", "Wire"]

#: What may wait for a session while older messages are on their way to it.
WAITING_BYTES: Final = 1 << 20


class Copies:
    """The copies of one message.

    id: their Message-ID. passing: it is not kept. to: who was there at the first chunk. sent: how
    far the message has left, of total octets, None while that is not known. kept: id of the message
    in the history, once it is on its way there; number: its place once it has one.
    """

    __slots__ = ("id", "kept", "number", "passing", "sent", "to", "total")

    def __init__(self, message_id: bytes, to: tuple[Visit, ...], passing: bool) -> None:
        self.id = message_id
        self.to = to
        self.passing = passing
        self.sent = 0
        self.total: int | None = None
        self.kept = ""
        self.number = 0


@dataclass(frozen=True, slots=True)
class Wire:
    """A session as its SDP has it, and how to send to it.

    own: the URI of the switch for it. path: of the device. types: of wrapped content it takes,
    empty where it does not say. private: whether it knows private messages. free: says
    whether its reader keeps up.
    """

    own: bytes
    path: bytes
    write: Callable[[bytes], None]
    types: Collection[bytes] = ()
    private: bool = False
    free: Callable[[], bool] = lambda: True


class Visit:
    """One session in a room: a participant's device.

    paths: the two path lines of what is sent to it. held: the beginning of messages whose wrapper
    is not complete, incoming: messages that are passed on while they come, both by Message-ID.
    said: ids of its messages to all while it waits. refused: transaction id of the last chunk that
    was. overflown: more waited than may. behind: it left while older messages were on their way to
    it. unkept: octets of messages that are being kept. messages, octets: that came from it. began:
    wall seconds. invited: the room called it.
    """

    __slots__ = ("_everything", "_holds", "_types", "began", "behind", "floor", "free", "held",
                 "incoming", "invited", "left", "messages", "nickname", "number", "octets",
                 "overflown", "own", "participant", "paths", "private", "reassembly", "refused",
                 "room", "said", "unkept", "waiting", "waiting_bytes", "write")  # fmt: skip

    def __init__(
        self,
        room: LiveRoom,
        participant: Participant,
        number: int,
        wire: Wire,
        limits: Limits,
        began: float,
        invited: bool,
    ) -> None:
        self.room = room
        self.participant = participant
        self.number = number
        self.write = wire.write
        self.began = began
        self.invited = invited
        self._describe(wire)
        self.nickname = ""
        self.left = False
        self.behind = False
        self.reassembly = Reassembly(limits)
        self.held: dict[bytes, bytes] = {}
        self.incoming: dict[bytes, Copies] = {}
        self.refused = b""
        self._holds = 0
        self.waiting: list[tuple[Copies, bytes]] | None = None
        self.waiting_bytes = 0
        self.overflown = False
        self.said: set[str] = set()
        self.unkept = 0
        self.floor = 0
        self.messages = 0
        self.octets = 0

    def _describe(self, wire: Wire) -> None:
        self.own = wire.own
        self.paths = b"To-Path: %b\r\nFrom-Path: %b\r\n" % (wire.path, wire.own)
        self.private = wire.private
        self.free = wire.free
        self._types = frozenset(kind.lower() for kind in wire.types)
        self._everything = not wire.types or b"*" in self._types

    def renew(self, wire: Wire) -> None:
        """Take another description of the session; what waits goes where it says."""
        before = self.paths
        self._describe(wire)
        if self.waiting and before != self.paths:
            self.waiting = [
                (c, octets.replace(before, self.paths, 1)) for c, octets in self.waiting
            ]

    @property
    def aor(self) -> str:
        """Who it is."""
        return self.participant.aor

    def takes(self, kind: bytes) -> bool:
        """Say whether wrapped content of a media type may be sent here."""
        types = self._types
        return self._everything or kind in types or kind.partition(b"/")[0] + b"/*" in types

    def copy(self, copies: Copies, octets: bytes) -> None:
        """Send a copy of a message, or keep it while older ones are on their way."""
        if self.waiting is not None:
            self.waiting_bytes += len(octets)
            self.overflown = self.waiting_bytes > WAITING_BYTES
            if not self.overflown:
                self.waiting.append((copies, octets))
        elif not self.left and (not copies.number or copies.number > self.floor):
            self.write(octets)

    def says(self, message_id: str) -> None:
        """Take note of a message from here, which is not to come back with the history."""
        if self.waiting is not None:
            self.said.add(message_id)

    def wait(self) -> None:
        """Keep copies from now on, until ``catch_up`` was called for each call of this."""
        self._holds += 1
        if self.waiting is None:
            self.waiting = []

    def catch_up(self, replayed: Iterable[bytes], last: int, ids: Container[str]) -> None:
        """Send what was missed, then what was kept meanwhile.

        Args: last: number of the newest message among those; what is not newer is not sent again.
            ids: of these messages.
        """
        self.floor = max(self.floor, last)
        if not self.left:
            for octets in replayed:
                self.write(octets)
        self._holds -= 1
        if self._holds > 0:
            return
        waiting, self.waiting = self.waiting or [], None
        self.waiting_bytes = 0
        self.said.clear()
        for copies, octets in waiting:
            if not copies.kept or copies.kept not in ids:
                self.copy(copies, octets)


@dataclass(slots=True, eq=False)
class Participant:
    """Somebody in a room. uri: by which the others know them; the AoR unless they are anonymous.

    identities: canonical URIs that they may write as sender.
    """

    aor: str
    uri: str
    identities: frozenset[str]
    display_name: str = ""
    visits: list[Visit] = field(default_factory=list)

    @property
    def hears(self) -> bool:
        """True when a device of theirs gets everything at once."""
        return any(visit.waiting is None for visit in self.visits)

    @property
    def nickname(self) -> str:
        """The nickname of the device that was given one last."""
        return next((visit.nickname for visit in reversed(self.visits) if visit.nickname), "")


class LiveRoom:
    """A room that exists: its rules, and who is in it now.

    room: replaced when the rules change, never changed itself. changes: what those who follow the
    roster have to be told.
    """

    def __init__(self, room: Room) -> None:
        self._names = Names()
        self.room = room
        self.participants: dict[str, Participant] = {}
        self.changes = Changes()
        self._by_uri: dict[str, Participant] = {}
        self._visits: dict[Visit, None] = {}
        self._numbers = count(1)

    @property
    def room(self) -> Room:
        """Its rules and members."""
        return self._room

    @room.setter
    def room(self, room: Room) -> None:
        self._room = room
        self._names.members(room.members)

    @property
    def visits(self) -> Iterator[Visit]:
        """Every session, the oldest first."""
        return iter(self._visits)

    def __len__(self) -> int:
        return len(self._visits)

    def member(self, aor: str) -> Member | None:
        """Return what the room remembers of somebody."""
        return self.room.members.get(aor)

    def enter(
        self,
        who: Participant,
        wire: Wire,
        limits: Limits,
        began: float = 0.0,
        invited: bool = False,
    ) -> Visit:
        """Let a session in; who is there already gets one more, and is known as before."""
        participant = self.participants.get(who.aor)
        if participant is None:
            participant = self.participants[who.aor] = self._by_uri[who.uri] = who
            self._names.add_user(who.aor)
            self._names.add(who.aor, who.display_name)
        participant.identities |= who.identities
        visit = Visit(self, participant, next(self._numbers), wire, limits, began, invited)
        participant.visits.append(visit)
        self._visits[visit] = None
        self.changes.touch(participant.uri)
        return visit

    def leave(self, visit: Visit) -> bool:
        """Let a session go; False when it has gone already."""
        if visit.left:
            return False
        visit.left = True
        visit.behind, visit.waiting = visit.waiting is not None, None
        del self._visits[visit]
        participant = visit.participant
        participant.visits.remove(visit)
        self._names.remove(visit.aor, visit.nickname)
        if not participant.visits:
            self._names.remove_user(visit.aor)
            self._names.remove(visit.aor, participant.display_name)
            del self.participants[participant.aor], self._by_uri[participant.uri]
        self.changes.touch(participant.uri)
        return True

    def find(self, uri: str) -> Participant | None:
        """Return the participant others know by a URI; who is anonymous has no other."""
        return self._by_uri.get(uri)

    def shown(self, aor: str) -> str:
        """Return the URI by which others know somebody."""
        there = self.participants.get(aor)
        return aor if there is None else there.uri

    def role(self, participant: Participant) -> Role:
        """Return what a participant is here."""
        return self.room.role_of(participant.aor) or Role.VISITOR

    def is_taken(self, nickname: str, aor: str) -> bool:
        """Say whether a name is somebody else's: in use, kept for a member, or a user's own.

        Nobody may pass for somebody who is, or may be, in the room (threats.md A2).
        """
        return self._names.is_taken(nickname, aor)

    def passes_for(self, name: str, aor: str) -> bool:
        """Say whether somebody who calls themselves so would be taken for somebody else."""
        return self._names.passes_for(name, aor)

    def name(self, visit: Visit, nickname: str) -> None:
        """Give a session a nickname, "" for none."""
        self._names.remove(visit.aor, visit.nickname)
        self._names.add(visit.aor, nickname)
        visit.nickname = nickname
        self.changes.touch(visit.participant.uri)

    def remember(self, visit: Visit) -> None:
        """Keep the nickname of a member for them, also when they have left."""
        member = self.member(visit.aor)
        if member is not None:
            members = {**self.room.members, member.aor: replace(member, nickname=visit.nickname)}
            self.room = replace(self.room, members=members)
