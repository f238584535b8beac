"""Rooms in a database: what is changed, said and remembered, by commands and by a running node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from imsnode.identity.accounts import make_account
from imsnode.storage import (
    AccountExists,
    Accounts,
    Database,
    GroupRefused,
    GroupStore,
    ImportRefused,
    RoomTable,
)
from pager.groups import Group
from session_msrp.rooms import edits
from session_msrp.rooms.audit import OPERATOR, RoomEvent
from session_msrp.rooms.edits import RoomRefused
from session_msrp.rooms.ports import Changed
from session_msrp.rooms.values import Access, Member, Page, Role, Room, RoomMessage
from tests.support.stores import WALL, DurableStore

OpenStore = Callable[..., DurableStore]
ALICE, BOB, EVE, STAFF, BOARD = (
    f"sip:{name}@ims.test" for name in ("alice", "bob", "eve", "staff", "board")
)
FACTORY = "sip:conference-factory@ims.test"
ROOM = Room(
    STAFF,
    "Staff",
    "Welcome",
    Access.PRIVATE,
    True,
    history=3,
    retention_s=1000.0,
    expires_at=WALL + 99,
    private_messages=False,
    idle_s=60.0,
    created_at=WALL,
    members={
        ALICE: Member(ALICE, Role.OWNER, nickname="Al"),
        BOB: Member(BOB, muted=True, pager=True, seen=7),
        EVE: Member(EVE, Role.VISITOR, banned=True),
    },
)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with Database(url) as opened:
        opened.upgrade()
        yield opened


@pytest.fixture
def table(database: Database) -> RoomTable:
    made = RoomTable(database, ["other.test"], [FACTORY])
    made.change(STAFF, edits.create(ROOM), OPERATOR, WALL)
    return made


def said(number: int, room: str = STAFF) -> RoomMessage:
    return RoomMessage(room, 0, f"m{number}", BOB, "Bobby", WALL + number, b"\xff%d" % number)


def test_a_room_is_kept_as_it_was_made(table: RoomTable) -> None:
    assert table.get(STAFF) == ROOM
    assert table.load_all() == [ROOM]
    assert table.get(BOARD) is None


def test_edits_apply_to_the_room_as_it_is(table: RoomTable) -> None:
    table.change(STAFF, edits.set_rules(STAFF, subject="New", access=Access.OPEN), ALICE, WALL)
    table.change(STAFF, edits.set_members(STAFF, [BOB], Role.MODERATOR), ALICE, WALL)
    done = table.change(STAFF, edits.unset_members(STAFF, [EVE]), ALICE, WALL)
    there = table.get(STAFF)
    assert there is not None
    assert done.room == there
    assert (there.subject, there.access) == ("New", Access.OPEN)
    assert there.members[BOB] == Member(BOB, Role.MODERATOR, muted=True, pager=True, seen=7)
    assert EVE not in there.members
    table.change(STAFF, edits.remove(STAFF), OPERATOR, WALL)
    assert table.load_all() == []


def test_a_name_is_a_users_a_groups_or_a_rooms(database: Database, table: RoomTable) -> None:
    accounts, groups = Accounts(database), GroupStore(database, ["ims.test"])
    accounts.add(make_account(BOB, "pw"))
    groups.add(Group(BOARD))
    for aor, reason in ((BOB, "a user"), (BOARD, "a group"), (FACTORY, "service of the node")):
        with pytest.raises(RoomRefused, match=reason):
            table.change(aor, edits.create(Room(aor)), OPERATOR, WALL)
    with pytest.raises(GroupRefused, match="is a room"):
        groups.add(Group(STAFF))
    with pytest.raises(ImportRefused) as refused:
        groups.import_all({STAFF: Group(STAFF)}, [(STAFF, "")])
    assert "is a room" in refused.value.problems[0][1]
    with pytest.raises(AccountExists, match="as a room"):
        accounts.add(make_account(STAFF, "pw"))
    with pytest.raises(ImportRefused) as refused:
        accounts.import_many([make_account(STAFF, "pw")])
    assert refused.value.problems == ((0, f"{STAFF} exists already as a room"),)


def test_a_member_of_a_domain_served_here_has_to_exist(
    database: Database, table: RoomTable
) -> None:
    dora, ghost = "sip:dora@other.test", "sip:ghost@other.test"
    Accounts(database).add(make_account(dora, "pw"))
    table.change(STAFF, edits.set_members(STAFF, [dora]), OPERATOR, WALL)
    with pytest.raises(RoomRefused, match=f"{ghost} is not a user"):
        table.change(STAFF, edits.set_members(STAFF, [dora, ghost]), OPERATOR, WALL)
    there = table.get(STAFF)
    assert there is not None
    assert dora in there.members
    assert ghost not in there.members


def test_who_is_removed_is_in_no_room(database: Database, table: RoomTable) -> None:
    accounts = Accounts(database)
    accounts.add(make_account(BOB, "pw"))
    accounts.remove(BOB)
    there = table.get(STAFF)
    assert there is not None
    assert set(there.members) == {ALICE, EVE}


def test_the_audit_says_who_did_what(table: RoomTable) -> None:
    table.change(STAFF, edits.set_banned(STAFF, BOB, True), ALICE, WALL + 1)
    with pytest.raises(RoomRefused):
        table.change(STAFF, edits.create(ROOM), OPERATOR, WALL + 2)
    table.change(STAFF, edits.remove(STAFF), OPERATOR, WALL + 3)
    events = table.events(STAFF)
    assert events[0] == RoomEvent(STAFF, WALL, "created", OPERATOR, "", "private")
    assert {(one.act, one.who) for one in events[1:-2]} == {
        ("added", ALICE),
        ("added", BOB),
        ("muted", BOB),
        ("banned", EVE),
    }
    assert events[-2:] == [
        RoomEvent(STAFF, WALL + 1, "banned", ALICE, BOB),
        RoomEvent(STAFF, WALL + 3, "removed", OPERATOR),
    ]


def test_a_node_changes_keeps_and_reads_in_order(durable: DurableStore) -> None:
    rooms = durable.storage.rooms
    made = durable.call(lambda done: rooms.change(STAFF, edits.create(ROOM), done, ALICE))
    assert made == Changed(None, ROOM)
    again: Changed = durable.call(lambda done: rooms.change(STAFF, edits.create(ROOM), done, ALICE))
    assert (again.room, again.refused) == (ROOM, f"{STAFF} exists already")
    numbers = [durable.call(rooms.keep, said(n)) for n in (1, 2, 0)]
    numbers.append(durable.call(rooms.keep, said(9, BOARD)))
    assert numbers == sorted(set(numbers))
    durable.reopen()
    rooms = durable.storage.rooms
    assert durable.call(rooms.keep, said(0)) > numbers[-1]
    kept = durable.call(rooms.read, STAFF, 0, 3).messages
    assert [one.id for one in kept] == ["m2", "m0", "m0"]
    assert kept[0] == replace(said(2), number=numbers[1])
    assert [one.id for one in durable.call(rooms.read, STAFF, numbers[1], 9).messages] == [
        "m0",
        "m0",
    ]
    assert durable.call(rooms.read, STAFF, kept[-1].number, 9) == Page([], False)
    assert [one.id for one in rooms.table.page(STAFF, numbers[0], 2)] == ["m2", "m0"]
    assert rooms.table.newest()[STAFF] == kept[-1].number
    joins = edits.set_members(STAFF, ["sip:new@ims.test"])
    later: Changed = durable.call(lambda done: rooms.change(STAFF, joins, done))
    assert later.room is not None
    there = rooms.table.get(STAFF)
    assert there is not None
    assert there.members["sip:new@ims.test"].seen == kept[-1].number
    rooms.note(RoomEvent(STAFF, WALL, "joined", BOB, BOB))
    assert durable.flush()
    assert rooms.table.events(STAFF)[-1].act == "joined"


def test_history_is_read_a_page_at_a_time(durable: DurableStore) -> None:
    """However much there is, and however large: a page is bounded, and has one message at least."""
    rooms = durable.storage.rooms
    durable.call(lambda done: rooms.change(STAFF, edits.create(ROOM), done))
    sizes = [1000] * 300 + [100_000] * 4 + [400_000]
    for number, size in enumerate(sizes):
        rooms.keep(replace(said(0), id=f"m{number}", body=bytes(size)), lambda _: None)
    assert durable.flush()
    pages = [durable.call(rooms.read, STAFF, 0, 303)]
    while pages[-1].more:
        pages.append(durable.call(rooms.read, STAFF, pages[-1].messages[-1].number, 0))
    read = [one.id for page in pages for one in page.messages]
    assert read == [f"m{number}" for number in range(2, 305)]
    assert max(len(page.messages) for page in pages) <= 256
    assert all(
        sum(len(one.body) for one in page.messages) <= 256 * 1024 or len(page.messages) == 1
        for page in pages
    )


def test_what_has_reached_a_member_never_goes_back(durable: DurableStore) -> None:
    rooms = durable.storage.rooms
    durable.call(lambda done: rooms.change(STAFF, edits.create(ROOM), done))
    rooms.seen({(STAFF, BOB): 9, (STAFF, ALICE): 4})
    rooms.seen({(STAFF, BOB): 8, (STAFF, "sip:nobody@ims.test"): 5})
    assert durable.flush()
    # An edit made of an older state does not take it back.
    durable.call(lambda done: rooms.change(STAFF, lambda _there: ROOM, done))
    there = rooms.table.get(STAFF)
    assert there is not None
    assert {who: one.seen for who, one in there.members.items()} == {ALICE: 4, BOB: 9, EVE: 0}


def test_no_more_is_kept_than_a_room_remembers(open_store: OpenStore) -> None:
    store = open_store()
    rooms, retention = store.storage.rooms, store.storage._room_retention
    short = replace(ROOM, aor=BOARD, history=99, retention_s=4.0)
    for room in (ROOM, short):
        store.call(lambda done, room=room: rooms.change(room.aor, edits.create(room), done))
        for n in range(6):
            store.call(rooms.keep, said(n, room.aor))
    store.wall = WALL + 8
    with store.storage.database.writing() as connection:
        while retention.step(connection):
            pass
    assert [one.id for one in rooms.table.history(STAFF, 99)] == ["m3", "m4", "m5"]
    assert [one.id for one in rooms.table.history(BOARD, 99)] == ["m4", "m5"]
    assert rooms.table.events(STAFF)
    retention.events_s = 5.0
    retention.failed(0.0, False)
    with store.storage.database.writing() as connection:
        retention.step(connection)
    assert rooms.table.events(STAFF) == []
