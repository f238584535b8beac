"""Receipts of lists on a virtual network: what many recipients say reaches the sender together."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from pager import PagerSettings, rules
from pager.groups import Group, Senders
from pager.tally import Receipt, TallySettings
from sip.bodies.cpim import parse_cpim
from sip.testing import SimNetwork
from tests.support.imdn import CPIM_TYPE, asking, telling, told
from tests.support.list_world import CAROL, DAVE, EVERYBODY, GROUP, LIST, ListWorld
from tests.support.pager_world import ALICE, BOB


def test_what_all_say_comes_in_one_message_when_the_last_has_said_it() -> None:
    world = ListWorld()
    world.send_list(wants=("positive-delivery",))
    assert [world.say(who) for who in (BOB, DAVE)] == [200, 200]
    assert world.heard() == []
    assert world.say(CAROL) == 200
    assert world.heard() == [[(who, "delivery", "delivered") for who in (BOB, DAVE, CAROL)]]
    (body,) = world.phone_of_alice.shown
    message = parse_cpim(body)
    assert message.part.media_type == b"multipart/mixed"
    assert message.part.disposition == b"notification"
    assert message.get(b"From") == b"<sip:list@ims.test>"
    assert message.get(b"To") == b"<sip:alice@ims.test>"
    (request,) = world.phone_of_alice.received
    assert request.from_uri.aor == LIST


def test_who_is_slow_is_not_waited_for() -> None:
    world = ListWorld()
    world.send_list()
    world.say(BOB)
    world.say(CAROL)
    world.say(CAROL, "display", "displayed")
    world.network.run(10.0)
    world.say(BOB, "display", "displayed")
    world.network.run(11.0)
    assert world.heard() == [
        [(BOB, "delivery", "delivered"), (CAROL, "delivery", "delivered"),
         (CAROL, "display", "displayed")],
        [(BOB, "display", "displayed")],
    ]  # fmt: skip


def test_nothing_is_said_twice() -> None:
    world = ListWorld()
    world.send_list(BOB, wants=("positive-delivery",))
    assert [world.say(BOB, number=n) for n in range(3)] == [200, 200, 200]
    world.network.run(60.0)
    assert world.say(BOB, number=9) == 200
    world.network.run(60.0)
    assert world.heard() == [[(BOB, "delivery", "delivered")]]


def test_what_was_kept_unheard_is_told_when_it_is_said_again() -> None:
    world = ListWorld()
    world.send_list(BOB, wants=("positive-delivery",))
    (counted,) = world.store.counted
    kept = Receipt(counted, BOB, "delivery", b"committed, and nobody heard of it")
    world.store.receipts[counted, BOB, "delivery"] = kept
    assert world.say(BOB) == 200
    assert world.heard() == [[(BOB, "delivery", "delivered")]]


@pytest.mark.parametrize("settings", [TallySettings(wait_s=0.0), TallySettings(limit=0)])
def test_where_nothing_is_gathered_each_comes_on_its_own(settings: TallySettings) -> None:
    world = ListWorld(settings)
    world.send_list()
    world.say(BOB)
    world.say(CAROL)
    assert told(world.phone_of_alice.shown) == [("id1", "delivery", "delivered")] * 2
    assert len(world.heard()) == 2


def test_who_got_no_message_and_other_messages_are_nothing_to_the_list() -> None:
    world = ListWorld()
    world.send_list(BOB, CAROL)
    world.say("sip:eve@ims.test")
    world.say(BOB, about="another")
    assert [len(one) for one in world.heard()] == [1, 1]
    assert not world.store.receipts


def test_what_the_node_says_of_copies_is_gathered_too() -> None:
    world = ListWorld(settings=PagerSettings(mailbox_messages=1, expire_every_s=15.0))
    refusing = world.phone("dave", "198.51.100.61", "<d>", DAVE)
    refusing.answer = 415
    world.register(refusing)
    full = world.alice.send(b"waits", CAROL)
    world.network.run(1.0)
    assert world.alice.answers[full] == 202
    nobody = "sip:nobody@ims.test"
    world.send_list(BOB, CAROL, DAVE, nobody, more=((b"Expires", b"5"),))
    world.network.run(130.0)
    said = Counter(one for message in world.heard() for one in message)
    assert said == Counter({(who, "delivery", "failed"): 1 for who in (BOB, CAROL, DAVE, nobody)})
    assert len(world.heard()) <= 3


def test_processing_is_answered_once_by_the_list() -> None:
    world = ListWorld()
    world.send_list(wants=("processing", "positive-delivery"))
    world.network.run(20.0)
    assert told(world.phone_of_alice.shown) == [("id1", "processing", "stored")]


def test_with_a_history_of_recipients_as_well() -> None:
    world = ListWorld()
    bob = world.phone("bob", "198.51.100.60", "<b>")
    world.register(bob)
    world.send_list(BOB, CAROL, copy="to", wants=("positive-delivery",))
    assert b"recipient-list-history" in bob.shown[0]
    world.say(BOB)
    world.say(CAROL)
    assert world.heard() == [[(BOB, "delivery", "delivered"), (CAROL, "delivery", "delivered")]]


def test_who_is_in_a_group_is_told_to_those_alone_who_may_know() -> None:
    for owner, shown in (("sip:boss@ims.test", ""), (ALICE, BOB)):
        world = ListWorld()
        world.groups.replace_all([Group(GROUP, owner, Senders.ANYONE, "", (BOB, CAROL))])
        world.alice.send(asking(b"id1", "display", recipient=b"sip:x@y"), GROUP, headers=CPIM_TYPE)
        world.network.run(1.0)
        world.say(BOB, "display", "displayed")
        world.network.run(11.0)
        assert world.heard() == [[(shown, "display", "displayed")]]
        assert (BOB.encode() in b"".join(world.phone_of_alice.shown)) == bool(shown)


def test_nobody_sends_to_a_list_in_the_name_of_another() -> None:
    world = ListWorld()
    forged = asking(b"id1", "display", sender=b"sip:boss@ims.test")
    call = world.send_list(content=forged)
    assert world.alice.answers[call] == 403
    call = world.alice.send(forged, GROUP, headers=CPIM_TYPE)
    world.network.run(1.0)
    assert world.alice.answers[call] == 403
    assert not world.store.rows


def test_a_store_in_trouble_takes_nothing_over() -> None:
    world = ListWorld()
    world.send_list(BOB, wants=("positive-delivery",))
    world.store.failing = True
    assert world.say(BOB) == 503
    world.store.failing = False
    assert world.say(BOB, number=2) == 200
    assert world.heard() == [[(BOB, "delivery", "delivered")]]


def test_what_does_not_fit_comes_in_several_messages() -> None:
    many = tuple(f"sip:u{n}@ims.test" for n in range(60))
    world = ListWorld()
    world.lists.configure(60, 30_000, ())
    call = world.send_list(*many, wants=("negative-delivery",))
    for who in many:
        assert world.tallies.failed(ALICE, call, who)
    world.network.run(30.0)
    assert [len(one) for one in world.heard()] == [50, 10]
    assert len({one for message in world.heard() for one in message}) == 60


def test_its_time_is_over() -> None:
    world = ListWorld(TallySettings(wait_s=200.0, keep_s=100.0))
    world.send_list(BOB, CAROL)
    world.say(BOB)
    world.network.run(200.0)
    assert world.heard() == [[(BOB, "delivery", "delivered")]]
    assert not world.store.counted
    assert not world.store.receipts
    assert len(world.tallies) == 0
    world.say(CAROL)
    assert len(world.heard()) == 2


# --- whatever network, disk and power supply do


@pytest.mark.parametrize("seed", range(24))
def test_none_is_lost_and_none_comes_twice(seed: int) -> None:
    chance = Random(seed)
    network = SimNetwork(seed, loss=0.1, duplicate=0.1, reorder=0.1)
    world = ListWorld(TallySettings(wait_s=5.0), network=network)
    # The list itself is sent in peace: what is said about it is not.
    network.loss = 0.0
    world.send_list()
    network.loss = 0.1
    acknowledged: set[tuple[str, str]] = set()
    asked: dict[tuple[str, bytes], tuple[str, str]] = {}
    for number in range(40):
        deed = chance.randrange(8)
        if deed == 0:
            world.store.lose_answer = chance.random() < 0.5
            network.run(chance.uniform(0.0, 0.05))
            world.store.lose_answer = False
            world.restart()
        elif deed == 1:
            world.store.failing = chance.random() < 0.3
        elif deed == 2:
            phone = world.phone_of_alice
            (world.unregister if chance.random() < 0.5 else world.register)(phone)
        else:
            who = chance.choice(EVERYBODY)
            kind, status = chance.choice([("delivery", "delivered"), ("display", "displayed")])
            body = telling("id1", kind, status, message_id=b"n%d" % number, sender=who.encode())
            call = world.people[who].send(body, ALICE, headers=CPIM_TYPE)
            asked[who, call] = (who, kind)
        network.run(chance.choice([0.0, 0.01, 0.5, 4.0]))
    network.loss = 0.0
    network.run(40.0)
    world.store.failing = False
    world.register(world.phone_of_alice)
    network.run(120.0)
    for (who, call), said in asked.items():
        if 200 <= world.people[who].answers.get(call, 0) < 300:
            acknowledged.add(said)
    told_of = Counter((who, kind) for message in world.heard() for who, kind, _ in message)
    assert all(count == 1 for count in told_of.values()), told_of
    assert acknowledged <= set(told_of)
    assert not world.faults
    assert rules.GATHERED in world.ledger.rules()
