# SPDX-License-Identifier: Apache-2.0
"""Any interleaving of what can happen to messages, and what has to hold whatever it was.

A program is a row of deeds drawn from a seed: messages to users and to a list, with and without an
end; devices that come, go, are cut off, refuse or think for long; recalls; a network that loses,
repeats and reorders; a store that is slow or in trouble; power cuts before and after a commit. At
the end everything is made well again. Then

- who was told 2xx can rely on it: the message came, or was recalled, or its time was over, or the
  last device refused it for good;
- no device showed anything twice, and nothing that was recalled in time;
- what one sender sent one recipient, one after the other, was shown in that order;
- the ledger says what the devices saw, and each message has one end.

``IMSNODE_PROGRAMS`` says how many programs are run; ``IMSNODE_PROGRAM`` runs one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from random import Random

import pytest

from pager import PagerSettings, rules
from pager.recall import RecallState
from pager.tally import TallySettings
from sip.flow import Flow
from sip.message import Request, Response
from sip.testing import SimNetwork
from sip.transaction import ClientTransaction
from tests.support.list_world import CAROL, EVERYBODY, ListWorld
from tests.support.pager_world import BOB, NODE, Phone, Sender

ONE = os.environ.get("IMSNODE_PROGRAM")
PROGRAMS = [int(ONE)] if ONE else range(int(os.environ.get("IMSNODE_PROGRAMS", "30")))
DEEDS = 90
SETTINGS = PagerSettings(page_messages=4, draining_devices=2, retry_max_s=40.0, expire_every_s=15.0)
CPIM = (b"Content-Type", b"message/cpim")
TEXT = (
    b"NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: %b\r\n\r\n"
    b"Content-Type: text/plain\r\n\r\n%b"
)


class Author(Sender):
    """A sender who knows when each answer came."""

    def __init__(self, world: Programme, name: str, host: str, aor: str) -> None:
        super().__init__(world, name, host, aor)
        self.answered_at: dict[bytes, float] = {}

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        super().on_response(tx, response, now)
        if response.status >= 200:
            assert isinstance(tx.context, bytes)
            self.answered_at.setdefault(tx.context, now)


class Device(Phone):
    """A device that knows when it showed each message."""

    def __init__(self, world: Programme, name: str, host: str, aor: str, instance: str) -> None:
        super().__init__(world, name, host, aor, instance)
        self.shown_at: list[float] = []

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        super().on_request(request, flow, now)
        if len(self.shown) > len(self.shown_at):
            self.shown_at.append(now)


@dataclass
class Sent:
    """One message as its sender sees it; ``body`` tells it from all others."""

    author: Author
    call_id: bytes
    recipient: str
    body: bytes
    at: float
    ends: bool
    recall: RecallState | None = None
    asked_back: bool = False

    @property
    def acknowledged_at(self) -> float | None:
        status = self.author.answers.get(self.call_id, 0)
        return self.author.answered_at[self.call_id] if 200 <= status < 300 else None


class Programme(ListWorld):
    """Two senders, three users with up to two devices each, one of them without an identity."""

    def __init__(self, seed: int, restarts: bool) -> None:
        self.random = Random(seed)
        self.restarts = restarts
        # Of every other run, much arrives in the same moment.
        latency = (0.01, 0.01) if seed % 2 else (0.001, 0.02)
        network = SimNetwork(seed, latency=latency, loss=0.08, duplicate=0.08, reorder=0.08)
        super().__init__(TallySettings(wait_s=0.0), SETTINGS, network)
        self.authors = [
            Author(self, "ann", "198.51.100.81", "sip:ann@ims.test"),
            Author(self, "ben", "198.51.100.82", "sip:ben@ims.test"),
        ]
        self.phones = [
            Device(self, "bob1", "198.51.100.91", BOB, "<b1>"),
            Device(self, "bob2", "198.51.100.92", BOB, "<b2>"),
            Device(self, "carol1", "198.51.100.93", CAROL, "<c1>"),
            Device(self, "dave1", "198.51.100.94", EVERYBODY[2], ""),
        ]
        for phone in self.phones:
            self.register(phone)
        self.sent: list[Sent] = []

    def run(self) -> None:
        for number in range(DEEDS):
            self.deed(number)
            self.network.run(self.random.choice([0.0, 0.01, 0.3, 0.3, 4.0]))
        self.make_well()

    def deed(self, number: int) -> None:
        chance = self.random
        phone = chance.choice(self.phones)
        match chance.randrange(16):
            case 0 | 1:
                self.register(phone)
            case 2:
                self.unregister(phone)
            case 3:
                phone.answers = [chance.choice([480, 486, 500, 503, 415])]
            case 4:
                phone.silent = not phone.silent
            case 5:
                phone.delay_s = chance.choice([0.0, 0.3, 5.0])
            case 6:
                self.network.partition(NODE, phone.node.address[0])
            case 7:
                self.network.heal()
            case 8:
                self.store.failing = chance.random() < 0.3
            case 9:
                self.store.delay_s = chance.choice([0.001, 0.05, 1.0])
            case 10 if self.restarts:
                self.cut_the_power()
            case 11:
                self.take_back()
            case 12:
                self.write_to_all(number)
            case _:
                self.write(number)

    def cut_the_power(self) -> None:
        """End the node; what was committed last may have gone unanswered."""
        self.store.lose_answer = self.random.random() < 0.5
        self.network.run(self.random.uniform(0.0, 0.1))
        self.store.lose_answer = False
        self.restart()

    def write(self, number: int) -> None:
        """Send one message, which may be worth nothing after a while."""
        author, recipient = self.random.choice(self.authors), self.random.choice(EVERYBODY)
        body = b"%b %d" % (author.node.name.encode(), number)
        ends = self.random.random() < 0.2
        headers = [CPIM, *([(b"Expires", b"20")] if ends else [])]
        call_id = author.send(TEXT % (body.replace(b" ", b"-"), body), recipient, headers=headers)
        self.sent.append(Sent(author, call_id, recipient, body, self.network.now, ends))

    def write_to_all(self, number: int) -> None:
        """Send one message to a list of everybody."""
        author = self.random.choice(self.authors)
        body = b"%b %d all" % (author.node.name.encode(), number)
        content, address, headers = self.listed(EVERYBODY, body)
        call_id = author.send(content, address, headers=headers)
        for recipient in EVERYBODY:
            self.sent.append(Sent(author, call_id, recipient, body, self.network.now, False))

    def take_back(self) -> None:
        """Recall one of the last messages."""
        single = [one for one in self.sent[-6:] if not one.body.endswith(b"all")]
        if single:
            one = self.random.choice(single)

            def done(state: RecallState) -> None:
                if one.recall not in (RecallState.REMOVED, RecallState.ON_ITS_WAY):
                    one.recall = state

            one.asked_back = True
            name = one.body.replace(b" ", b"-")
            self.recall.by_imdn(name, one.author.aor, one.recipient, done)

    def make_well(self) -> None:
        """Let every trouble end and everything be delivered."""
        self.network.loss = 0.0
        self.network.heal()
        self.network.run(40.0)
        self.store.failing = False
        for phone in self.phones:
            phone.silent = False
            phone.delay_s = 0.0
            phone.answers = []
            self.register(phone)
        self.network.run(240.0)

    def shown(self, phone: Phone) -> list[bytes]:
        return [body.rpartition(b"\r\n")[2] for body in phone.shown]

    def shown_to(self, recipient: str) -> set[bytes]:
        return {b for phone in self.phones if phone.aor == recipient for b in self.shown(phone)}


# --- what has to hold


def none_is_lost(world: Programme) -> None:
    refused = {
        (entry.call_id, entry.recipient)
        for entry in world.ledger.entries
        if entry.outcome == rules.REFUSED
    }
    for one in world.sent:
        recalled = one.recall in (RecallState.REMOVED, RecallState.ON_ITS_WAY, RecallState.PARTLY)
        # A power cut takes the answer to a recall along.
        recalled = recalled or (world.restarts and one.asked_back)
        if (one.call_id, one.recipient) in refused:
            continue
        if one.acknowledged_at is not None and not one.ends and not recalled:
            assert one.body in world.shown_to(one.recipient), one
    assert not world.store.waiting()
    assert not world.pager.running
    assert not world.pager.offline.boxes
    assert not world.faults


def none_is_shown_twice(world: Programme) -> None:
    for phone in world.phones:
        bodies = world.shown(phone)
        assert len(bodies) == len(set(bodies)), phone.node.name


def none_is_shown_after_its_recall(world: Programme) -> None:
    for one in world.sent:
        if one.recall is RecallState.REMOVED:
            assert one.body not in world.shown_to(one.recipient), one


def order_is_kept(world: Programme) -> None:
    """In the order in which the recipient gets to see them, on whichever device that is.

    A second device that was being tried when the first one answered may show them in another, and
    what one device refused is shown when another takes it.
    """
    refused = {
        (entry.call_id, entry.recipient)
        for entry in world.ledger.entries
        for step in entry.steps
        if step[3] == 415
    }
    first: dict[tuple[str, bytes], float] = {}
    for phone in world.phones:
        for body, at in zip(world.shown(phone), phone.shown_at, strict=True):
            first[phone.aor, body] = min(at, first.get((phone.aor, body), at))
    for n, later in enumerate(world.sent):
        for earlier in world.sent[:n]:
            told, key = earlier.acknowledged_at, (earlier.recipient, earlier.body)
            if (
                (earlier.author, earlier.recipient) == (later.author, later.recipient)
                and told is not None
                and told < later.at
                and key in first
                and (earlier.call_id, earlier.recipient) not in refused
                and (later.recipient, later.body) in first
            ):
                assert first[key] <= first[later.recipient, later.body], (earlier, later)


def the_ledger_says_what_devices_saw(world: Programme) -> None:
    """Without power cuts: those cost the last second of the ledger, on purpose."""
    bodies = {(one.call_id, one.recipient): one.body for one in world.sent}
    entries = [e for e in world.ledger.entries if (e.call_id, e.recipient) in bodies]
    taken: set[tuple[str, bytes]] = set()
    for entry in entries:
        body = bodies[entry.call_id, entry.recipient]
        for _, step, device, status, _ in entry.steps:
            if step == rules.ANSWERED and (200 <= status < 300 or status == 482):
                taken.add((f"{entry.recipient}{device}", body))
        if entry.outcome in (rules.RELAYED, rules.DELIVERED):
            assert body in world.shown_to(entry.recipient), entry
    seen = {
        (f"{phone.aor}{phone.instance}", body)
        for phone in world.phones
        for body in world.shown(phone)
    }
    assert taken <= seen
    answered = {(one.recipient, one.body) for one in world.sent if one.acknowledged_at is not None}
    for device, body in seen - taken:
        # The device's answer never came, and the message was over before it could be asked again.
        over = [one for one in world.sent if one.body == body and (one.ends or one.recall)]
        recipient = device.partition("<")[0]
        assert over or (recipient, body) not in answered, (device, body)
    for message_id in {entry.message_id for entry in entries}:
        story = [entry for entry in entries if entry.message_id == message_id]
        repeat = all(entry.outcome == rules.DUPLICATE for entry in story)
        assert [entry.final for entry in story].count(True) == (0 if repeat else 1), story


@pytest.mark.parametrize("seed", PROGRAMS)
def test_a_program_without_power_cuts(seed: int) -> None:
    world = Programme(seed, restarts=False)
    world.run()
    none_is_lost(world)
    none_is_shown_twice(world)
    none_is_shown_after_its_recall(world)
    order_is_kept(world)
    the_ledger_says_what_devices_saw(world)


@pytest.mark.parametrize("seed", PROGRAMS)
def test_a_program_with_power_cuts(seed: int) -> None:
    world = Programme(1000 + seed, restarts=True)
    world.run()
    none_is_lost(world)
    none_is_shown_twice(world)
    order_is_kept(world)
