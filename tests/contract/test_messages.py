# SPDX-License-Identifier: Apache-2.0
"""`pager.ports.MessageStore`, as every implementation has to keep it."""

from __future__ import annotations

from typing import Any

from imsnode.identity.accounts import make_account
from pager.values import (
    ExpiredMessage,
    MarkState,
    PendingMessage,
    StoredMessage,
    StoreKind,
    StoreResult,
    Waiting,
)
from tests.support.stores import WALL, DurableStore, Loop, MemoryStore, mark, message

Store = DurableStore | MemoryStore
BOB = "sip:bob@ims.test"


def put(store: Store, made: StoredMessage) -> StoreResult:
    result = store.call(store.storage.messages.store, made)
    assert result.kind is StoreKind.STORED
    return result


def waiting(store: Store, recipient: str = BOB, after: int = 0, limit: int = 100) -> Any:
    return store.call(store.storage.messages.pending, recipient, after, limit)


def settle(store: Store, *marks: Any) -> None:
    assert store.call(store.storage.messages.mark, marks) is True


def test_a_message_comes_back_octet_by_octet(store: Store) -> None:
    made = message(
        1,
        sender="sip:älice%00@ims.test",
        devices=("<urn:uuid:1>", 'odd "\t;'),
        offered=("", "<urn:uuid:1>"),
        expires_at=WALL + 1000.125,
        accepted=True,
    )
    result = put(store, made)
    assert (result.id, result.detail) == (made.id, "")
    store.reopen()
    assert waiting(store) == [PendingMessage(result.seq, made, True, ())]


def test_messages_are_read_in_the_order_of_their_commits(store: Store) -> None:
    results = [put(store, message(number)) for number in (3, 1, 2)]
    assert [one.message.id for one in waiting(store)] == [one.id for one in results]
    assert [one.seq for one in waiting(store)] == sorted(one.seq for one in results)


def test_reading_goes_on_behind_a_number(store: Store) -> None:
    results = [put(store, message(number)) for number in range(5)]
    page = waiting(store, limit=2)
    assert [one.seq for one in page] == [results[0].seq, results[1].seq]
    assert [one.seq for one in waiting(store, after=page[-1].seq)] == [r.seq for r in results[2:]]


def test_nobody_reads_the_messages_of_others(store: Store) -> None:
    put(store, message(1, recipient="sip:carol@ims.test"))
    put(store, message(2, recipient="sip:bob@ims.test.example"))
    assert waiting(store) == []
    assert waiting(store, "sip:b%b@ims.test") == []
    assert waiting(store, "sip:_arol@ims.test") == []


def test_a_repeat_is_recognised_by_its_key(store: Store) -> None:
    first = put(store, message(1))
    again = store.call(store.storage.messages.store, message(2, key=message(1).key))
    assert again == StoreResult(StoreKind.DUPLICATE, first.id)
    assert len(waiting(store)) == 1


def test_a_repeat_is_recognised_within_one_group(store: Store) -> None:
    results: list[StoreResult] = []
    made = [message(1), message(2, key=message(1).key), message(3), message(4, key=message(1).key)]
    for one in made:
        store.storage.messages.store(one, results.append)
    store.run_until(lambda: len(results) == 4)
    by_id = {result.id: result.kind for result in results if result.kind is StoreKind.STORED}
    assert set(by_id) == {made[0].id, made[2].id}
    repeats = [result for result in results if result.kind is StoreKind.DUPLICATE]
    assert [result.id for result in repeats] == [made[0].id, made[0].id]


def test_a_repeat_is_recognised_after_settlement_and_restart(store: Store) -> None:
    settle(store, mark(put(store, message(1))))
    store.reopen()
    again = store.call(store.storage.messages.store, message(2, key=message(1).key))
    assert again == StoreResult(StoreKind.DUPLICATE, message(1).id)


def test_the_same_key_for_two_recipients_is_two_messages(store: Store) -> None:
    put(store, message(1))
    put(store, message(2, key=message(1).key, recipient="sip:carol@ims.test"))


