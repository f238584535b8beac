# SPDX-License-Identifier: Apache-2.0
"""Carbons on the simulated network: who gets a copy, marked how, and that it ends there."""

from __future__ import annotations

import pytest

from imsnode.carbons import Carbons, asks
from imsnode.history import Noted
from imsnode.history_observer import HistoryObserver
from sip.proxy import Target
from tests.support.pager_world import ALICE, BOB, Phone, World

TAG = b";+imsnode.carbons"


class Devices(World):
    """Alice's desk (the sender) and pocket phone, and bob; the tags of their contacts."""

    def __init__(self, everyone: bool = False) -> None:
        super().__init__()
        self.tags: dict[Phone, bytes] = {}
        self.noted: list[Noted] = []
        self.pager.observe(HistoryObserver(self.noted.append, lambda *_: None))
        self.carbons = Carbons(self.proxy, self, self._registered, lambda _aor: everyone)
        self.pager.observe(self.carbons)
        self.desk = self.device("desk", "198.51.100.1", ALICE)
        self.pocket = self.device("pocket", "198.51.100.9", ALICE)
        self.bob = self.device("bob", "198.51.100.2", BOB)

    def device(self, name: str, host: str, aor: str) -> Phone:
        if host == self.alice.node.address[0]:
            phone = Phone.__new__(Phone)
            phone.world, phone.aor, phone.instance = self, aor, f"<{name}>"
            phone.node, phone.uri = self.alice.node, b"sip:desk@198.51.100.1:5060"
        else:
            phone = self.phone(name, host, f"<{name}>", aor)
        self.register(phone)
        return phone

    def _registered(self, target: Target) -> tuple[bytes, tuple[str, int]]:
        assert isinstance(target.binding, Phone)
        return self.tags.get(target.binding, b""), target.binding.node.address


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (b"", None),
        (b";+imsnode.carbonsx", None),
        (b';+sip.instance="<1>";+imsnode.carbons', True),
        (b';+ImsNode.Carbons="TRUE";ob', True),
        (b';+imsnode.carbons="FALSE"', False),
    ],
)
def test_what_a_contact_asks_for(params: bytes, said: bool | None) -> None:
    assert asks(params) is said


@pytest.mark.parametrize("bob_is_there", [True, False])
def test_the_other_device_gets_a_marked_copy(bob_is_there: bool) -> None:
    world = Devices()
    world.tags = {world.pocket: TAG, world.desk: TAG}
    if not bob_is_there:
        world.unregister(world.bob)
    world.alice.send(b"hello", headers=[(b"Content-Type", b"text/plain"), (b"X-Mine", b"kept")])
    world.network.run(60.0)
    (copy,) = world.pocket.received
    assert copy.body == b"hello"
    assert copy.from_uri.aor == ALICE
    assert copy.to_uri.aor == BOB
    assert (copy.get("content-type"), copy.get("x-mine")) == (b"text/plain", b"kept")
    message_id = world.noted[0][1].encode()
    assert copy.get("imsnode-carbon") == b'sent;to="sip:bob@ims.test";id=' + message_id
    # Neither the sending device, nor history, nor the ledger, nor the store hear of the copy.
    assert world.carbons.sent == 1
    assert len(world.noted) == 1
    assert {entry.recipient for entry in world.ledger.entries} == {BOB}
    assert {row.message.recipient for row in world.store.rows.values()} <= {BOB}
    assert not world.faults


def test_a_device_that_refuses_or_is_silent_changes_nothing() -> None:
    world = Devices()
    world.tags = {world.pocket: TAG}
    world.pocket.answer = 603
    call_id = world.alice.send(b"one")
    world.network.run(60.0)
    world.pocket.silent = True
    second = world.alice.send(b"two")
    world.network.run(60.0)
    assert (world.alice.answers[call_id], world.alice.answers[second]) == (200, 200)
    assert world.bob.shown == [b"one", b"two"]
    assert not world.store.waiting()


def test_only_who_asked_or_is_set_so() -> None:
    world = Devices()
    world.alice.send(b"one")
    world.network.run(5.0)
    assert world.pocket.received == []
    everyone = Devices(everyone=True)
    everyone.alice.send(b"one")
    everyone.network.run(5.0)
    assert len(everyone.pocket.received) == 1
    everyone.tags = {everyone.pocket: TAG + b'="FALSE"'}
    everyone.alice.send(b"two")
    everyone.network.run(5.0)
    assert len(everyone.pocket.received) == 1


def test_notices_and_refused_messages_are_not_copied() -> None:
    world = Devices(everyone=True)
    composing = [(b"Content-Type", b"application/im-iscomposing+xml")]
    world.alice.send(b"<x/>", headers=composing)
    world.bob.answer = 603
    world.alice.send(b"unwanted")
    world.network.run(60.0)
    assert world.pocket.received == []


def test_two_devices_that_copy_each_other_do_not_loop() -> None:
    world = Devices(everyone=True)
    world.alice.send(b"to myself", to=ALICE)
    world.network.run(60.0)
    assert [request.body for request in world.pocket.received] == [b"to myself"]
    assert world.carbons.sent == 0
