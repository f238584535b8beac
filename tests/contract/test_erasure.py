# SPDX-License-Identifier: Apache-2.0
"""Erasing a user: nothing that names the user is left in a table, nothing of others is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from imsnode.history import Choice, Keep
from imsnode.identity.accounts import make_account
from imsnode.storage import (
    AorState,
    CdrSettings,
    Contact,
    Eraser,
    Query,
    export_user,
    find_story,
    make_report,
    read_page,
)
from imsnode.storage.erasure import _others
from imsnode.storage.ledger_text import open_block
from imsnode.storage.ownership import LISTS, OWNERS
from imsnode.storage.schema import metadata
from session_msrp.rooms import edits
from session_msrp.rooms.values import Member, Role, Room, RoomMessage
from sip.privacy import ANONYMOUS
from tests.support.stores import WALL, DurableStore, binding, entry, mark, message

OpenStore = Callable[..., DurableStore]
CAROL, BOB, ALICE = (f"sip:{name}@ims.test" for name in ("carol", "bob", "alice"))
TEA = "sip:tea@ims.test"


def filled(open_store: OpenStore, folder: Path) -> DurableStore:
    """Return a store that knows of carol wherever a user is known."""
    store = open_store(cdr=CdrSettings(folder / "cdr.jsonl"))
    storage = store.storage
    storage.archive.keep = lambda _aor: Keep(1e6)
    for aor in (CAROL, BOB):
        storage.accounts.add(make_account(aor, "pw"))
    storage.choices.set(CAROL, Choice(carbons=True))
    room = Room(
        TEA, subject=f"ask {CAROL}", members={CAROL: Member(CAROL, Role.OWNER), BOB: Member(BOB)}
    )
    store.call(lambda done: storage.rooms.change(TEA, edits.create(room), done, CAROL))
    for who in (CAROL, BOB):
        store.call(storage.rooms.keep, RoomMessage(TEA, 0, "m", who, "", WALL, b"said"))
    state = AorState([binding(1, aor=CAROL, contact=b"sip:carol@192.0.2.7")], {})
    store.call(storage.locations.append, CAROL, state, 1000.0, WALL)
    pairs = ((CAROL, BOB), (BOB, CAROL), (ALICE, BOB), ("sip:carol@ims.test.example", BOB))
    for number, (sender, recipient) in enumerate(pairs):
        head = b"From: <%b>;tag=1" % sender.encode()
        stored = store.call(
            storage.messages.store,
            message(number, sender=sender, recipient=recipient, head=head),
        )
        if number == 1:
            store.call(storage.messages.mark, [mark(stored, "<urn:uuid:1>")])
        storage.ledger.note(entry(number, sender=sender, recipient=recipient))
        noted = (3, stored.id, WALL, sender, recipient, 202, b"text/plain", b"c", b"%d" % number)
        storage.archive.note((*noted, None))
    assert store.flush()
    return store


def naming(store: DurableStore) -> set[str]:
    """Name the tables in which carol can be read."""
    found = set()
    for table in metadata.sorted_tables:
        with store.storage.database.reading() as connection:
            for row in connection.execute(table.select()):
                text = b"".join(
                    bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    for value in row
                )
                if table.name == "ledger_block":
                    text = b"".join(open_block(bytes(row.lines))[0])
                if b"carol@ims.test" in text.replace(b"carol@ims.test.example", b""):
                    found.add(table.name)
                if b"carol@192" in text:
                    found.add(table.name)
    return found


def history(store: DurableStore, owner: str) -> list[bytes]:
    page = read_page(store.storage.database, Query(owner))
    return [one.body for one in page.messages]


def test_nothing_is_left_and_nothing_of_others_is_lost(
    open_store: OpenStore, tmp_path: Path
) -> None:
    store = filled(open_store, tmp_path)
    tables = {"account", "history_choice", "binding_journal", "message", "mailbox", "ledger_block"}
    rooms = {"room", "room_event", "room_member", "room_message"}
    assert naming(store) == tables | rooms | {"archive_block"}
    database = store.storage.database
    eraser = Eraser(database, CAROL, alone=False)
    store.storage.accounts.remove(CAROL)
    counts = eraser.erase_tables()
    assert naming(store) == set()
    assert (counts["message"], counts["archive"], counts["ledger"]) == (2, 2, 1)
    assert history(store, CAROL) == []
    assert history(store, BOB) == [b"2", b"3"]
    (story,) = find_story(database, "call-1@host")
    assert (story.sender, story.recipient) == (BOB, "erased")
    assert {step[2] for step in story.steps} == {""}
    pending = store.call(store.storage.messages.pending, BOB, 0, 10)
    assert [one.message.sender for one in pending] == [ALICE, "sip:carol@ims.test.example"]
    assert store.storage.rewrite_cdr(eraser.concerns, eraser.anonymised) == 1
    lines = (tmp_path / "cdr.jsonl").read_text().splitlines()
    parties = [(json.loads(line)["from"], json.loads(line)["to"]) for line in lines]
    assert parties == [
        ("erased", BOB),
        (BOB, "erased"),
        (ALICE, BOB),
        ("sip:carol@ims.test.example", BOB),
    ]
    left = store.storage.rooms.table.get(TEA)
    assert left is not None
    assert (left.subject, list(left.members)) == ("ask erased", [BOB])
    assert [one.sender for one in store.storage.rooms.table.history(TEA, 9)] == [BOB]
    assert {one.actor for one in store.storage.rooms.table.events(TEA)} == {"erased"}
    store.storage.ledger.note(entry(9))
    assert store.flush()
    assert len((tmp_path / "cdr.jsonl").read_text().splitlines()) == 5
    assert eraser.erase_tables() == {}


def test_all_that_is_kept_is_written_out(open_store: OpenStore, tmp_path: Path) -> None:
    store = filled(open_store, tmp_path)
    kept: dict[str, Any] = json.loads(
        json.dumps(export_user(store.storage.database, CAROL, 1000.0, WALL))
    )
    assert kept["account"][0]["aor"] == CAROL
    assert not any(name.startswith("ha1") for name in kept["account"][0])
    assert [one["sender"] for one in kept["history"]] == [CAROL, BOB]
    assert [row["sender"] for row in kept["messages"]] == [CAROL, BOB]
    assert [(line["from"], line["to"]) for line in kept["ledger"]] == [(CAROL, BOB), (BOB, CAROL)]
    assert kept["history_choice"][0]["carbons"] == "on"
    assert kept["bindings"]["contacts"] == ["sip:carol@192.0.2.7"]
    assert [row["role"] for row in kept["room_member"]] == ["owner"]
    assert [row["sender"] for row in kept["room_message"]] == [CAROL]
    assert {row["actor"] for row in kept["room_event"]} == {CAROL}


def test_who_hid_is_named_nowhere_and_wishes_of_others_are_not_told(open_store: OpenStore) -> None:
    """RFC 3325 7: neither the people carol knows nor her reports name a sender who hid."""
    store = open_store()
    storage = store.storage
    for aor in (CAROL, BOB, ALICE):
        storage.accounts.add(make_account(aor, "pw"))
    for other, sent in ((BOB, False), (ALICE, True)):
        storage.contacts.note(Contact(CAROL, other, sent, WALL))
    hidden = b'From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=1'
    storage.reports.note(make_report(CAROL, "607", "", "m1", BOB, CAROL, hidden, b"spam", WALL))
    storage.reports.note(make_report(BOB, "607", "", "m2", CAROL, BOB, b"", b"", WALL))
    storage.policies.change(
        BOB, lambda one: replace(one, block=frozenset((CAROL, ALICE)), size=7), WALL
    )
    assert store.flush()
    told = export_user(storage.database, CAROL, 1000.0, WALL)
    assert BOB not in json.dumps(told)
    assert {row["other"] for row in told["contact"]} == {ANONYMOUS, ALICE}
    assert [row["sender"] for row in told["spam_report"]] == [ANONYMOUS]
    assert "user_policy" not in told
    Eraser(storage.database, CAROL, alone=False).erase_tables()
    left = storage.policies.get(BOB)
    assert left is not None
    assert (left.block, left.size) == (frozenset((ALICE,)), 7)


def test_it_is_known_of_every_table_whose_its_rows_are() -> None:
    assert set(OWNERS) == set(_others())
    assert set(LISTS) <= set(OWNERS)
