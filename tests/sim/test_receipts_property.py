# SPDX-License-Identifier: Apache-2.0
"""How often a sender is told, whatever network, disk and power supply do."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from pager import PagerSettings
from sip.bodies.cpim import parse_cpim
from sip.testing import SimNetwork
from tests.support.imdn import CPIM_TYPE, asking, telling, told
from tests.support.pager_world import ALICE, BOB, Sender, World

SETTINGS = PagerSettings(page_messages=5, draining_devices=2, retry_max_s=40.0, expire_every_s=15.0)
ASKED = ("processing", "negative-delivery")


class Story:
    """One run: a sender and a recipient with two devices each, and trouble, all from one seed."""

    def __init__(self, seed: int, *, restarts: bool) -> None:
        self.random = Random(seed)
        network = SimNetwork(seed, loss=0.1, duplicate=0.1, reorder=0.1)
        self.world = world = World(settings=SETTINGS, network=network)
        self.alices = [
            world.phone(f"alice{n}", f"198.51.100.2{n}", f"<a{n}>", ALICE) for n in (1, 2)
        ]
        self.bobs = [world.phone(f"bob{n}", f"198.51.100.3{n}", f"<b{n}>") for n in (1, 2)]
        self.answering = Sender(world, "bob-out", "198.51.100.40", BOB)
        for phone in (*self.alices, *self.bobs):
            world.register(phone)
            world.unregister(phone)
        self.restarts = restarts
        self.calls: dict[str, bytes] = {}
        self.bodies: dict[str, bytes] = {}

    def trouble(self, number: int) -> None:
        world, chance = self.world, self.random
        phone = chance.choice([*self.alices, *self.bobs, *self.bobs])
        deed = chance.randrange(12)
        if deed < 2:
            world.register(phone)
        elif deed == 2:
            world.unregister(phone)
        elif deed == 3:
            # A device of the sender that refuses for good what it is told, will not hear it.
            final = [415] if phone in self.bobs else []
            phone.answers = [chance.choice([480, 486, 500, *final])] * chance.randrange(1, 3)
        elif deed == 4:
            phone.silent = not phone.silent
        elif deed == 5:
            phone.delay_s = chance.choice([0.0, 0.3, 5.0])
        elif deed == 6:
            world.store.failing = chance.random() < 0.3
        elif deed == 7 and self.restarts:
            world.store.lose_answer = chance.random() < 0.5
            world.network.run(chance.uniform(0.0, 0.1))
            world.store.lose_answer = False
            world.restart()
        elif deed == 8:
            about = chance.choice([*self.calls, "none"])
            body = telling(about, "display", "displayed", message_id=b"n%d" % number)
            self.answering.send(body, ALICE, headers=CPIM_TYPE)
        else:
            name = f"id{number}"
            headers = [*CPIM_TYPE, *([(b"Expires", b"20")] if chance.random() < 0.5 else [])]
            self.bodies[name] = asking(name.encode(), *ASKED)
            self.calls[name] = world.alice.send(self.bodies[name], headers=headers)

    def settle(self) -> None:
        """Let every trouble end, what is late expire, and what is left be delivered."""
        world = self.world
        world.network.loss = 0.0
        world.network.run(120.0)
        world.store.failing = False
        world.network.run(120.0)
        for phone in (*self.alices, *self.bobs):
            phone.silent = False
            phone.delay_s = 0.0
            phone.answers = []
            world.register(phone)
        world.network.run(300.0)

    def said(self) -> list[Counter[tuple[str, str]]]:
        """Count for each device of the sender what it was told: (message, kind)."""
        counts = []
        for phone in self.alices:
            bodies = [body for body in phone.shown if b"-notification>" in body]
            own = [body for body in bodies if b"displayed" not in body]
            counts.append(Counter((about, kind) for about, kind, _ in told(own)))
        return counts


def run(seed: int, restarts: bool) -> Story:
    story = Story(seed, restarts=restarts)
    for number in range(60):
        story.trouble(number)
        story.world.network.run(story.random.choice([0.0, 0.01, 0.5, 3.0]))
    story.settle()
    assert not story.world.faults
    return story


@pytest.mark.parametrize("seed", range(30))
def test_told_exactly_once(seed: int) -> None:
    story = run(seed, restarts=False)
    answers = story.world.alice.answers
    kept = [name for name, call in story.calls.items() if 200 <= answers[call] < 300]
    for said in story.said():
        assert all(count == 1 for count in said.values())
        assert {name for name, kind in said if kind == "processing"} == set(kept)
        failed = {name for name, kind in said if kind == "delivery"}
        assert failed <= set(kept)
        nowhere = {n for n in kept if not any(story.bodies[n] in p.shown for p in story.bobs)}
        assert nowhere <= failed


@pytest.mark.parametrize("seed", range(100, 130))
def test_told_at_most_once_over_restarts(seed: int) -> None:
    story = run(seed, restarts=True)
    for said in story.said():
        assert all(count == 1 for count in said.values()), said


@pytest.mark.parametrize("seed", range(100, 110))
def test_never_both_and_never_about_a_refused_message(seed: int) -> None:
    story = run(seed, restarts=True)
    answers = story.world.alice.answers
    refused = {name for name, call in story.calls.items() if answers[call] >= 300}
    for phone in story.alices:
        words = [w for w in told(phone.shown) if w[1] != "display"]
        assert len({(about, kind) for about, kind, _ in words}) == len(words)
        assert "delivered" not in {status for _, _, status in words}
        assert not {about for about, kind, _ in words if kind == "delivery"} & refused


def test_identities_are_all_different() -> None:
    story = run(3, restarts=False)
    bodies = [body for body in story.alices[0].shown if b"-notification>" in body]
    ids = [parse_cpim(body).get(b"Message-ID", b"urn:ietf:params:imdn") for body in bodies]
    assert len(set(ids)) == len(ids) > 5
