# SPDX-License-Identifier: Apache-2.0
"""What an observer of the pager service hears: each message's answer, outcome and end, once."""

from __future__ import annotations

from collections.abc import Sequence

from pager import ExpiredMessage, PagerSettings, StoredMessage
from pager.submission import Submission
from tests.support.pager_world import World


class Log:
    """An observer that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def answered(self, submission: Submission, now: float) -> None:
        self.heard.append(("answered", submission.status, submission.request.body))

    def copied(self, copies: Sequence[StoredMessage], parent_id: str, now: float) -> None:
        self.heard += [("copied", copy.recipient, parent_id) for copy in copies]

    def concluded(
        self, message: StoredMessage, device: str, status: int, final: bool, now: float
    ) -> None:
        self.heard.append(("concluded", message.body, device, status, final))

    def expired(self, gone: ExpiredMessage, wall: float) -> None:
        self.heard.append(("expired", gone.size))


def observed(settings: PagerSettings | None = None) -> tuple[World, Log]:
    world, log = World(settings=settings), Log()
    world.pager.observe(log)
    return world, log


def test_a_relayed_message() -> None:
    world, log = observed()
    world.register(world.phone("bob", "198.51.100.2", "<1>"))
    world.alice.send(b"now")
    world.network.run(1.0)
    assert log.heard == [("answered", 200, b"now")]


def test_a_refused_message() -> None:
    world, log = observed(PagerSettings(message_body_bytes=2))
    world.alice.send(b"long")
    world.network.run(1.0)
    assert log.heard == [("answered", 413, b"long")]


def test_a_stored_message_is_delivered_per_device() -> None:
    world, log = observed()
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.register(bob)
    world.unregister(bob)
    world.alice.send(b"later")
    world.network.run(1.0)
    assert log.heard == [("answered", 202, b"later")]
    world.register(bob)
    world.network.run(1.0)
    assert log.heard[1:] == [("concluded", b"later", "<1>", 200, True)]


def test_an_expired_message() -> None:
    world, log = observed()
    world.alice.send(b"brief", headers=[(b"Expires", b"5")])
    world.network.run(60.0)
    assert log.heard == [("answered", 202, b"brief"), ("expired", 5)]
    assert not world.faults
