"""Which rooms a node has: taken up, changed, ended when their time has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from imsnode.rooms.bounds import RoomLimits
from imsnode.rooms.focus import Focus
from imsnode.rooms.keeping import Keeping
from imsnode.services import Services
from session_msrp.limits import Limits
from session_msrp.rooms import edits
from session_msrp.rooms.live import LiveRoom, Participant, Wire
from session_msrp.rooms.ports import Changed, Edit
from session_msrp.rooms.values import Member, Role, Room

ROOM = Room(
    "sip:tea@ims.test", members={"sip:alice@ims.test": Member("sip:alice@ims.test", Role.OWNER)}
)
LIMITS = Limits()


class World:
    """A store in memory; also the clock, the service of rooms, and who is told."""

    def __init__(self, room: Room = ROOM) -> None:
        self.at = 1_000.0
        self.services = Services()
        self.kept: dict[str, Room] = {room.aor: room}
        self.told: list[tuple[Room | None, Room | None]] = []
        self.removed: list[str] = []
        focus = Focus(
            RoomLimits(LIMITS),
            self,
            self,
            lambda: b"tid12345",
            lambda uri: uri.aor,
            lambda _: "",  # type: ignore[arg-type]
        )
        self.keeping = Keeping(focus, self, self.services, self)  # type: ignore[arg-type]
        self.keeping.service = self  # type: ignore[assignment]
        self.keeping.observers.append(lambda before, after: self.told.append((before, after)))
        self.keeping.removed = lambda aor, now: self.removed.append(aor)
        self.keeping.start(self.kept.values(), 0.0)

    def now(self) -> float:
        return self.at - 1_000.0

    wall = lambda self: self.at  # noqa: E731

    def change(
        self, aor: str, edit: Edit, done: Callable[[Changed], None], actor: str = ""
    ) -> None:
        before = self.kept.pop(aor, None)
        after = edit(before)
        if after is not None:
            self.kept[aor] = after
        done(Changed(before, after))

    def sweep(self, seconds: float) -> bool:
        """Let time pass; say whether the room is still there."""
        self.at += seconds
        self.keeping.sweep(self.now())
        there = ROOM.aor in self.keeping.rooms
        assert there == (ROOM.aor in self.services.by_aor) == (ROOM.aor in self.kept)
        return there

    @property
    def live(self) -> LiveRoom:
        return self.keeping.rooms[ROOM.aor]

    def enter(self) -> None:
        who = Participant("sip:bob@ims.test", "sip:bob@ims.test", frozenset())
        self.visit = self.live.enter(who, Wire(b"a", b"b", lambda octets: None), LIMITS)


def test_a_room_ends_when_nobody_was_in_it_for_its_time() -> None:
    world = World(replace(ROOM, idle_s=60.0))
    assert world.sweep(50)
    world.enter()
    assert world.sweep(500)
    world.live.leave(world.visit)
    assert world.sweep(5)
    assert world.sweep(55)
    assert not world.sweep(5)
    assert world.removed == [ROOM.aor]
    assert world.told[-1][1] is None


@pytest.mark.parametrize(("expires_at", "there"), [(0.0, True), (1_100.0, False), (9_999.0, True)])
def test_a_room_ends_at_its_hour(expires_at: float, there: bool) -> None:
    world = World(replace(ROOM, expires_at=expires_at))
    assert world.sweep(50)
    assert world.sweep(60) is there


def test_other_rules_are_in_force_and_told_at_once() -> None:
    world = World()
    revision = world.live.changes.revision
    world.keeping.change(ROOM.aor, edits.set_rules(ROOM.aor, subject="Cake"), lambda what: None, "")
    assert world.live.room.subject == "Cake"
    assert world.live.changes.described_since(revision)
    [_, (before, after)] = world.told
    assert before is not None
    assert after is not None
    assert (before.subject, after.subject) == ("", "Cake")


def test_how_many_rooms_made_on_demand_are_somebodys() -> None:
    assert World(replace(ROOM, idle_s=60.0)).keeping.owned("sip:alice@ims.test") == 1
    assert World(replace(ROOM, idle_s=60.0)).keeping.owned("sip:bob@ims.test") == 0
    assert World().keeping.owned("sip:alice@ims.test") == 0
