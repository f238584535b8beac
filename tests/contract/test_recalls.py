# SPDX-License-Identifier: Apache-2.0
"""`pager.recall.RecallStore`, and recall in a store that no node uses."""

from __future__ import annotations

from typing import Any

from imsnode.history import Keep
from imsnode.storage import Query, find_story, read_page, withdraw_now
from pager import rules
from pager.recall import RecallState, Withdrawal, Withdrawn
from tests.support.stores import WALL, DurableStore, MemoryStore, entry, mark, message

Store = DurableStore | MemoryStore
ALICE, BOB = "sip:alice@ims.test", "sip:bob@ims.test"


def withdraw(store: Store, **fields: Any) -> Withdrawn:
    wish = Withdrawal(**{"recipient": BOB, "sender": ALICE, "at": WALL + 9} | fields)
    result = store.call(store.storage.messages.withdraw, wish)
    assert isinstance(result, Withdrawn)
    return result


def waiting(store: Store) -> list[str]:
    found = store.call(store.storage.messages.pending, BOB, 0, 100)
    return [one.message.id for one in found]


def test_by_key_and_by_id(store: Store) -> None:
    made = [message(number) for number in range(3)]
    for one in made:
        store.call(store.storage.messages.store, one)
    result = withdraw(store, key=made[1].key)
    assert result.state is RecallState.REMOVED
    assert not result.again
    gone = result.message
    assert gone is not None
    assert (gone.id, gone.call_id, gone.sender) == (made[1].id, made[1].call_id, ALICE)
    assert (gone.recipient, gone.size, gone.accepted) == (BOB, len(made[1].body), False)
    assert withdraw(store, message_id=made[2].id, sender="").state is RecallState.REMOVED
    assert waiting(store) == [made[0].id]
    store.reopen()
    assert waiting(store) == [made[0].id]
    again = withdraw(store, key=made[1].key)
    assert (again.state, again.again) == (RecallState.REMOVED, True)
    assert again.message is not None
    assert again.message.id == made[1].id


def test_only_what_the_sender_sent_to_that_recipient(store: Store) -> None:
    made = message(1)
    store.call(store.storage.messages.store, made)
    nothing = Withdrawn(RecallState.UNKNOWN)
    assert withdraw(store, key=made.key, sender="sip:mallory@ims.test") == nothing
    assert withdraw(store, message_id=made.id, sender="sip:mallory@ims.test") == nothing
    assert withdraw(store, key=made.key, recipient="sip:carol@ims.test") == nothing
    assert withdraw(store, key=b"no such message.") == nothing
    assert waiting(store) == [made.id]


def test_after_the_delivery_it_is_too_late(store: Store) -> None:
    made = message(1)
    stored = store.call(store.storage.messages.store, made)
    store.call(store.storage.messages.mark, (mark(stored),))
    assert withdraw(store, key=made.key) == Withdrawn(RecallState.TOO_LATE)


def test_what_one_device_took_is_kept_from_the_others(store: Store) -> None:
    made = message(1, devices=("<1>", "<2>"))
    stored = store.call(store.storage.messages.store, made)
    store.call(store.storage.messages.mark, (mark(stored, "<1>", settles=False),))
    result = withdraw(store, key=made.key)
    assert result.state is RecallState.PARTLY
    assert result.message is not None
    assert result.message.accepted
    assert waiting(store) == []
    assert store.storage.messages.waiting_counts() == {}
    assert withdraw(store, key=made.key).state is RecallState.TOO_LATE


def test_a_resend_of_what_was_taken_back_is_a_duplicate(store: Store) -> None:
    made = message(1)
    store.call(store.storage.messages.store, made)
    withdraw(store, key=made.key)
    result = store.call(store.storage.messages.store, message(2, key=made.key))
    assert (str(result.kind), result.id) == ("duplicate", made.id)
    assert waiting(store) == []


def test_at_rest_with_all_copies_and_a_line_in_the_ledger(durable: DurableStore) -> None:
    copies = [message(n, recipient=f"sip:u{n}@ims.test", call_id=b"same") for n in (1, 2)]
    other = message(3, call_id=b"same", sender="sip:carol@ims.test")
    for one in (*copies, other):
        durable.call(durable.storage.messages.store, one)
        durable.storage.ledger.note(
            entry(int(one.id[1:]), call_id=b"same", recipient=one.recipient, sender=one.sender,
                  outcome=rules.STORED, final=False)
        )  # fmt: skip
        durable.storage.archive.note(
            (
                3,
                one.id,
                WALL,
                one.sender,
                one.recipient,
                202,
                b"text/plain",
                b"c",
                one.id.encode(),
                None,
            )
        )
    durable.storage.archive.keep = lambda _aor: Keep(1e6)
    assert durable.flush()
    database = durable.storage.database
    assert withdraw_now(database, copies[0].id, "sip:carol@ims.test", WALL + 9) == []
    assert withdraw_now(database, "unknown", "", WALL + 9) == []
    results = withdraw_now(database, copies[0].id, ALICE, WALL + 9)
    assert results == [(one.id, one.recipient, RecallState.REMOVED) for one in copies]
    durable.reopen()
    assert waiting(durable) == [other.id]
    database = durable.storage.database
    histories = {
        owner: [one.message_id for one in read_page(database, Query(owner)).messages]
        for owner in (ALICE, BOB, copies[0].recipient)
    }
    assert histories == {
        ALICE: [one.id for one in copies], BOB: [other.id], copies[0].recipient: [],
    }  # fmt: skip
    for one in copies:
        (story,) = find_story(database, one.id)
        assert story.outcome == rules.RECALLED
        assert story.steps[-1][1:] == (rules.RECALLED, "", 0, rules.BY_SENDER)
