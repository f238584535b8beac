# SPDX-License-Identifier: Apache-2.0
"""Parcels in a database: kept as one, settled as one, never lost and never twice."""

from __future__ import annotations

from dataclasses import replace

from imsnode.storage import JobTable
from pager.fanout import BATCH
from pager.identity import copy_key
from pager.jobs import Job, JobKind
from pager.original import Original
from pager.ports import Advance, Bundle, CopiesResult, Settled
from pager.values import StoredMessage, StoreKind
from tests.support.stores import WALL, DurableStore, message

ALICE = "sip:alice@ims.test"
HEAD = b"From: <sip:alice@ims.test>;tag=1\r\nX-Odd: \xff"


def copies(first: int, count: int, devices: tuple[str, ...] = ("<d>",)) -> list[StoredMessage]:
    made = []
    for number in range(first, first + count):
        who = f"sip:u{number}@ims.test"
        made.append(
            message(
                number, key=copy_key(b"identity", ALICE, who), recipient=who, call_id=b"call",
                received_at=WALL, expires_at=WALL + 1000, devices=devices, body=b"to many \x00",
                head=b"To: <%b>\r\n%b" % (who.encode(), HEAD),
            )
        )  # fmt: skip
    return made


def bundle(carried: list[StoredMessage]) -> Bundle:
    return Bundle(b"identity", ALICE, HEAD, b"to many \x00", True, carried)


def send(
    store: DurableStore, stored: list[StoredMessage], carried: list[StoredMessage],
    advance: Advance | None = None,
) -> CopiesResult:  # fmt: skip
    results: list[CopiesResult] = []
    store.storage.jobs.store_copies(stored, advance, results.append, bundle(carried))
    store.run_until(lambda: bool(results))
    return results[0]


def waiting(store: DurableStore, number: int) -> list[StoredMessage]:
    pending = store.storage.messages.pending
    return [one.message for one in store.call(pending, f"sip:u{number}@ims.test", 0, BATCH)]


def test_a_parcel_holds_its_copies_and_nobody_else_sees_them(durable: DurableStore) -> None:
    result = send(durable, copies(0, 2), copies(2, 3))
    assert result.parcel
    assert result.copies is not None
    assert [bool(one.seq) for one in result.copies] == [True, True, False, False, False]
    assert waiting(durable, 1) == copies(1, 1)
    assert waiting(durable, 3) == []


def test_what_is_left_of_a_parcel_is_stored_and_the_rest_is_over(durable: DurableStore) -> None:
    parcel = send(durable, [], copies(0, 3)).parcel
    (stored,) = durable.call(durable.storage.jobs.settle, Settled(parcel, 2, copies(1, 1)))
    assert stored.kind is StoreKind.STORED
    assert waiting(durable, 1) == copies(1, 1)
    durable.reopen()
    assert [waiting(durable, number) for number in (0, 2)] == [[], []]


def test_the_same_message_again_reaches_only_who_had_none(durable: DurableStore) -> None:
    first = send(durable, copies(0, 2), copies(2, 2))
    durable.call(durable.storage.jobs.settle, Settled(first.parcel, 2, []))
    # By now others of them can be reached, and there is one more.
    again = send(durable, copies(2, 1), [*copies(0, 1), *copies(3, 2)])
    assert again.parcel == 0
    assert again.copies is not None
    assert [one.kind is StoreKind.STORED for one in again.copies] == [False, False, False, True]
    assert waiting(durable, 4) == copies(4, 1)


def test_a_parcel_nobody_settled_becomes_messages(durable: DurableStore) -> None:
    send(durable, [], copies(0, 2))
    durable.reopen()
    assert waiting(durable, 0) == copies(0, 1)
    assert waiting(durable, 1) == copies(1, 1)
    assert durable.storage.messages.waiting_counts().keys() == {
        "sip:u0@ims.test",
        "sip:u1@ims.test",
    }
    durable.reopen()
    assert waiting(durable, 0) == copies(0, 1)


def test_a_job_counts_what_its_parcels_carried(durable: DurableStore) -> None:
    original = Original(
        "b1", ALICE, "ims.test", b"call", 1, b"identity", WALL, WALL + 1000, HEAD, b"x", True
    )
    table = JobTable(durable.storage.database)
    table.create(Job(original, JobKind.BROADCAST, 0.0, 5))
    advance = Advance("b1", "", "sip:u4@ims.test", 5)
    parcel = send(durable, copies(0, 1), copies(1, 4), advance).parcel
    report = table.report("b1")
    assert report is not None
    assert (report.stored, report.waiting, report.delivered) == (5, 5, 0)
    durable.call(durable.storage.jobs.settle, Settled(parcel, 3, copies(4, 1)))
    report = table.report("b1")
    assert report is not None
    assert (report.waiting, report.delivered, report.forgotten) == (2, 3, 0)


def test_a_batch_that_was_committed_unheard_is_not_the_end_of_its_job(
    durable: DurableStore,
) -> None:
    original = Original(
        "b1", ALICE, "ims.test", b"call", 1, b"identity", WALL, WALL + 1000, HEAD, b"x", True
    )
    table = JobTable(durable.storage.database)
    table.create(Job(original, JobKind.BROADCAST, 0.0, 5))
    advance = Advance("b1", "", "sip:u1@ims.test", 5)
    send(durable, copies(0, 2), [], advance)
    again = send(durable, copies(0, 2), [], replace(advance))
    assert again.copies is not None
    assert [one.kind for one in again.copies] == [StoreKind.DUPLICATE] * 2
    last = Advance("b1", "sip:u1@ims.test", "sip:u2@ims.test", 5, WALL + 9)
    send(durable, copies(2, 1), [], last)
    ended = send(durable, copies(2, 1), [], last)
    assert ended.copies is not None
    assert not ended.stopped


def test_settled_parcels_are_forgotten_with_the_messages(durable: DurableStore) -> None:
    parcel = send(durable, [], copies(0, 1)).parcel
    durable.call(durable.storage.jobs.settle, Settled(parcel, 1, []))
    durable.wall += durable.settings.duplicate_memory_s + 1
    durable.reopen()
    durable.flush()

    def again() -> bool:
        durable.flush()
        return bool(send(durable, [], copies(0, 1)).parcel)

    durable.run_until(again)
