"""What a session brings that the node took is submitted, in its order, at the caller's rate."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from imsnode.msrp.taken import Taken, msrp_status
from session_msrp.reassembly import Message
from session_msrp.session import Received

ALICE, BOB = "sip:alice@ims.test", "sip:bob@ims.test"


class World:
    """A deferring that answers as the test says, and its talk."""

    def __init__(self, *waits: float) -> None:
        self.waits = list(waits)
        self.submitted: list[tuple[tuple[bytes, bytes], str]] = []
        self.answers: list[Any] = []
        self.due: list[float] = []
        self.settled: list[tuple[bytes, int]] = []
        self.timers = SimpleNamespace(schedule=lambda at, whom, kind: self.due.append(at))
        self.taken = Taken(self, ALICE, BOB, [], "nobody-there")  # type: ignore[arg-type]
        self.talk: Any = SimpleNamespace(call_id=b"c1", settle=self.settle)

    def pause(self, caller: str, now: float) -> float:
        return self.waits.pop(0) if self.waits else 0.0

    def submit(self, talk: object, sender: str, recipient: str, content: tuple[bytes, bytes],
               headers: object, identity: str, answered: object) -> None:  # fmt: skip
        assert (sender, recipient) == (ALICE, BOB)
        self.submitted.append((content, identity))
        self.answers.append(answered)

    def settle(self, received: Received, status: int = 200) -> None:
        self.settled.append((received.message.id, status))

    def receive(self, name: bytes, kind: bytes = b"text/plain") -> None:
        message = Received(Message(name, kind, b"body of " + name, False))
        self.taken.received(self.talk, message, 1.0)


def test_a_message_is_settled_by_what_becomes_of_it() -> None:
    world = World()
    world.receive(b"m1")
    world.receive(b"m2")
    assert world.settled == []
    world.answers[1](202, "Accepted")
    world.answers[0](413, "Too large")
    assert world.settled == [(b"m2", 200), (b"m1", 413)]
    one, two = (identity for _, identity in world.submitted)
    assert one != two
    world.receive(b"m1")
    assert world.submitted[2][1] == one  # the same message again


def test_what_comes_too_fast_waits_in_its_order() -> None:
    world = World(0.0, 2.5, 0.0, 1.5)
    for name in (b"m1", b"m2", b"m3"):
        world.receive(name)
    assert [content for content, _ in world.submitted] == [(b"text/plain", b"body of m1")]
    assert world.due == [3.5]
    world.taken.on_timer(1, 3.5)
    assert len(world.submitted) == 2
    assert world.due == [3.5, 5.0]
    world.taken.on_timer(1, 5.0)
    assert [content[1] for content, _ in world.submitted][2] == b"body of m3"


def test_who_is_writing_is_worth_nothing_to_who_is_away() -> None:
    world = World()
    world.receive(b"m1", b"application/im-iscomposing+xml")
    assert world.submitted == []
    assert world.settled == [(b"m1", 200)]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (200, 200),
        (202, 200),
        (400, 400),
        (403, 403),
        (480, 403),
        (415, 415),
        (488, 415),
        (503, 408),
    ],
)
def test_a_refusal_in_msrp(status: int, said: int) -> None:
    assert msrp_status(status) == said
