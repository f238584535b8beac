# SPDX-License-Identifier: Apache-2.0
"""The archive: who finds which messages, in which order, for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from imsnode.history import Keep
from imsnode.storage.archive_read import Page, Query, read_page
from pager.identity import MessageIds
from tests.support.running import eventually
from tests.support.stores import WALL, DurableStore

OpenStore = Callable[..., DurableStore]
ALICE, BOB, CAROL = (f"sip:{name}@ims.test" for name in ("alice", "bob", "carol"))
DAY = 86400.0


@pytest.fixture
def archive(durable: DurableStore) -> DurableStore:
    """A store that keeps everything for ten days."""
    durable.storage.archive.keep = lambda _aor: Keep(10 * DAY)
    return durable


def note(
    store: DurableStore, number: int, sender: str = ALICE, recipient: str = BOB, **values: Any
) -> None:
    """Note the message of a number, as received now."""
    fields: dict[str, Any] = {
        "owners": 3,
        "id": f"m{number:018d}",
        "at": store.wall,
        "sender": sender,
        "recipient": recipient,
        "status": 200,
        "type": b"text/plain",
        "call_id": b"%d@host" % number,
        "body": b"text %d" % number,
        "imdn_id": None,
    }
    fields.update(values)
    store.storage.archive.note(tuple(fields.values()))


def page(store: DurableStore, owner: str, **values: Any) -> Page:
    return read_page(store.storage.database, Query(owner, **values))


def bodies(found: Page) -> list[bytes]:
    return [message.body for message in found.messages]


def test_both_sides_find_a_message_as_it_was(archive: DurableStore) -> None:
    odd = b"\x00\xff\n\r\nnot text"
    note(archive, 1, type=b"application/x; a=b", body=odd, status=202)
    assert archive.flush()
    for owner in (ALICE, BOB):
        (message,) = page(archive, owner).messages
        assert (message.sender, message.recipient, message.body) == (ALICE, BOB, odd)
        assert (message.content_type, message.call_id) == (b"application/x; a=b", b"1@host")
        assert (message.message_id, message.status, message.at) == (f"m{1:018d}", 202, WALL)
    assert page(archive, CAROL).messages == []


def test_a_token_gives_exactly_what_was_missed(archive: DurableStore) -> None:
    seen: list[bytes] = []
    token = 0
    number = 0
    for size in (1, 70, 3, 200, 1):
        for _ in range(size):
            number += 1
            note(archive, number)
            note(archive, 10_000 + number, CAROL, ALICE)
        assert archive.flush()
        archive.reopen()
        archive.storage.archive.keep = lambda _aor: Keep(10 * DAY)
        more = True
        while more:
            found = page(archive, BOB, after=token, limit=50)
            seen += bodies(found)
            token, more = found.last, found.more
    assert seen == [b"text %d" % n for n in range(1, number + 1)]
    assert page(archive, BOB, after=token).messages == []
    assert page(archive, BOB, after=token).last == token


def test_the_newest_come_without_a_token(archive: DurableStore) -> None:
    for number in range(300):
        note(archive, number)
    assert archive.flush()
    last = page(archive, ALICE, newest=True, limit=3)
    assert bodies(last) == [b"text 297", b"text 298", b"text 299"]
    assert last.more
    earlier = page(archive, ALICE, newest=True, before=last.first, limit=2)
    assert bodies(earlier) == [b"text 295", b"text 296"]
    assert page(archive, ALICE, after=last.last).messages == []


def test_one_conversation(archive: DurableStore) -> None:
    for number in range(10):
        note(archive, number, ALICE, BOB if number % 2 else CAROL)
        note(archive, 100 + number, BOB, CAROL)
    note(archive, 50, BOB, ALICE)
    assert archive.flush()
    expected = [b"text 1", b"text 3", b"text 5", b"text 7", b"text 9", b"text 50"]
    assert bodies(page(archive, ALICE, peer=BOB)) == expected
    assert bodies(page(archive, BOB, peer=ALICE)) == expected


def test_a_message_to_oneself_stands_once(archive: DurableStore) -> None:
    note(archive, 1, ALICE, ALICE)
    assert archive.flush()
    assert len(page(archive, ALICE).messages) == 1
    assert len(page(archive, ALICE, peer=ALICE).messages) == 1


def test_search_is_bounded_and_goes_on(
    archive: DurableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imsnode.storage.archive_read._SCAN", 50)
    for number in range(120):
        note(archive, number, body=b"Gr\xc3\xbc\xc3\x9fe" if number == 110 else b"x")
    assert archive.flush()
    pages = []
    token, more = 0, True
    while more:
        found = page(archive, BOB, after=token, text="GRÜSSE")
        pages.append(len(found.messages))
        token, more = found.last, found.more
    assert pages == [0, 0, 1]


def test_notices_are_not_archived(archive: DurableStore) -> None:
    cpim = b"From: <sip:a@x>\r\nTo: <sip:b@x>\r\n\r\nContent-Type: %b\r\n\r\nbody"
    for number, (kind, body) in enumerate(
        (
            (b"application/im-iscomposing+xml", b"<x/>"),
            (b"Message/IMDN+xml;charset=utf-8", b"<x/>"),
            (b"message/cpim", cpim % b"message/imdn+xml"),
            (b"message/cpim", cpim % b"application/im-iscomposing+xml"),
            (b"message/cpim", cpim % b"text/plain"),
        )
    ):
        note(archive, number, type=kind, body=body)
    assert archive.flush()
    assert bodies(page(archive, BOB)) == [cpim % b"text/plain"]


def test_each_side_keeps_what_it_chose(archive: DurableStore) -> None:
    archive.storage.archive.keep = lambda aor: Keep(0.0 if aor == ALICE else DAY)
    note(archive, 1)
    note(archive, 2, ALICE, ALICE)
    note(archive, 3, owners=1)
    assert archive.flush()
    assert page(archive, ALICE).messages == []
    assert bodies(page(archive, BOB)) == [b"text 1"]
    assert bodies(page(archive, BOB, peer=ALICE)) == [b"text 1"]


def test_retention_removes_and_tokens_go_on(archive: DurableStore) -> None:
    note(archive, 1)
    assert archive.flush()
    token = page(archive, BOB).last
    archive.wall += 11 * DAY
    archive.reopen()
    archive.storage.archive.keep = lambda _aor: Keep(10 * DAY)
    eventually(lambda: _count(archive, "archive_block") == 0 == _count(archive, "archive_run"))
    assert _count(archive, "archive_index") == 0
    note(archive, 2)
    assert archive.flush()
    assert bodies(page(archive, BOB, after=token)) == [b"text 2"]


def _count(store: DurableStore, table: str) -> int:
    with store.storage.database.reading() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def test_a_displayed_message_leaves_who_keeps_it_until_then(archive: DurableStore) -> None:
    archive.storage.archive.keep = lambda aor: Keep(10 * DAY, aor == BOB)
    cpim = (
        b"From: <sip:alice@ims.test>\r\nTo: <sip:bob@ims.test>\r\n"
        b"NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 34jk\r\n\r\n"
        b"Content-Type: text/plain\r\n\r\nburn this"
    )
    note(archive, 1, type=b"message/cpim", body=cpim)
    note(archive, 2, CAROL, BOB)
    assert archive.flush()
    assert len(page(archive, BOB).messages) == 2
    archive.storage.archive.displayed(ALICE, BOB, b"other")
    archive.storage.archive.displayed(ALICE, BOB, b"34jk")
    assert archive.flush()
    assert bodies(page(archive, BOB)) == [b"text 2"]
    assert bodies(page(archive, ALICE)) == [cpim]
    archive.storage.archive.keep = lambda aor: Keep(10 * DAY, True)
    note(archive, 3, type=b"message/cpim", body=cpim)
    archive.storage.archive.displayed(ALICE, BOB, b"34jk")
    assert archive.flush()
    assert bodies(page(archive, ALICE)) == [cpim]
    assert _count(archive, "archive_brief") == 0


def test_many_runs_become_few_and_hold_the_same(archive: DurableStore) -> None:
    number = 0
    for _ in range(70):
        for _ in range(3):
            number += 1
            note(archive, number, ALICE if number % 2 else CAROL, BOB)
        assert archive.flush()
    before = bodies(page(archive, BOB, limit=1000))
    assert before == [b"text %d" % n for n in range(1, number + 1)]
    archive.reopen()  # a pause is over
    eventually(lambda: _count(archive, "archive_run") < 10)
    assert bodies(page(archive, BOB, limit=1000)) == before
    assert bodies(page(archive, BOB, newest=True, limit=1000)) == before
    assert bodies(page(archive, CAROL, limit=1000)) == [
        b"text %d" % n for n in range(2, number + 1, 2)
    ]


def test_what_was_taken_back_leaves_its_recipient_alone(archive: DurableStore) -> None:
    ids = MessageIds("00000")
    made = [ids.next(archive.wall) for _ in range(3)]
    for number, one in enumerate(made, 1):
        note(archive, number, id=one)
    assert archive.flush()
    gone = made[1]
    archive.storage.archive.taken_back(gone, CAROL)
    assert archive.flush()
    assert len(bodies(page(archive, BOB))) == 3
    archive.storage.archive.taken_back(gone, BOB)
    # Noted and taken back before anything is written; and what nobody else keeps.
    note(archive, 4)
    archive.storage.archive.taken_back(f"m{4:018d}", BOB)
    note(archive, 5, owners=2)
    archive.storage.archive.taken_back(f"m{5:018d}", BOB)
    assert archive.flush()
    assert bodies(page(archive, BOB)) == [b"text 1", b"text 3"]
    assert bodies(page(archive, ALICE)) == [b"text 1", b"text 2", b"text 3", b"text 4"]


def test_what_cannot_be_archived_does_not_hold_up_the_others(archive: DurableStore) -> None:
    note(archive, 1, body=b"one")
    note(archive, 2, id=None)
    note(archive, 3, body=b"three")
    assert archive.flush()
    assert bodies(page(archive, BOB)) == [b"one", b"three"]
    assert archive.storage.stats.archive_dropped == 1


def test_what_waits_is_bounded(archive: DurableStore) -> None:
    archive.storage.archive.octets_limit = 1000
    note(archive, 1, body=b"x" * 900)
    note(archive, 2, body=b"x" * 900)
    assert archive.storage.stats.archive_dropped <= 1
    assert archive.flush()
    note(archive, 3, body=b"y" * 900)
    assert archive.flush()
    assert bodies(page(archive, BOB))[-1] == b"y" * 900
