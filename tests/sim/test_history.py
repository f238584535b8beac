# SPDX-License-Identifier: Apache-2.0
"""What reaches the archive: what a device or the store has taken, once."""

from __future__ import annotations

from imsnode.history import Noted
from imsnode.history_observer import HistoryObserver
from pager import PagerSettings
from tests.support.pager_world import ALICE, BOB, World


def observed(settings: PagerSettings | None = None) -> tuple[World, list[Noted]]:
    world = World(settings=settings)
    noted: list[Noted] = []
    world.pager.observe(HistoryObserver(noted.append, lambda *_: None))
    return world, noted


def test_a_relayed_message_with_all_that_is_kept() -> None:
    world, noted = observed()
    world.register(world.phone("bob", "198.51.100.2", "<1>"))
    call_id = world.alice.send(b"now", headers=[(b"c", b"text/plain; a=b")])
    world.network.run(1.0)
    (one,) = noted
    owners, message_id, _at, *rest = one
    assert (owners, message_id) == (3, world.ledger.entries[0].message_id)
    assert rest == [ALICE, BOB, 200, b"text/plain; a=b", call_id, b"now", None]


def test_a_message_to_two_devices_stands_once() -> None:
    world, noted = observed()
    for number in (2, 3):
        world.register(world.phone(f"bob{number}", f"198.51.100.{number}", f"<{number}>"))
    world.alice.send(b"both")
    world.network.run(60.0)
    assert [one[8] for one in noted] == [b"both"]


def test_a_stored_message_stands_once_delivered_or_not() -> None:
    world, noted = observed()
    bob = world.phone("bob", "198.51.100.2", "<1>")
    world.alice.send(b"later")
    world.network.run(1.0)
    assert [(one[5], one[8]) for one in noted] == [(202, b"later")]
    world.register(bob)
    world.network.run(1.0)
    assert bob.shown == [b"later"]
    assert len(noted) == 1


def test_a_refused_message_is_nobodys_history() -> None:
    world, noted = observed(PagerSettings(message_body_bytes=2))
    world.alice.send(b"long")
    world.network.run(1.0)
    assert noted == []
    assert not world.faults
