# SPDX-License-Identifier: Apache-2.0
"""Messages that arrive in the same moment: one batch of datagrams, acted on step by step."""

from __future__ import annotations

import gc

from pager import submission
from sip.testing import SimNetwork
from tests.support.pager_world import World


def test_they_keep_their_order_and_each_gets_its_answer() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<urn:uuid:1>")
    world.register(bob)
    calls = [world.alice.send(b"%d" % number) for number in range(100)]
    world.network.run(1.0)
    assert bob.shown == [b"%d" % number for number in range(100)]
    assert world.alice.answers == dict.fromkeys(calls, 200)
    assert world.ledger.outcomes() == ["relayed"] * 100
    assert not world.faults


def test_a_repeat_beside_its_original_is_no_second_message() -> None:
    world = World(network=SimNetwork(1, latency=(0.005, 0.005), duplicate=1.0))
    bob = world.phone("bob", "198.51.100.2", "<urn:uuid:1>")
    world.register(bob)
    call = world.alice.send(b"once")
    world.network.run(1.0)
    assert bob.shown == [b"once"]
    assert world.alice.answers == {call: 200}
    assert not world.faults


def test_stored_and_relayed_ones_do_not_mix_up() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<urn:uuid:1>")
    world.register(bob)
    here = [world.alice.send(b"here %d" % number) for number in range(3)]
    away = [world.alice.send(b"away %d" % number, "sip:carol@ims.test") for number in range(3)]
    world.network.run(1.0)
    assert [world.alice.answers[call] for call in here] == [200] * 3
    assert [world.alice.answers[call] for call in away] == [202] * 3
    assert bob.shown == [b"here 0", b"here 1", b"here 2"]
    assert len(world.store.waiting("sip:carol@ims.test")) == 3


def test_compiled_what_they_leave_behind_is_kept_from_the_collector() -> None:
    world = World()
    bob = world.phone("bob", "198.51.100.2", "<urn:uuid:1>")
    world.register(bob)
    world.alice.send(b"hello")
    world.network.run(1.0)
    (entry,) = world.ledger.entries
    interpreted = submission.__file__.endswith(".py")
    assert gc.is_tracked(entry) is interpreted
    assert gc.is_tracked(entry.steps) is interpreted
