# SPDX-License-Identifier: Apache-2.0
"""What the focus does with sessions that end, or wait, at the worst moment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from imsnode.rooms.bounds import RoomLimits
from imsnode.rooms.focus import Focus
from imsnode.rooms.invitation import Invitation
from session_msrp.limits import Limits
from session_msrp.rooms.live import WAITING_BYTES, Copies, LiveRoom
from session_msrp.rooms.values import Access, Room

BOB = "sip:bob@ims.test"


class FakeTalk:
    """A session with bob's device."""

    def __init__(self, focus: Focus) -> None:
        self.focus = focus
        self.remote = BOB
        self.sent: list[bytes] = []
        self.write = self.sent.append
        own = SimpleNamespace(raw=b"msrp://node/1;tcp")
        self.end = SimpleNamespace(own=own)
        self.peer = SimpleNamespace(path=(), wrapped=(), direction=b"sendrecv")
        self.section = SimpleNamespace(attribute=lambda name: b"")
        self.held: list[object] = []
        self.connection = SimpleNamespace(hold=self.held.append, release=self.held.remove)
        self.ended: list[str] = []

    def hang_up(self, why: str) -> None:
        self.ended.append(why)
        self.focus.ended(self, 200, why, 0.0)  # type: ignore[arg-type]


@pytest.fixture
def focus() -> Focus:
    clock: Any = SimpleNamespace(now=lambda: 0.0, wall=lambda: 0.0)
    unused: Any = None
    return Focus(
        RoomLimits(Limits(), participants=1), unused, clock, lambda: b"t", lambda uri: uri.aor,
        lambda _: "",
    )  # fmt: skip


def come(focus: Focus, live: LiveRoom, told: list[int]) -> FakeTalk:
    """Have bob's device take the call of a room."""
    talk: Any = FakeTalk(focus)
    invitation = Invitation(live, BOB, told.append)
    invitation.talks.add(talk)
    focus.called(talk, invitation)
    focus.established(talk, 0.0)
    return talk


def test_who_may_not_come_in_any_more_is_no_longer_being_called(focus: Focus) -> None:
    """Else nobody could call them again."""
    told: list[int] = []
    talk = come(focus, LiveRoom(Room("sip:tea@ims.test")), told)
    assert talk.ended == ["not allowed any more"]
    assert told == [480]


def test_whoever_more_has_waited_for_than_may_comes_again(focus: Focus) -> None:
    """A part of it alone would be a gap that nobody sees."""
    live = LiveRoom(Room("sip:tea@ims.test", access=Access.OPEN))
    talk: Any = come(focus, live, [])
    [visit] = live.visits
    talk.peer.direction = b"sendonly"
    focus._renewed(talk, False)
    for _ in range(2):
        visit.copy(Copies(b"m", (visit,), False), bytes(WAITING_BYTES // 2 + 1))
    talk.peer.direction = b"sendrecv"
    focus._renewed(talk, False)
    assert talk.ended == ["too much waited for it"]
    assert talk.sent == []
    assert visit.behind


def test_a_connection_is_held_for_the_end_that_lets_go_of_it(focus: Focus) -> None:
    """A relay's connection carries sessions of others too."""
    live = LiveRoom(Room("sip:tea@ims.test", access=Access.OPEN))
    talk = come(focus, live, [])
    [visit] = live.visits
    focus.switch._hold(visit, True)
    assert talk.held == [talk.end]


def test_a_user_is_in_so_many_rooms() -> None:
    clock: Any = SimpleNamespace(now=lambda: 0.0, wall=lambda: 0.0)
    unused: Any = None
    focus = Focus(
        RoomLimits(Limits(), user_rooms=2), unused, clock, lambda: b"t", lambda uri: uri.aor,
        lambda _: "",
    )  # fmt: skip
    rooms = [LiveRoom(Room(f"sip:{number}@ims.test", access=Access.OPEN)) for number in range(3)]
    talks = [come(focus, live, []) for live in rooms[:2]]
    refused = focus.refusal(rooms[2], BOB)
    assert refused is not None
    assert refused.status == 486
    talks[0].hang_up("hung up")
    assert focus.refusal(rooms[2], BOB) is None
