"""Stored messages that reach a device by another way than a MESSAGE (`pager.ports.Carrier`)."""

from __future__ import annotations

import pytest

from pager.ports import Carried
from pager.values import StoredMessage
from sip.forward import Target
from tests.support.pager_world import BOB, Phone, World


class Carriage:
    """A carrier that answers half a second later, each message as the test says."""

    def __init__(self, world: World, *answers: int | str) -> None:
        self.world = world
        self.answers = list(answers)
        self.carried: list[bytes] = []
        world.pager.deliver_by(self)

    def carry(self, message: StoredMessage, target: Target, carried: Carried, now: float) -> bool:
        if not self.answers:
            return False
        answer = self.answers.pop(0)
        self.carried.append(message.body)

        def later() -> None:
            if isinstance(answer, int):
                carried.done(answer, self.world.network.now)
            elif answer:
                carried.otherwise(self.world.network.now, (b"text/x-link", answer.encode()))
            else:
                carried.otherwise(self.world.network.now)

        self.world.network.call_at(now + 0.5, later)
        return True


@pytest.fixture
def world() -> World:
    return World()


def bob_comes(world: World, *bodies: bytes) -> Phone:
    """Send while bob is away, then let him register."""
    for body in bodies:
        world.alice.send(body)
        world.network.run(0.1)
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.network.run(3.0)
    return bob


def test_one_after_the_other_in_order_and_settled(world: World) -> None:
    carriage = Carriage(world, 200, 200, 200)
    bob = bob_comes(world, b"one", b"two", b"three")
    assert carriage.carried == [b"one", b"two", b"three"]
    assert bob.shown == []
    assert not world.store.waiting()
    assert world.pager.waiting(BOB) == 0
    assert world.ledger.rules().count("device-took-it-in-session") == 3
    assert not world.pager.offline.boxes


@pytest.mark.parametrize(("answer", "body"), [("", b"one"), ("link", b"link")])
def test_what_goes_as_a_message_after_all(world: World, answer: str, body: bytes) -> None:
    Carriage(world, answer)
    bob = bob_comes(world, b"one")
    assert bob.shown == [body]
    kind = b"text/x-link" if answer else b"text/plain"
    assert bob.received[0].get_all("content-type") == [kind]
    assert "device-accepted" in world.ledger.rules()


def test_a_failure_for_the_moment_is_tried_again_in_order(world: World) -> None:
    carriage = Carriage(world, 480, 200, 200)
    bob_comes(world, b"one", b"two")
    assert carriage.carried == [b"one"]
    world.network.run(10.0)
    assert carriage.carried == [b"one", b"one", b"two"]
    assert not world.store.waiting()


def test_a_refusal_is_final_and_told(world: World) -> None:
    Carriage(world, 415)
    bob_comes(world, b"one")
    assert not world.store.waiting()
    assert "device-refused-it-in-session" in world.ledger.rules()
    assert world.ledger.outcomes()[-1] == "refused"


def test_a_user_with_such_a_device_gets_everything_from_the_store(world: World) -> None:
    """`Pager.bridged`: a MESSAGE would be refused there."""
    carriage = Carriage(world, 200)
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.pager.bridged.add(BOB)
    call = world.alice.send(b"hello")
    world.network.run(2.0)
    assert world.alice.answers == {call: 202}
    assert carriage.carried == [b"hello"]
    assert bob.received == []
