# SPDX-License-Identifier: Apache-2.0
"""The focus of every room: dialogs and sessions of those who come, are called, and go (RFC 4579).

Each session of a room is a talk of the node; what it brings goes to the switch chunk by chunk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from session_msrp.anchor import path_text
from session_msrp.chunk import Chunk
from session_msrp.outbox import Outgoing
from session_msrp.party import MediaWish
from session_msrp.rooms.envelope import CPIM
from session_msrp.rooms.live import LiveRoom, Participant, Visit, Wire
from session_msrp.rooms.ports import Keeper
from session_msrp.rooms.switch import Switch
from session_msrp.rooms.values import Room
from session_msrp.session import Received, Reported
from sip.message import Request
from sip.privacy import ANONYMOUS
from sip.routing import Refusal
from sip.transaction.server import ServerTransaction
from sip.uri import Uri

from ..msrp.talk import Talk
from ..registration import Clock
from .bounds import RoomLimits
from .invitation import Invitation

__all__ = ["Focus", "Onlooker"]

NOT_FOUND: Final = Refusal(404, None, ())
NOT_ALLOWED: Final = Refusal(403, b"Not one who may come into this room", ())


class Onlooker(Protocol):
    """Hears who comes and goes."""

    def joined(self, visit: Visit, talk: Talk, now: float) -> None:
        """A session stands; what the visitor missed may be sent now (``Visit.wait``)."""
        ...

    def left(self, visit: Visit, talk: Talk, why: str, now: float) -> None:
        """A session has ended."""
        ...


class Focus:
    """All sessions in rooms; `imsnode.msrp.talk.TalkUser` of their talks.

    changed(room, now): told when a roster changes. moved(aor, now): when somebody came into their
    first room or left their last.
    """

    def __init__(
        self,
        limits: RoomLimits,
        keeper: Keeper,
        clock: Clock,
        new_tid: Callable[[], bytes],
        aor_of: Callable[[Uri], str],
        name_of: Callable[[str], str],
    ) -> None:
        """Args: name_of: the display name of a user, "" for none."""
        self.limits = limits
        self.switch = Switch(limits.msrp, keeper, new_tid, aor_of, self._drop, self._hold)
        self.onlookers: list[Onlooker] = []
        self.changed: Callable[[LiveRoom, float], None] = _nobody
        self.moved: Callable[[str, float], None] = _nobody
        self.requested_of: Callable[[Talk, Request, ServerTransaction, float], bool] = _unserved
        self._clock = clock
        self._name_of = name_of
        self._visits: dict[Talk, Visit] = {}
        self._talks: dict[Visit, Talk] = {}
        self._calls: dict[Talk, Invitation] = {}
        self._guests: dict[Talk, tuple[LiveRoom, str]] = {}  # who has not described their session
        self._connected: set[Visit] = set()
        self._moving: set[Visit] = set()  # to another connection
        self._on_hold: set[Visit] = set()
        self._present: Counter[str] = Counter()  # for all to see
        self._users: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._visits)

    # -- in --------------------------------------------------------------------------------------

    def refusal(self, live: LiveRoom, aor: str) -> Refusal | None:
        """Say why somebody may not come in now."""
        room = live.room
        if not room.is_known_to(aor):
            return NOT_FOUND
        if room.role_of(aor) is None:
            return NOT_ALLOWED
        there = live.participants.get(aor)
        if there is None and len(live.participants) >= self.limits.participants:
            return Refusal(486, b"The room is full", ())
        if there is not None and len(there.visits) >= self.limits.user_sessions:
            return Refusal(486, b"Too many of your devices are in the room", ())
        if self._users[aor] >= self.limits.user_rooms:
            return Refusal(486, b"You are in too many rooms", ())
        return None

    def wish(self, room: Room) -> MediaWish:
        """Return what the focus says of a session (RFC 7701 5.2, 8)."""
        tokens = [
            token
            for token, allowed in (
                (b"nickname", room.nicknames),
                (b"private-messages", room.private_messages),
            )
            if allowed
        ]
        return MediaWish(
            CPIM,
            b"message/imdn+xml *",  # some clients look for the word itself
            ((b"chatroom", b" ".join(tokens)),),
            max_size=self.limits.msrp.message_bytes,
        )

    def admit(self, talk: Talk, live: LiveRoom, hidden: str, lines: Sequence[bytes] = ()) -> None:
        """Answer an INVITE of somebody who may come in.

        Args: hidden: URI under which to show who wants to stay unknown, "" for who does not.
        """
        talk.needs = CPIM
        talk.accept(lines, self.wish(live.room))
        if talk.over:
            return
        if talk.peer is None:  # the ACK tells what its session is
            self._guests[talk] = (live, hidden)
        else:
            self._enter(talk, live, hidden, invited=False).wait()

    def _enter(self, talk: Talk, live: LiveRoom, hidden: str, invited: bool) -> Visit:
        who = self._participant(talk.remote, hidden)
        wire = _wire_of(talk)
        visit = live.enter(who, wire, self.limits.msrp, self._clock.wall(), invited)
        talk.renewed = self._renewed
        self._visits[talk], self._talks[visit] = visit, talk
        now = self._clock.now()
        self._count(visit, 1, now)
        self.changed(live, now)
        return visit

    def _count(self, visit: Visit, step: int, now: float) -> None:
        """Note who is in a room, and who is for all to see: the anonymous are not."""
        aor = visit.aor
        self._users[aor] += step
        if not self._users[aor]:
            del self._users[aor]
        if visit.participant.uri != aor:
            return
        before = aor in self._present
        self._present[aor] += step
        if not self._present[aor]:
            del self._present[aor]
        if before != (aor in self._present):
            self.moved(aor, now)

    def _participant(self, aor: str, hidden: str) -> Participant:
        if hidden:
            return Participant(aor, hidden, frozenset((hidden, ANONYMOUS)))
        identities = {aor}
        user = aor.partition(":")[2].partition("@")[0]
        if user.startswith("+"):
            identities.add(f"tel:{user}")
        return Participant(aor, aor, frozenset(identities), self._name_of(aor))

    def is_present(self, aor: str) -> bool:
        """Say whether a user is in any room, as others may know."""
        return aor in self._present

    # -- out -------------------------------------------------------------------------------------

    def called(self, talk: Talk, invitation: Invitation) -> None:
        """Take note of a call of ours that brings somebody in."""
        self._calls[talk] = invitation

    def remove(self, live: LiveRoom, aor: str, why: str) -> int:
        """End every session of somebody in a room; returns how many there were."""
        there = live.participants.get(aor)
        talks = [] if there is None else [self._talks[visit] for visit in there.visits]
        for talk in talks:
            talk.hang_up(why)
        return len(talks)

    def dismiss(self, aor: str, why: str) -> None:
        """End every session of somebody, in whatever room."""
        if aor in self._users:
            for visit, talk in list(self._talks.items()):
                if visit.aor == aor:
                    talk.hang_up(why)

    def close(self, live: LiveRoom, why: str) -> None:
        """End every session of a room."""
        for aor in list(live.participants):
            self.remove(live, aor, why)
        for talk, invitation in list(self._calls.items()):
            if invitation.live is live:
                talk.hang_up(why)
        for talk, (room, _) in list(self._guests.items()):
            if room is live:
                talk.hang_up(why)

    def _go_on(self, visit: Visit) -> None:
        """Send what waited; who has missed some of that gets it when they come again."""
        if visit.overflown:
            self._drop(visit, "too much waited for it")
        else:
            visit.catch_up((), 0, ())

    def _drop(self, visit: Visit, why: str) -> None:
        self._talks[visit].hang_up(why)

    def _hold(self, visit: Visit, held: bool) -> None:
        """Read nothing more from a session while too much of it is being kept."""
        talk = self._talks.get(visit)
        connection = None if talk is None else talk.connection
        if talk is not None and connection is not None:  # of which its end lets go when it ends
            connection.hold(talk.end) if held else connection.release(talk.end)

    # -- TalkUser --------------------------------------------------------------------------------

    def established(self, talk: Talk, now: float) -> None:
        """Let a session hear what is said."""
        visit = self._visits.get(talk) or self._let_in(talk)
        if visit is None:
            talk.hang_up("not allowed any more")
            return
        if visit in self._moving:
            self._moving.discard(visit)
            self._go_on(visit)
        if visit.left or visit in self._connected:
            return
        self._connected.add(visit)
        for onlooker in self.onlookers:
            onlooker.joined(visit, talk, now)
        self._go_on(visit)

    def _let_in(self, talk: Talk) -> Visit | None:
        """Let somebody in who was called, or came without an offer; None: they may not any more."""
        invitation, guest = self._calls.get(talk), self._guests.get(talk)
        if invitation is not None:
            live, hidden = invitation.live, ""
        elif guest is not None:
            live, hidden = guest
        else:
            return None
        if self.refusal(live, talk.remote) is not None:
            return None
        self._calls.pop(talk, None)
        self._guests.pop(talk, None)
        visit = self._enter(talk, live, hidden, invited=invitation is not None)
        visit.wait()
        if invitation is not None:
            invitation.took(talk)
        return visit

    def _renewed(self, talk: Talk, moves: bool) -> None:
        """Take a new offer; what is said while the session is on hold or moves waits."""
        visit = self._visits.get(talk)
        if visit is None or talk.peer is None:
            return
        visit.renew(_wire_of(talk))
        if moves and visit not in self._moving:
            self._moving.add(visit)
            visit.wait()
        if talk.peer.direction in (b"sendonly", b"inactive"):
            if visit not in self._on_hold:
                self._on_hold.add(visit)
                visit.wait()
        elif visit in self._on_hold:
            self._on_hold.discard(visit)
            self._go_on(visit)

    def chunk(self, talk: Talk, chunk: Chunk, now: float) -> bool:
        """Hand a request to the switch; an answer is to what opened the connection."""
        if chunk.status:
            return False
        if talk in self._calls or talk in self._guests:
            # They speak before having answered our first request.
            self.established(talk, now)
        visit = self._visits.get(talk)
        if visit is None:
            return False
        self.switch.receive(visit, chunk, now)
        return True

    def received(self, talk: Talk, received: Received, now: float) -> None:
        """Refuse what comes before somebody is in the room."""
        talk.settle(received, 403)

    def delivered(self, talk: Talk, message: Outgoing, now: float) -> None:
        """Nothing is sent this way."""

    def failed(self, talk: Talk, message: Outgoing, status: int, now: float) -> None:
        """Nothing is sent this way."""

    def reported(self, talk: Talk, report: Reported, now: float) -> None:
        """Nothing is sent this way."""

    def requested(
        self, talk: Talk, request: Request, transaction: ServerTransaction, now: float
    ) -> bool:
        """Serve what else comes in the dialog."""
        return self.requested_of(talk, request, transaction, now)

    def ended(self, talk: Talk, status: int, reason: str, now: float) -> None:
        """Let somebody go."""
        invitation = self._calls.pop(talk, None)
        if invitation is not None:
            invitation.failed(talk, status)
        self._guests.pop(talk, None)
        visit = self._visits.pop(talk, None)
        if visit is None:
            return
        del self._talks[visit]
        live = visit.room
        live.leave(visit)
        self.switch.gone(visit)
        self._count(visit, -1, now)
        self.changed(live, now)
        self._moving.discard(visit)
        self._on_hold.discard(visit)
        if visit not in self._connected:
            return
        self._connected.discard(visit)
        for onlooker in self.onlookers:
            onlooker.left(visit, talk, reason, now)


def _wire_of(talk: Talk) -> Wire:
    """Return a session as its descriptions have it."""
    assert talk.peer is not None
    assert talk.section is not None
    assert talk.end is not None
    tokens = (talk.section.attribute(b"chatroom") or b"").split()
    return Wire(
        talk.end.own.raw,
        path_text(talk.peer),
        talk.write,
        talk.peer.wrapped,
        b"private-messages" in tokens,
        lambda: talk.connection is not None and not talk.connection.choked_since,
    )


def _nobody(_what: object, _now: float) -> None:
    """Nobody has to be told."""


def _unserved(_talk: Talk, _request: Request, _tx: ServerTransaction, _now: float) -> bool:
    return False
