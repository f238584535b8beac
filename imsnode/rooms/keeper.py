# SPDX-License-Identifier: Apache-2.0
"""Messages of rooms on their way: kept before the others get them, and told of in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from pager import rules
from pager.identity import MessageIds, cpim_message_id
from pager.ports import Clock, Ledger
from pager.values import LedgerEntry, Notice
from session_msrp.errors import BadChunk
from session_msrp.rooms import edits
from session_msrp.rooms.live import LiveRoom, Visit
from session_msrp.rooms.ports import Changed, RoomStore
from session_msrp.rooms.repeats import Kept
from session_msrp.rooms.values import RoomMessage

__all__ = ["Onlooker", "RoomKeeper"]

_CPIM = b"message/cpim"
Judge = Callable[[bytes, str, str], str]
#: allow(method, aor, now): count a request of somebody; seconds until there may be one, 0 for now.
Allow = Callable[[str, str, float], float]


class Onlooker(Protocol):
    """Hears of every message to a room, behind everybody who is in it."""

    def outside(self, room: LiveRoom, message: RoomMessage, now: float) -> None:
        """Take note that a message has been sent to all in a room."""
        ...


class RoomKeeper:
    """See `session_msrp.rooms.ports.Keeper`.

    onlookers: hear of messages, in this order. Args: call_of(room, aor): the Call-ID of the session
        in which somebody is in a room, b"" for who is in it by none. judge(body, sender, room): the
        rule by which a message/cpim is refused, "" for none.
    """

    def __init__(
        self,
        store: RoomStore,
        ledger: Ledger,
        ids: MessageIds,
        clock: Clock,
        call_of: Callable[[str, str], bytes],
        judge: Judge,
        allow: Allow,
        onlookers: Sequence[Onlooker] = (),
    ) -> None:
        self.onlookers = list(onlookers)
        self._store = store
        self._ledger = ledger
        self._ids = ids
        self._clock = clock
        self._call_of = call_of
        self._judge = judge
        self._allow = allow

    def admits(self, sender: str, method: str) -> bool:
        """Count what somebody sends; False when it is too much."""
        return self._allow(method, sender, self._clock.now()) <= 0.0

    def keep(self, room: LiveRoom, sender: str, nickname: str, body: bytes, done: Kept) -> str:
        """Keep a message to all, where the room has a history; return its id."""
        clock = self._clock
        at = clock.wall()
        aor = room.room.aor
        message = RoomMessage(aor, 0, self._ids.next(at), sender, nickname, at, body)
        rule = self._judge(body, sender, aor)
        if rule:
            self._note(message, 403, rule)
            raise BadChunk("a rule of the sender's domain refuses it", 403)
        if not room.room.history:
            self._note(message, 200, rules.NO_HISTORY)
            done(message, clock.now())
            return message.id

        def kept(number: int) -> None:
            if number:
                self._note(message, 200, rules.COMMITTED)
                done(replace(message, number=number), clock.now())
            else:
                self._note(message, 408, rules.COMMIT_FAILED)
                done(None, clock.now())

        self._store.keep(message, kept)
        return message.id

    def passed_on(self, room: LiveRoom, message: RoomMessage, now: float) -> None:
        """Tell the onlookers."""
        for onlooker in self.onlookers:
            onlooker.outside(room, message, now)

    def named(self, room: LiveRoom, visit: Visit, now: float) -> None:
        """Remember the nickname of a member."""
        aor = room.room.aor
        member = room.member(visit.aor)
        if member is not None and member.nickname != visit.nickname:
            edit = edits.set_nickname(aor, visit.aor, visit.nickname)
            self._store.change(aor, edit, _done, visit.aor)

    def _note(self, message: RoomMessage, status: int, rule: str) -> None:
        at = message.at
        steps = [
            (at, rules.RECEIVED, "", 0, rules.TO_ROOM),
            (self._clock.wall(), rules.REPLIED, "", status, rule),
        ]
        self._ledger.note(
            LedgerEntry(
                message.id,
                self._call_of(message.room, message.sender),
                at,
                message.sender,
                message.room,
                len(message.body),
                steps,
                rules.DISTRIBUTED if status == 200 else rules.REJECTED,
                notice=Notice("", cpim_message_id(_CPIM, message.body)),
            )
        )


def _done(_changed: Changed) -> None:
    """What it was is known: a nickname is no more than that."""
