# SPDX-License-Identifier: Apache-2.0
"""Entries of mailboxes are made behind the messages, and nobody can tell."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from imsnode.identity.accounts import make_account
from imsnode.storage import list_messages, message_states, show_message
from imsnode.storage.database import Database
from imsnode.storage.entries import Entries, EntryMaking, make_entries
from imsnode.storage.recalls import withdraw_now
from pager.recall import RecallState
from pager.values import StoredMessage, StoreKind, StoreResult, Waiting
from tests.support.postgres import PostgresServer
from tests.support.stores import WALL, DurableStore, mark, message

BOB = "sip:bob@ims.test"
CAROL = "sip:carol@ims.test"


def put(store: DurableStore, made: StoredMessage) -> StoreResult:
    return store.call(store.storage.messages.store, made)


def entries(store: DurableStore) -> int:
    with store.storage.database.reading() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM mailbox").scalar_one())


def waiting(store: DurableStore, recipient: str = BOB) -> list[str]:
    found = store.call(store.storage.messages.pending, recipient, 0, 100)
    return [one.message.id for one in found]


def test_what_waits_is_read_with_and_without_them(durable: DurableStore) -> None:
    made = [message(1), message(2, recipient=CAROL), message(3)]
    stored = [put(durable, one) for one in made]
    assert entries(durable) == 0
    assert waiting(durable) == [made[0].id, made[2].id]
    durable.reopen()
    assert entries(durable) == 3
    put(durable, message(4))
    put(durable, message(5, accepted=True, devices=("<urn:uuid:1>",)))
    assert entries(durable) == 4
    assert len(waiting(durable)) == 4
    assert durable.call(durable.storage.messages.mark, [mark(stored[0])])
    assert entries(durable) == 5
    assert waiting(durable) == [message(number).id for number in (3, 4, 5)]


def test_without_one_a_message_is_listed_and_shown(durable: DurableStore) -> None:
    one, other = message(1), message(2, recipient=CAROL)
    put(durable, one)
    put(durable, other)
    database = durable.storage.database
    assert [row.id for row in list_messages(database)] == [one.id, other.id]
    assert [row.id for row in list_messages(database, CAROL)] == [other.id]
    assert [(row.id, row.state) for row in show_message(database, one.id)] == [(one.id, "waiting")]
    assert [state.message_id for state in message_states(database, other.id)] == [other.id]
    assert entries(durable) == 0


def test_without_one_a_repeat_is_recognised(durable: DurableStore) -> None:
    first = put(durable, message(1))
    again = put(durable, message(1, id="m" + "9" * 18))
    assert (again.kind, again.id) == (StoreKind.DUPLICATE, first.id)
    assert put(durable, message(2)).kind is StoreKind.STORED
    durable.reopen()
    assert put(durable, message(2)).kind is StoreKind.DUPLICATE
    assert len(waiting(durable)) == 2


def test_one_that_a_device_has_taken_has_its_state(durable: DurableStore) -> None:
    put(durable, message(1, accepted=True, devices=("<urn:uuid:1>",)))
    put(durable, message(2))
    durable.reopen()
    assert durable.storage.messages.waiting_counts() == {BOB: Waiting(1, 1)}


def test_marked_at_once_it_is_settled(durable: DurableStore) -> None:
    stored = put(durable, message(1))
    assert durable.call(durable.storage.messages.mark, [mark(stored)])
    assert [row.state for row in show_message(durable.storage.database, stored.id)] == ["settled"]
    assert put(durable, message(1)).kind is StoreKind.DUPLICATE


def test_somebody_else_may_make_them_meanwhile(durable: DurableStore) -> None:
    put(durable, message(1))
    with durable.storage.database.writing() as connection:
        make_entries(connection)
    assert entries(durable) == 1
    put(durable, message(2))
    durable.reopen()
    assert entries(durable) == 2
    assert len(waiting(durable)) == 2


@pytest.mark.peer("initdb")
def test_what_is_stored_while_somebody_else_makes_them_gets_its_own(server: PostgresServer) -> None:
    store = DurableStore(server.emptied_database())
    put(store, message(1))
    meanwhile: list[StoreResult] = []

    def store_another(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        if text.startswith("DELETE FROM due") and not meanwhile:
            meanwhile.append(put(store, message(2)))

    with Database(store.settings.url) as beside:
        event.listen(beside.engine, "before_cursor_execute", store_another)
        with beside.writing() as connection:
            make_entries(connection)
    assert meanwhile
    assert len(waiting(store)) == 2
    store.reopen()
    assert entries(store) == 2
    store.close()


def test_recalled_beside_the_node(durable: DurableStore) -> None:
    stored = put(durable, message(1))
    found = withdraw_now(durable.storage.database, stored.id, "", WALL + 5)
    assert [state for _, _, state in found] == [RecallState.REMOVED]
    assert waiting(durable) == []


def test_nobody_inherits_what_had_none(durable: DurableStore) -> None:
    durable.storage.accounts.add(make_account(BOB, "pw"))
    stored = put(durable, message(1))
    durable.storage.accounts.remove(BOB)
    gone = durable.call(durable.storage.messages.expire, WALL + 5, 10)
    assert [one.id for one in gone] == [stored.id]


def test_they_are_made_when_there_are_many_or_some_for_long(durable: DurableStore) -> None:
    missing = Entries(durable.storage.database.engine.dialect)
    making = EntryMaking(missing)
    assert not making.due(0.0, True)
    missing.keys = {b"one"}
    assert not making.due(1.0, False)
    assert not making.due(5.9, False)
    assert making.due(6.0, False)
    making.committed(6.0)
    assert not making.due(7.0, False)
    missing.keys = {b"%d" % number for number in range(4096)}
    assert making.due(7.0, False)