def test_numbers_rise_over_a_restart(store: Store) -> None:
    first = put(store, message(1))
    store.reopen()
    assert put(store, message(2)).seq > first.seq


def test_a_settled_message_waits_no_more(store: Store) -> None:
    kept, gone = put(store, message(1)), put(store, message(2))
    settle(store, mark(gone))
    assert [one.seq for one in waiting(store)] == [kept.seq]
    assert store.storage.messages.waiting_counts() == {BOB: Waiting(1, 0)}


def test_an_accepting_device_leaves_the_message_for_the_others(store: Store) -> None:
    made = put(store, message(1, devices=("<a>", "<b>", "<c>")))
    settle(store, mark(made, "<a>", settles=False))
    settle(store, mark(made, "<b>", state=MarkState.REFUSED, status=415, settles=False))
    store.reopen()
    (one,) = waiting(store)
    assert one.accepted
    assert one.message.accepted
    assert one.settled == ("<a>", "<b>")
    assert one.message.body == message(1).body
    assert store.storage.messages.waiting_counts() == {BOB: Waiting(0, 1)}


def test_a_refusing_device_does_not_make_it_a_copy(store: Store) -> None:
    made = put(store, message(1, devices=("<a>", "<b>")))
    settle(store, mark(made, "<a>", state=MarkState.REFUSED, status=415, settles=False))
    assert store.storage.messages.waiting_counts() == {BOB: Waiting(1, 0)}
    assert not waiting(store)[0].accepted


def test_marks_may_be_repeated(store: Store) -> None:
    made = put(store, message(1, devices=("<a>", "<b>")))
    half, whole = mark(made, "<a>", settles=False), mark(made, "<b>")
    settle(store, half, half)
    settle(store, half)
    settle(store, half, whole)
    settle(store, whole, half)
    assert waiting(store) == []


def test_marks_for_what_is_not_there_change_nothing(store: Store) -> None:
    made = put(store, message(1))
    settle(store, mark(made, message_id="m000000000000000099"), mark(made, seq=made.seq + 1))
    settle(store)
    assert len(waiting(store)) == 1


def test_marks_need_nobody_who_waits_for_them(store: Store) -> None:
    made = put(store, message(1))
    store.storage.messages.mark([mark(made)])
    settle(store)
    assert waiting(store) == []


def test_counts_are_per_recipient(store: Store) -> None:
    for number in range(3):
        put(store, message(number))
    put(store, message(3, recipient="sip:carol@ims.test", accepted=True))
    store.reopen()
    assert store.storage.messages.waiting_counts() == {
        BOB: Waiting(3, 0),
        "sip:carol@ims.test": Waiting(0, 1),
    }


def test_expiry_settles_what_is_late_and_tells_it_once(store: Store) -> None:
    late = put(store, message(1, expires_at=WALL + 10, devices=("<a>", "<b>")))
    settle(store, mark(late, "<a>", settles=False))
    put(store, message(2, expires_at=WALL + 10.5))
    expire = store.storage.messages.expire
    assert store.call(expire, WALL + 9.999, 10) == []
    told = store.call(expire, WALL + 10.0, 10)
    size = len(message(1).body)
    assert told == [
        ExpiredMessage(late.id, late.seq, b"call-1@host", "sip:alice@ims.test", BOB, size, True)
    ]
    assert store.call(expire, WALL + 10.0, 10) == []
    store.reopen()
    assert store.call(store.storage.messages.expire, WALL + 10.0, 10) == []
    assert [one.message.id for one in waiting(store)] == [message(2).id]


def test_expiry_gives_the_content_that_may_ask_for_a_notification(store: Store) -> None:
    cpim = b"From: <sip:alice@ims.test>\r\nContent-Type: Message/CPIM;x=1"
    put(store, message(1, expires_at=WALL + 10, head=cpim, body=b"asks"))
    put(store, message(2, expires_at=WALL + 11, head=b"Content-Type: text/plain", body=b"text"))
    told = store.call(store.storage.messages.expire, WALL + 20.0, 10)
    assert [(one.head, one.body) for one in told] == [(cpim, b"asks"), (b"", b"")]


