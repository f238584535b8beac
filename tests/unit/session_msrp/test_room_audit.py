"""What a change to a room amounts to."""

from __future__ import annotations

from dataclasses import replace

from session_msrp.rooms.audit import OPERATOR, differences
from session_msrp.rooms.values import Access, Member, Role, Room

ROOM, ALICE, BOB, EVE = (f"sip:{name}@ims.test" for name in ("staff", "alice", "bob", "eve"))
STAFF = Room(ROOM, access=Access.OPEN, members={ALICE: Member(ALICE, Role.OWNER)})


def acts(before: Room | None, after: Room | None) -> list[tuple[str, str, str]]:
    made = list(differences(before, after, OPERATOR, 5.0))
    assert {(one.room, one.at, one.actor) for one in made} <= {(ROOM, 5.0, OPERATOR)}
    return [(one.act, one.who, one.detail) for one in made]


def test_a_room_begins_with_its_members_and_ends() -> None:
    assert acts(None, STAFF) == [("created", "", "open"), ("added", ALICE, "owner")]
    assert acts(STAFF, None) == [("removed", "", "")]
    assert acts(None, None) == []


def test_rules_and_members_change() -> None:
    after = replace(
        STAFF,
        subject="New",
        members={
            ALICE: Member(ALICE, Role.MODERATOR, muted=True),
            BOB: Member(BOB),
            EVE: Member(EVE, Role.VISITOR, banned=True),
        },
    )
    assert acts(STAFF, after) == [
        ("changed", "", "subject: New"),
        ("role", ALICE, "moderator"),
        ("muted", ALICE, ""),
        ("added", BOB, "member"),
        ("banned", EVE, ""),
    ]
    assert acts(after, STAFF) == [
        ("changed", "", "subject: "),
        ("role", ALICE, "owner"),
        ("unmuted", ALICE, ""),
        ("dropped", BOB, ""),
        ("unbanned", EVE, ""),
    ]


def test_what_use_brings_about_is_no_change() -> None:
    used = replace(STAFF, members={ALICE: Member(ALICE, Role.OWNER, nickname="Al", seen=9)})
    assert acts(STAFF, used) == []
