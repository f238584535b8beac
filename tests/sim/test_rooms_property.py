"""Rooms under comings, goings, slow commits, cuts in the middle of a chunk and restarts: everybody
who stayed has the same messages in the same order, each exactly once."""

from __future__ import annotations

import random

import pytest

from tests.support.room_world import Device, RoomWorld, aor, cpim

NAMES = ("alice", "bob", "carol", "dave")
STEPS = 250


class Life:
    """A room with a history, whose commits come late; everybody reads it when they enter."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = RoomWorld(1_000, held=True)
        self.devices: list[Device] = []
        self.reading: list[Device] = []
        self.under_way: dict[Device, list[bytes]] = {}
        self.begun: dict[bytes, list[Device]] = {}
        self.count = 0

    def live(self) -> None:
        """Do so many things, then let everything that is under way end."""
        steps = (self.enter, self.read, self.leave, self.say, self.begin, self.go_on, self.commit,
                 self.restart)  # fmt: skip
        for _ in range(STEPS):
            self.random.choices(steps, (6, 6, 2, 12, 6, 16, 12, 0.2))[0]()
        while self.under_way:
            self.go_on()
        self.world.commit(len(self.world.waiting))
        while self.reading:
            self.read()

    def text(self, device: Device, size: int) -> bytes:
        self.count += 1
        return cpim(b"%d:" % self.count + bytes(size), aor(device.name))

    def idle(self) -> Device | None:
        idle = [each for each in self.devices if each not in self.under_way]
        return self.random.choice(idle) if idle else None

    def enter(self) -> None:
        device = self.world.enter(self.random.choice(NAMES))
        device.visit.wait()
        self.devices.append(device)
        self.reading.append(device)

    def read(self) -> None:
        """The history comes; it may hold what was committed and not passed on yet."""
        if self.reading:
            device = self.reading.pop(0)
            self.world.switch.replay(device.visit, list(self.world.kept))

    def leave(self) -> None:
        """A device goes, whatever it was sending or reading."""
        if self.devices:
            device = self.devices.pop(self.random.randrange(len(self.devices)))
            self.under_way.pop(device, None)
            if device in self.reading:
                self.reading.remove(device)
            device.leave()

    def say(self) -> None:
        device = self.idle()
        if device is not None:
            device.send(self.text(device, self.random.choice((0, 300))))

    def begin(self) -> None:
        """Start a message of several chunks: it is for those who are there now."""
        device = self.idle()
        if device is not None:
            body = self.text(device, 500)
            self.begun[body] = [each for each in self.devices if each is not device]
            self.under_way[device] = device.chunks(body, self.random.choice((150, 300)))

    def go_on(self) -> None:
        if self.under_way:
            device = self.random.choice(list(self.under_way))
            chunks = self.under_way[device]
            device.say(chunks.pop(0), self.random.choice((0, 128)))
            if not chunks:
                del self.under_way[device]

    def commit(self) -> None:
        count = min(self.random.randrange(1, 4), len(self.world.waiting))
        self.world.commit(count, heard=self.random.random() < 0.5)

    def restart(self) -> None:
        """The node goes down: what it did not commit it has not promised, sessions are gone."""
        kept, self.world = self.world.kept, RoomWorld(1_000, held=True)
        self.world.kept = kept
        self.devices, self.reading, self.under_way = [], [], {}


@pytest.mark.parametrize("seed", range(6))
def test_who_stayed_has_everything_in_one_order_once(seed: int) -> None:
    life = Life(seed)
    life.live()
    order = [message.body for message in life.world.kept]
    assert len(order) > 20
    assert life.devices
    for device in life.devices:
        got = device.bodies
        assert len(set(got)) == len(got)
        # Its own come back only with the history; one in chunks is for who was there in time.
        own = f"From: <{aor(device.name)}>".encode()
        owed = [
            body
            for body in order
            if own not in body and (body not in life.begun or device in life.begun[body])
        ]
        assert [body for body in got if body in owed] == owed
        whole = [body for body in got if body not in life.begun]
        assert whole == [body for body in order if body in whole]
