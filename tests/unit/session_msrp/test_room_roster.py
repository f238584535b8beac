"""The roster of a room as its followers read it: full, then what changed (RFC 4575)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from session_msrp.rooms.conference import MOST_OCTETS, Roster
from session_msrp.rooms.live import Participant, Wire
from session_msrp.rooms.values import Member, Role
from sip.bodies.schema import validate
from sip.bodies.xml import Element, parse_xml
from tests.support.room_world import LIMITS, ROOM, RoomWorld, aor

NS = "{urn:ietf:params:xml:ns:conference-info}"
NICKNAME = "{urn:ietf:params:xml:ns:xcon-conference-info}nickname"


class Follower:
    """Reads one document after the other, as a client that keeps the roster does (RFC 4575 4.6)."""

    def __init__(self, world: RoomWorld, roster: Roster) -> None:
        self.world, self.roster = world, roster
        self.version = 0
        self.revision: int | None = None
        self.users: dict[str, tuple[str, int]] = {}
        self.subject = ""
        self.count = 0

    def read(self) -> Element:
        octets = self.roster.document(self.revision, self.version)
        self.revision = self.world.room.changes.revision
        root = parse_xml(octets, "conference-info")
        validate(root, "conference-info")
        assert root.get("entity") == ROOM
        assert root.get("version") == str(self.version)
        self.version += 1
        if root.get("state") == "full":
            self.users.clear()
        for user in root.iterfind(f"{NS}users/{NS}user"):
            uri = user.get("entity", "")
            if user.get("state") == "deleted":
                del self.users[uri]
            else:
                self.users[uri] = (user.get(NICKNAME, ""), len(user.findall(f"{NS}endpoint")))
        self.subject = root.findtext(f"{NS}conference-description/{NS}subject", self.subject)
        self.count = int(root.findtext(f"{NS}conference-state/{NS}user-count", str(self.count)))
        assert self.count == len(self.world.room.participants)
        return root


@pytest.fixture
def world() -> RoomWorld:
    return RoomWorld(
        subject="Tea & <cake>", moderated=True, members={aor("bob"): Member(aor("bob"), Role.OWNER)}
    )


@pytest.fixture
def follower(world: RoomWorld) -> Follower:
    return Follower(world, Roster(world.room, 100))


def test_who_comes_goes_and_takes_a_name_is_told_and_nothing_else(
    world: RoomWorld, follower: Follower
) -> None:
    alice, bob = world.enter("alice"), world.enter("bob")
    root = follower.read()
    assert root.get("state") == "full"
    assert follower.subject == "Tea & <cake>"
    tablet = world.enter("bob")
    bob.nickname('"Böb <3"'.encode())
    root = follower.read()
    assert root.get("state") == "partial"
    assert root.find(f"{NS}conference-description") is None
    [user] = root.iterfind(f"{NS}users/{NS}user")
    assert user.findtext(f"{NS}roles/{NS}entry") == "owner"
    assert follower.users == {aor("alice"): ("", 1), aor("bob"): ("Böb <3", 2)}
    alice.leave()
    tablet.leave()
    follower.read()
    assert follower.users == {aor("bob"): ("Böb <3", 1)}
    world.room.room = replace(world.room.room, subject="Coffee")
    world.room.changes.describe()
    root = follower.read()
    assert root.find(f"{NS}users") is None
    assert follower.subject == "Coffee"


def test_an_endpoint_shows_no_address_and_whether_it_may_speak(
    world: RoomWorld, follower: Follower
) -> None:
    world.enter("alice")
    world.enter("bob")
    found = {
        user.get("entity"): user.find(f"{NS}endpoint")
        for user in follower.read().iterfind(f"{NS}users/{NS}user")
    }
    status = {
        who: None if each is None else each.findtext(f"{NS}status") for who, each in found.items()
    }
    assert status == {aor("alice"): "muted-via-focus", aor("bob"): "connected"}
    assert all(each is not None and "client" not in str(each.items()) for each in found.values())


def test_who_is_anonymous_is_known_by_another_address_alone(
    world: RoomWorld, follower: Follower
) -> None:
    hidden = "sip:anonymous-7@ims.test"
    who = Participant(aor("eve"), hidden, frozenset((hidden,)))
    world.room.enter(who, Wire(b"a", b"b", lambda octets: None), LIMITS)
    follower.read()
    assert follower.users == {hidden: ("", 1)}
    assert b"eve" not in follower.roster.document(None, 0)


def test_all_followers_share_what_is_written_once(world: RoomWorld, follower: Follower) -> None:
    world.enter("alice")
    follower.read()
    world.enter("bob")
    roster, revision = follower.roster, follower.revision
    assert roster.document(revision, 1).replace(b'version="1"', b'version="9"', 1) == (
        roster.document(revision, 9)
    )


def test_a_follower_who_missed_too_much_is_told_everything(
    world: RoomWorld, follower: Follower
) -> None:
    world.enter("alice")
    follower.read()
    for number in range(600):
        world.enter(f"user{number}").leave()
    root = follower.read()
    assert root.get("state") == "full"
    assert list(follower.users) == [aor("alice")]


def test_a_document_fits_a_notify(world: RoomWorld, follower: Follower) -> None:
    follower.read()
    for number in range(400):
        world.enter(f"user-with-a-name-of-some-length-{number}")
    root = follower.read()
    assert root.get("state") == "full"
    assert len(follower.roster.document(None, 1)) <= MOST_OCTETS
    assert 100 < len(follower.users) < follower.count == 400
