"""Receipts of lists in a database: kept once, told in the transaction of the message that tells."""

from __future__ import annotations

from dataclasses import replace

from pager.ports import CopiesResult, Told
from pager.tally import Counted, Receipt
from tests.support.stores import WALL, DurableStore, message

LIST = Counted(
    "p1", "sip:alice@ims.test", "sip:list@ims.test", b"call \xff", b"im:alice@ims.test", b"id1",
    "2026-11-23T12:00:00Z", "", 11, ("sip:bob@ims.test", "sip:carol@ims.test"), 2, True,
    WALL + 100,
)  # fmt: skip
BOB = Receipt("p1", "sip:bob@ims.test", "delivery", b"<imdn/>\x00")
CAROL = Receipt("p1", "sip:carol@ims.test", "delivery", b"<x/>", True)


def keep(store: DurableStore, receipt: Receipt) -> object:
    return store.call(store.storage.tallies.keep, receipt)


def loaded(store: DurableStore, wall: float = WALL) -> object:
    return store.storage.tallies.load(wall)


def test_they_come_back_as_they_were_and_once(durable: DurableStore) -> None:
    durable.storage.tallies.count(LIST)
    group = replace(LIST, id="p2", recipients=(), disclosed=False)
    durable.storage.tallies.count(group)
    assert [keep(durable, one) for one in (BOB, CAROL, BOB)] == [True, True, False]
    assert loaded(durable) == [(LIST, [(BOB, False), (CAROL, False)]), (group, [])]


def test_they_are_told_with_the_message_that_tells(durable: DurableStore) -> None:
    durable.storage.tallies.count(LIST)
    keep(durable, BOB)
    keep(durable, CAROL)
    told = Told([("p1", BOB.recipient, "delivery")])
    result = durable.call(durable.storage.jobs.store_copies, [message(1)], told)
    assert isinstance(result, CopiesResult)
    assert result.copies
    assert loaded(durable) == [(LIST, [(replace(BOB, document=b""), True), (CAROL, False)])]
    assert keep(durable, BOB) is False


def test_what_is_over_is_forgotten_when_all_of_it_was_told(durable: DurableStore) -> None:
    durable.storage.tallies.count(LIST)
    keep(durable, BOB)
    assert loaded(durable, WALL + 200) == [(LIST, [(BOB, False)])]
    durable.call(durable.storage.jobs.store_copies, [], Told([("p1", BOB.recipient, "delivery")]))
    assert loaded(durable, WALL + 200) == []
    keep(durable, CAROL)  # of nothing that is gathered
    assert loaded(durable) == []


def test_an_ended_message_is_forgotten(durable: DurableStore) -> None:
    durable.storage.tallies.count(LIST)
    keep(durable, BOB)
    durable.storage.tallies.end("p1")
    assert keep(durable, replace(BOB, list_id="p3")) is True
    assert loaded(durable) == []