def test_expiry_stops_at_its_limit_and_goes_on(store: Store) -> None:
    made = [put(store, message(number, expires_at=WALL + 9 - number)) for number in range(5)]
    expire = store.storage.messages.expire
    first = store.call(expire, WALL + 100, 3)
    second = store.call(expire, WALL + 100, 3)
    assert [one.seq for one in first] == [made[4].seq, made[3].seq, made[2].seq]
    assert [one.seq for one in second] == [made[1].seq, made[0].seq]


def test_each_of_a_group_expires_in_its_own_time(store: Store) -> None:
    count = 150
    results: list[StoreResult] = []
    for number in range(count):
        late = WALL + 10 + number * 37 % 50
        store.storage.messages.store(message(number, expires_at=late), results.append)
    store.run_until(lambda: len(results) == count)
    settle(store, *[mark(one) for one in results[::3]])
    due = {message(n).id: WALL + 10 + n * 37 % 50 for n in range(count) if n % 3}
    for wall in (WALL + 9, WALL + 10, WALL + 31, WALL + 45, WALL + 59):
        told: list[ExpiredMessage] = []
        while batch := store.call(store.storage.messages.expire, wall, 7):
            told += batch
        assert sorted(one.id for one in told) == sorted(i for i, at in due.items() if at <= wall)
        due = {identity: at for identity, at in due.items() if at > wall}
        store.reopen()
    assert waiting(store) == []


def test_expiry_passes_over_settled_messages(store: Store) -> None:
    made = [put(store, message(number, expires_at=WALL + number)) for number in range(6)]
    settle(store, *[mark(one) for one in made[:5]])
    told = store.call(store.storage.messages.expire, WALL + 100, 1)
    assert [one.seq for one in told] == [made[5].seq]


def test_an_expired_message_recognises_its_repeat(store: Store) -> None:
    put(store, message(1, expires_at=WALL + 10))
    store.call(store.storage.messages.expire, WALL + 10.0, 10)
    again = store.call(store.storage.messages.store, message(2, key=message(1).key))
    assert again.kind is StoreKind.DUPLICATE


def test_recent_keys_are_the_newest_oldest_first(store: Store) -> None:
    results = [put(store, message(number)) for number in range(6)]
    settle(store, mark(results[4]))
    store.reopen()
    keys = store.storage.messages.recent_keys
    expected = [(message(number).call_id, message(number).key) for number in range(6)]
    assert list(keys(WALL + 2, 100)) == expected[2:]
    assert list(keys(WALL, 2)) == expected[4:]
    assert list(keys(WALL + 100, 10)) == []


def test_a_read_sees_what_was_queued_before_it(store: Store) -> None:
    results: list[Any] = []
    for number in range(10):
        store.storage.messages.store(message(number), results.append)
    found: list[Any] = []
    store.storage.messages.pending(BOB, 0, 100, found.append)
    store.run_until(lambda: bool(found))
    assert len(found[0]) == 10
    assert len(results) == 10


def test_completions_come_in_the_order_of_the_calls(store: Store) -> None:
    results: list[StoreResult] = []
    for number in range(500):
        store.storage.messages.store(message(number), results.append)
    store.run_until(lambda: len(results) == 500)
    assert [result.id for result in results] == [message(number).id for number in range(500)]


def test_a_group_costs_one_wakeup(durable: DurableStore) -> None:
    assert isinstance(durable, Loop)
    results: list[StoreResult] = []
    for number in range(2000):
        durable.storage.messages.store(message(number), results.append)
    durable.run_until(lambda: len(results) == 2000)
    assert durable.wakeups <= durable.storage.stats.groups < 1000


def test_nobody_inherits_what_waited_for_a_removed_account(durable: DurableStore) -> None:
    durable.storage.accounts.add(make_account(BOB, "secret"))
    late = put(durable, message(1))
    durable.storage.accounts.remove(BOB)
    told = durable.call(durable.storage.messages.expire, WALL, 10)
    assert [one.id for one in told] == [late.id]
    assert waiting(durable) == []
