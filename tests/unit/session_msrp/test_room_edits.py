"""Changes to rooms, and what a room's rules let people do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from session_msrp.rooms import edits
from session_msrp.rooms.edits import RoomRefused
from session_msrp.rooms.ports import Edit
from session_msrp.rooms.values import Access, Member, Role, Room

ROOM, ALICE, BOB, EVE = (f"sip:{name}@ims.test" for name in ("staff", "alice", "bob", "eve"))
STAFF = Room(ROOM, members={ALICE: Member(ALICE, Role.OWNER), BOB: Member(BOB, nickname="Bobby")})


def made(edit: Edit, room: Room | None = STAFF) -> Room:
    done = edit(room)
    assert done is not None
    return done


@pytest.mark.parametrize(
    ("access", "moderated", "comes_in", "speaks", "knows"),
    [
        (Access.OPEN, False, True, True, True),
        (Access.OPEN, True, True, False, True),
        (Access.MEMBERS, False, False, False, True),
        (Access.PRIVATE, False, False, False, False),
    ],
)
def test_what_somebody_who_is_no_member_may_do(
    access: Access, moderated: bool, comes_in: bool, speaks: bool, knows: bool
) -> None:
    room = made(edits.set_rules(ROOM, access=access, moderated=moderated))
    assert (room.role_of(EVE) is not None) == comes_in
    assert room.may_speak(EVE) == speaks
    assert room.is_known_to(EVE) == knows
    assert not room.may_moderate(EVE)


def test_members_may_speak_and_their_moderators_moderate() -> None:
    moderated = replace(STAFF, moderated=True)
    assert moderated.may_speak(BOB)
    assert not STAFF.may_moderate(BOB)
    promoted = made(edits.set_members(ROOM, [BOB], Role.MODERATOR))
    assert promoted.may_moderate(BOB)
    assert promoted.members[BOB].nickname == "Bobby"
    assert made(edits.set_members(ROOM, [BOB]), promoted) == promoted


def test_who_is_banned_stays_out_of_an_open_room_until_the_ban_ends() -> None:
    room = made(edits.set_rules(ROOM, access=Access.OPEN))
    banned = made(edits.set_banned(ROOM, EVE, True), room)
    assert banned.role_of(EVE) is None
    assert not banned.may_speak(EVE)
    assert made(edits.set_banned(ROOM, EVE, False), banned) == room
    member = made(edits.set_banned(ROOM, BOB, True), room)
    assert made(edits.set_banned(ROOM, BOB, False), member) == room
    assert made(edits.set_members(ROOM, [BOB]), member) == room


def test_who_is_muted_listens() -> None:
    muted = made(edits.set_muted(ROOM, BOB, True))
    assert (muted.role_of(BOB), muted.may_speak(BOB)) == (Role.MEMBER, False)
    assert made(edits.set_muted(ROOM, BOB, False), muted) == STAFF


def test_a_room_is_made_once_and_removed() -> None:
    assert edits.create(STAFF)(None) == STAFF
    assert edits.remove(ROOM)(STAFF) is None


@pytest.mark.parametrize(
    ("edit", "there", "reason"),
    [
        (edits.create(STAFF), STAFF, "exists already"),
        (edits.create(STAFF, most_members=1), None, "may have 1 members"),
        (edits.remove(ROOM), None, "no room"),
        (edits.create(replace(STAFF, display_name="x" * 257)), None, "name is longer than 256"),
        (edits.set_rules(ROOM, subject="a\x00b"), STAFF, "topic holds a control character"),
        (edits.set_rules(ROOM, retention_s=0.0), STAFF, "less than nothing"),
        (edits.set_rules(ROOM, subject="x"), None, "no room"),
        (edits.set_members(ROOM, [EVE], most_members=2), STAFF, "may have 2 members"),
        (edits.set_members(ROOM, [ALICE], Role.MEMBER), STAFF, "no owner"),
        (edits.unset_members(ROOM, [ALICE]), STAFF, "no owner"),
        (edits.unset_members(ROOM, [BOB, EVE]), STAFF, f"{EVE} is no member"),
        (edits.set_banned(ROOM, ALICE, True), STAFF, "no owner"),
        (edits.set_banned(ROOM, BOB, False), STAFF, "not banned"),
        (edits.set_muted(ROOM, EVE, True), STAFF, "no member"),
        (edits.set_nickname(ROOM, EVE, "Eve"), STAFF, "no member"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason(
    edit: Edit, there: Room | None, reason: str
) -> None:
    with pytest.raises(RoomRefused, match=reason):
        edit(there)


def test_several_edits_are_one() -> None:
    wanted = edits.chain(
        (
            edits.set_member(ROOM, EVE, Role.MODERATOR, banned=False, pager=True),
            edits.set_member(ROOM, BOB, muted=True),
        )
    )
    done = made(wanted)
    assert done.members[EVE] == Member(EVE, Role.MODERATOR, pager=True)
    assert done.members[BOB] == Member(BOB, nickname="Bobby", muted=True)
    for edit, reason in (
        (edits.set_member(ROOM, ALICE, banned=True), "no owner"),
        (edits.set_member(ROOM, EVE, most_members=2), "may have 2"),
    ):
        with pytest.raises(RoomRefused, match=reason):
            edit(STAFF)


def test_what_is_remembered_of_a_member() -> None:
    changed = made(edits.set_pager(ROOM, BOB, True), made(edits.set_nickname(ROOM, BOB, "B")))
    assert changed.members[BOB] == Member(BOB, nickname="B", pager=True)
