# SPDX-License-Identifier: Apache-2.0
"""What must hold whatever the network, the disk and the power supply do."""

from __future__ import annotations

from random import Random

import pytest

from pager import PagerSettings
from sip.testing import SimNetwork
from tests.support.pager_world import BOB, Phone, Sender, World

SETTINGS = PagerSettings(page_messages=5, draining_devices=2, retry_max_s=40.0)


class Story:
    """One run: two senders, three devices of one user, and trouble, all from one seed."""

    def __init__(self, seed: int, *, restarts: bool) -> None:
        self.random = Random(seed)
        network = SimNetwork(seed, loss=0.1, duplicate=0.1, reorder=0.1)
        self.world = World(settings=SETTINGS, network=network)
        world = self.world
        self.senders = [
            world.alice,
            Sender(world, "carol", "198.51.100.9", "sip:carol@ims.test"),
        ]
        self.phones = [
            world.phone("one", "198.51.100.2", "<1>"),
            world.phone("two", "198.51.100.3", "<2>"),
            world.phone("plain", "198.51.100.4"),
        ]
        for phone in self.phones[:2]:
            world.register(phone)
            world.unregister(phone)
        self.restarts = restarts
        self.bodies: dict[tuple[Sender, bytes], bytes] = {}

    def trouble(self, number: int) -> None:
        world, chance = self.world, self.random
        phone = chance.choice(self.phones)
        deed = chance.randrange(9)
        if deed == 0:
            world.register(phone)
        elif deed == 1:
            world.unregister(phone)
        elif deed == 2:
            phone.answers = [chance.choice([480, 486, 500, 503])]
        elif deed == 3:
            phone.silent = not phone.silent
        elif deed == 4:
            phone.delay_s = chance.choice([0.0, 0.3, 5.0])
        elif deed == 5:
            world.store.failing = chance.random() < 0.3
        elif deed == 6:
            world.store.delay_s = chance.choice([0.001, 0.05, 1.0])
        elif deed == 7 and self.restarts:
            world.store.lose_answer = chance.random() < 0.5
            world.network.run(chance.uniform(0.0, 0.1))
            world.store.lose_answer = False
            world.restart()
        else:
            sender = chance.choice(self.senders)
            body = b"%b %d" % (sender.aor.encode(), number)
            self.bodies[(sender, sender.send(body))] = body

    def settle(self) -> None:
        """Let every trouble end and everything be delivered."""
        world = self.world
        world.network.loss = 0.0
        world.network.run(40.0)
        world.store.failing = False
        for phone in self.phones:
            phone.silent = False
            phone.delay_s = 0.0
            phone.answers = []
            world.register(phone)
        world.network.run(200.0)

    def acknowledged(self) -> list[bytes]:
        return [
            body
            for (sender, call_id), body in self.bodies.items()
            if 200 <= sender.answers.get(call_id, 0) < 300
        ]


def run(seed: int, restarts: bool) -> Story:
    story = Story(seed, restarts=restarts)
    for number in range(150):
        story.trouble(number)
        story.world.network.run(story.random.choice([0.01, 0.5, 3.0]))
    story.settle()
    assert not story.world.faults
    return story


def check_once(phone: Phone) -> None:
    assert len(phone.shown) == len(set(phone.shown))


@pytest.mark.parametrize("seed", range(40))
def test_acknowledged_is_delivered_once_to_every_device(seed: int) -> None:
    story = run(seed, restarts=False)
    world = story.world
    for phone in story.phones:
        check_once(phone)
    for body in story.acknowledged():
        for phone in story.phones[:2]:
            assert body in phone.shown or _unkept(world, body), body
    assert not world.store.waiting(BOB)
    assert world.pager.waiting(BOB) == 0
    assert not world.pager.offline.boxes
    assert not world.pager.running
    for message_id in {entry.message_id for entry in world.ledger.entries}:
        entries = world.ledger.of(message_id)
        repeat = all(entry.outcome == "duplicate" for entry in entries)
        assert [entry.final for entry in entries].count(True) == (0 if repeat else 1), entries
        steps = [step for entry in entries for step in entry.steps]
        assert sum(step[1] == "received" for step in steps) == 1


@pytest.mark.parametrize("seed", range(100, 140))
def test_acknowledged_survives_restarts(seed: int) -> None:
    story = run(seed, restarts=True)
    for phone in story.phones:
        check_once(phone)
    for body in story.acknowledged():
        assert any(body in phone.shown for phone in story.phones), body
    assert not story.world.store.waiting(BOB)
    assert story.world.pager.waiting(BOB) == 0


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = run(7, True), run(7, True)
    assert [e.data for e in first.world.network.log] == [e.data for e in second.world.network.log]


def _unkept(world: World, body: bytes) -> bool:
    """Say whether the ledger admits that no copy could be kept for the other devices."""
    return any(
        step[1] == "not-stored"
        for entry in world.ledger.entries
        if entry.size == len(body)
        for step in entry.steps
    )
