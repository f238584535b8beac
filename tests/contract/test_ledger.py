# SPDX-License-Identifier: Apache-2.0
"""Ledger, stories, lists of messages and charging records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imsnode.storage import CdrSettings, find_story, list_messages, message_states, show_message
from imsnode.storage.ledger import BLOCK, LedgerWriter
from imsnode.storage.stats import StorageStats
from pager.values import MarkState, Notice
from tests.support.stores import WALL, DurableStore, MemoryStore, entry, mark, message

OpenStore = Callable[..., DurableStore]


def stories(store: DurableStore, identity: str) -> Any:
    return find_story(store.storage.database, identity)


def test_memory_finds_entries_by_both_names() -> None:
    store = MemoryStore()
    store.storage.ledger.note(entry(1))
    store.storage.ledger.note(entry(2))
    assert store.storage.ledger.find(entry(2).message_id) == [entry(2)]
    assert store.storage.ledger.find("call-1@host") == [entry(1)]
    assert store.storage.ledger.find("call-3@host") == []


def test_an_entry_is_found_by_message_and_call(durable: DurableStore) -> None:
    for number in range(5):
        durable.storage.ledger.note(entry(number))
    assert durable.flush()
    for identity in (entry(3).message_id, "call-3@host"):
        (story,) = stories(durable, identity)
        assert story.message_id == entry(3).message_id
        assert story.call_id == b"call-3@host"
        assert (story.sender, story.recipient, story.size) == (
            entry(3).sender, entry(3).recipient, 12,
        )  # fmt: skip
        assert story.outcome == "relayed"
        assert story.steps == [
            (pytest.approx(at, abs=0.001), *rest) for at, *rest in entry(3).steps
        ]
    assert stories(durable, "call-9@host") == []


def test_a_block_whose_commit_was_not_heard_of_is_kept_once(durable: DurableStore) -> None:
    database = durable.storage.database
    ledger = LedgerWriter(database.engine.dialect, StorageStats(), None)
    for number, commits in ((1, 2), (2, 1)):
        ledger.note(entry(number))
        for _ in range(commits):
            with database.writing() as connection:
                ledger.attach(connection)
                ledger.step(connection)
        ledger.committed(0.0)
    for number in (1, 2):
        (story,) = stories(durable, entry(number).message_id)
        assert len(story.steps) == len(entry(number).steps)


def test_entries_of_one_message_become_one_story(durable: DurableStore) -> None:
    stored = durable.call(durable.storage.messages.store, message(1))
    durable.storage.ledger.note(
        entry(
            1,
            steps=[
                (WALL, "received", "", 0, "no-binding"),
                (WALL + 1, "stored", "", 0, "committed"),
            ],
            outcome="stored",
            final=False,
        )
    )
    fate = mark(stored, "<a>", at=WALL + 60)
    durable.call(durable.storage.messages.mark, [fate])
    durable.storage.ledger.note(
        entry(
            1, steps=[(WALL + 60, "answered", "<a>", 200, "device-accepted")], outcome="delivered"
        )
    )
    assert durable.flush()
    (story,) = stories(durable, stored.id)
    assert [step[1] for step in story.steps] == ["received", "stored", "answered"]
    assert story.outcome == "delivered"
    assert [(one.device, one.state, one.at, one.status) for one in story.fates] == [
        ("<a>", "accepted", WALL + 60, 200)
    ]
    assert story.row is not None
    assert (story.row.state, story.row.settled_at) == ("settled", WALL + 60)


def test_a_message_tells_what_the_ledger_lost(durable: DurableStore) -> None:
    stored = durable.call(durable.storage.messages.store, message(1))
    (story,) = stories(durable, "call-1@host")
    assert (story.message_id, story.outcome) == (stored.id, "stored")
    assert [step[1] for step in story.steps] == ["received", "stored"]
    refused = mark(stored, "<a>", state=MarkState.REFUSED, status=415, at=WALL + 30)
    durable.call(durable.storage.messages.mark, [refused])
    (story,) = stories(durable, stored.id)
    assert story.steps[-1] == (WALL + 30, "answered", "<a>", 415, "device-refused")
    assert story.outcome == "refused"


def test_an_expired_message_tells_its_end(durable: DurableStore) -> None:
    stored = durable.call(durable.storage.messages.store, message(1, expires_at=WALL + 10))
    durable.call(durable.storage.messages.expire, WALL + 11, 10)
    (story,) = stories(durable, stored.id)
    assert story.steps[-1] == (WALL + 11, "expired", "", 0, "deadline")
    assert story.outcome == "expired"


def receipt(number: int, rule: str, *, sender: str, recipient: str, device: str = "") -> Any:
    """Make the entry of a notification about the message with IMDN Message-ID "id-1"."""
    return entry(
        number,
        sender=sender,
        recipient=recipient,
        steps=[(WALL + number, "receipt", device, 0, rule)],
        outcome="",
        final=False,
        notice=Notice("imdn", b"n%d" % number, 0, ((b"id-1", rule),)),
    )


def test_notifications_belong_to_the_message_they_tell_of(durable: DurableStore) -> None:
    asked = entry(1, notice=Notice("", b"id-1"))
    back = {"sender": asked.recipient, "recipient": asked.sender}
    for noted in (
        asked,
        receipt(2, "delivery-delivered", device="<a>", **back),
        receipt(3, "display-displayed", device="<a>", **back),
        receipt(4, "display-displayed", device="<a>", **back),
        receipt(5, "delivery-failed", sender="sip:mallory@ims.test", recipient=asked.sender),
        entry(6, notice=Notice("", b"id-1"), recipient="sip:carol@ims.test"),
    ):
        durable.storage.ledger.note(noted)
    assert durable.flush()
    for identity in (asked.message_id, "call-1@host", "id-1"):
        story = stories(durable, identity)[0]
        assert (story.message_id, story.imdn_id, story.kind) == (asked.message_id, "id-1", "")
        assert story.outcome == "relayed"
        assert [(step[2], step[4]) for step in story.steps if step[1] == "receipt"] == [
            ("<a>", "delivery-delivered"),
            ("<a>", "display-displayed"),
        ]
    assert [one.recipient for one in stories(durable, "id-1")] == [
        asked.recipient, "sip:carol@ims.test",
    ]  # fmt: skip
    (own,) = stories(durable, "n2")
    assert (own.message_id, own.kind) == (entry(2).message_id, "imdn")
    first, second = message_states(durable.storage.database, "id-1")
    assert (first.state, first.at) == ("displayed", WALL + 3)
    assert ("<a>", "displayed", "imdn") in [
        (one.device, one.state, one.witness) for one in first.devices
    ]
    assert second.state == "delivered"


def test_only_messages_to_people_are_counted_as_messages(
    open_store: OpenStore, tmp_path: Path
) -> None:
    path = tmp_path / "cdr.jsonl"
    store = open_store(cdr=CdrSettings(path))
    for number, notice in enumerate(
        (
            None,
            Notice("", b"x"),
            Notice("imdn", b"n", 0, ((b"x", "r"),)),
            Notice("visit", b"", messages=3),
        )
    ):
        store.storage.ledger.note(entry(number, notice=notice))
    assert store.flush()
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [one.get("kind") for one in records] == [None, None, "imdn", "visit"]
    assert [one.get("messages") for one in records] == [None, None, None, 3]


def test_messages_of_one_call_are_stories_in_order(durable: DurableStore) -> None:
    for number in (3, 1, 2):
        durable.storage.ledger.note(entry(number, call_id=b"all@host"))
    assert durable.flush()
    found = stories(durable, "all@host")
    assert [story.message_id for story in found] == [entry(n).message_id for n in (1, 2, 3)]


def test_a_device_name_with_separators_is_told_as_it_is(durable: DurableStore) -> None:
    odd = 'a\tb "c"'
    durable.storage.ledger.note(entry(1, steps=[(WALL + 1, "answered", odd, 200, "r")]))
    assert durable.flush()
    assert stories(durable, "call-1@host")[0].steps == [(WALL + 1, "answered", odd, 200, "r")]


def test_an_entry_without_sense_does_not_hold_up_the_others(durable: DurableStore) -> None:
    for number in range(20):
        odd = {"call_id": None} if number == 7 else {}
        durable.storage.ledger.note(entry(number, **odd))
    assert durable.flush()
    assert durable.storage.ledger.waiting == 0
    assert durable.storage.stats.ledger_dropped == 1
    assert durable.storage.stats.ledger_rows == 19


def fill(store: DurableStore, count: int) -> None:
    for number in range(count):
        store.storage.ledger.note(entry(number))
    assert store.flush()


def blocks(store: DurableStore) -> int:
    with store.storage.database.reading() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM ledger_block").scalar_one())


def work_until(store: DurableStore, done: Callable[[], bool]) -> None:
    while not done():  # or the time-out of the test
        assert store.flush()


def test_entries_are_found_in_every_block(durable: DurableStore) -> None:
    fill(durable, 2 * BLOCK + 100)
    assert blocks(durable) == 3
    for number in (0, BLOCK - 1, BLOCK, 2 * BLOCK, 2 * BLOCK + 99):
        assert len(stories(durable, f"call-{number}@host")) == 1
        assert len(stories(durable, entry(number).message_id)) == 1
    durable.reopen()
    durable.storage.ledger.note(entry(99_999_999))
    assert durable.flush()
    assert len(stories(durable, "call-99999999@host")) == 1
    assert blocks(durable) == 4


def test_a_call_id_is_told_by_its_octets(durable: DurableStore) -> None:
    for number, call_id in enumerate((b"\xff\x00'@h", b"\\xff\x00'@h", "\xe4@h".encode())):
        durable.storage.ledger.note(entry(number, call_id=call_id))
    assert durable.flush()
    for number, name in enumerate(("\udcff\x00'@h", "\\xff\x00'@h", "\xe4@h")):
        (story,) = stories(durable, name)
        assert story.message_id == entry(number).message_id
        assert story.call_id == name.encode("utf-8", "surrogateescape")


def test_more_entries_than_asked_for_are_left_out(durable: DurableStore) -> None:
    for number in range(30):
        durable.storage.ledger.note(entry(number, call_id=b"all@host"))
    assert durable.flush()
    found = find_story(durable.storage.database, "all@host", limit=2)
    assert [story.message_id for story in found] == [entry(n).message_id for n in (0, 1)]


def test_old_blocks_are_removed(open_store: OpenStore) -> None:
    store = open_store(ledger_retention_s=1000.0)
    fill(store, 2 * BLOCK)
    store.wall = WALL + BLOCK + 1050
    store.reopen()  # looks at once
    work_until(store, lambda: blocks(store) == 1)
    assert stories(store, "call-1@host") == []
    # An entry leaves with the newest of its block.
    assert len(stories(store, f"call-{BLOCK}@host")) == 1


def test_settled_messages_are_forgotten_when_their_time_is_over(open_store: OpenStore) -> None:
    store = open_store(duplicate_memory_s=100.0)
    results = [store.call(store.storage.messages.store, message(n)) for n in range(4)]
    store.call(store.storage.messages.mark, [mark(one, at=WALL) for one in results[:2]])
    store.call(store.storage.messages.mark, [mark(results[2], at=WALL + 50)])
    store.wall = WALL + 101
    work_until(store, lambda: store.storage.stats.forgotten == 2)
    left = list_messages(store.storage.database, waiting_only=False)
    assert [one.id for one in left] == [results[2].id, results[3].id]
    again = store.call(store.storage.messages.store, message(9, key=message(0).key))
    assert again.kind == "stored"
    with store.storage.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM fate").scalar_one() == 1
    store.storage.configure(duplicate_memory_s=0.0)
    work_until(store, lambda: store.storage.stats.forgotten == 3)


def test_messages_are_listed_and_shown(durable: DurableStore) -> None:
    results = [
        durable.call(durable.storage.messages.store, message(n, recipient=f"sip:u{n % 2}@ims.test"))
        for n in range(4)
    ]
    durable.call(durable.storage.messages.mark, [mark(results[0])])
    database = durable.storage.database
    listed = list_messages(database)
    assert [(one.id, one.state) for one in listed] == [(one.id, "waiting") for one in results[1:]]
    assert {(one.head, one.body) for one in listed} == {(b"", b"")}
    assert [one.id for one in list_messages(database, "sip:u0@ims.test")] == [results[2].id]
    assert len(list_messages(database, waiting_only=False, limit=3)) == 3
    assert [one.id for one in list_messages(database, after_seq=listed[1].seq)] == [results[3].id]
    (shown,) = show_message(database, "call-2@host")
    assert (shown.id, shown.head, shown.body) == (
        results[2].id, message(2).head, message(2).body,
    )  # fmt: skip
    (settled,) = show_message(database, results[0].id)
    assert (settled.state, settled.body, settled.size) == ("settled", b"", len(message(0).body))


def test_charging_records_are_written_for_ended_stories(
    open_store: OpenStore, tmp_path: Path
) -> None:
    path = tmp_path / "cdr.jsonl"
    store = open_store(cdr=CdrSettings(path))
    store.storage.ledger.note(entry(1, outcome="stored", final=False))
    store.storage.ledger.note(entry(2, sender='sip:"a\n\u2028@ims.test', call_id=b"\xff\x00@h"))
    assert store.flush()
    (line,) = path.read_bytes().splitlines()
    assert json.loads(line) == {
        "time": "2025-06-15T15:06:42.000Z",
        "ended": "2025-06-15T15:06:42.250Z",
        "id": entry(2).message_id,
        "call_id": "\\xff\x00@h",
        "octets": "ff004068",
        "from": 'sip:"a\n\u2028@ims.test',
        "to": "sip:bob@ims.test",
        "size": 12,
        "outcome": "relayed",
        "status": 200,
    }
    assert store.storage.stats.cdr_lines == 1
