"""`imsnode room`: rooms as commands see them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from imsnode.storage import StorageSettings, open_storage
from session_msrp.rooms.audit import RoomEvent
from session_msrp.rooms.values import RoomMessage
from sip.bodies.cpim import compose
from tests.support.stores import WALL, Loop

from .conftest import FakeNode, Result

Command = Callable[..., Result]
STAFF, ALICE, BOB = "sip:staff@ims.test", "sip:alice@ims.test", "sip:bob@ims.test"


@pytest.fixture(autouse=True)
def users(imsnode: Command, configured: Path) -> None:
    for name in ("alice", "bob", "carol"):
        imsnode("user", "add", name, "--password", "x")


def table(imsnode: Command, *words: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = imsnode("room", *words, "--format", "json").json()
    return rows


def test_a_room_is_added_changed_and_removed(imsnode: Command) -> None:
    added = imsnode(
        "room", "add", STAFF, "--member", "bob", "--owner", "alice", "--moderator",
        "sip:eve@other.test", "--history", "7", "--keep", "2d", "--topic", "Lunch",
    )  # fmt: skip
    assert added.out == f"added {STAFF}\n"
    imsnode("room", "add", "lobby", "--open", "--moderated", "--no-nicknames")
    lobby, staff = table(imsnode, "list")
    assert (staff["access"], staff["members"], staff["history"]) == ("members", 3, 7)
    assert (lobby["aor"], lobby["access"], lobby["moderated"]) == (
        "sip:lobby@ims.test",
        "open",
        True,
    )
    assert [(row["member"], row["role"]) for row in table(imsnode, "members", "staff")] == [
        (ALICE, "owner"),
        (BOB, "member"),
        ("sip:eve@other.test", "moderator"),
    ]
    imsnode("room", "set", "staff", "--access", "private", "--expires", "1h", "--name", "Us")
    shown = imsnode("room", "show", "staff").out
    for part in ("private", "Us", "Lunch", "172800 s"):
        assert part in shown
    imsnode("room", "set", "staff", "--expires", "never")
    assert table(imsnode, "list")[1]["expires"] is None
    assert imsnode("room", "remove", "staff").out == f"removed {STAFF}\n"
    assert [row["aor"] for row in table(imsnode, "list")] == ["sip:lobby@ims.test"]


def test_members_are_added_banned_and_muted(imsnode: Command) -> None:
    imsnode("room", "add", "staff")
    imsnode("room", "member", "add", "staff", "alice", "bob", "--role", "moderator")
    imsnode("room", "mute", "staff", "alice")
    imsnode("room", "ban", "staff", "carol")
    rows = {row["member"]: row for row in table(imsnode, "members", "staff")}
    assert rows[ALICE]["muted"]
    assert rows["sip:carol@ims.test"]["banned"]
    imsnode("room", "unmute", "staff", "alice")
    imsnode("room", "unban", "staff", "carol")
    imsnode("room", "member", "remove", "staff", "bob")
    assert [(row["member"], row["muted"]) for row in table(imsnode, "members", "staff")] == [
        (ALICE, False)
    ]


def test_what_makes_no_sense_is_refused_by_name(imsnode: Command) -> None:
    imsnode("room", "add", "staff", "--owner", "alice")
    for words, code, reason in (
        (("add", "staff"), 1, "exists already"),
        (("add", "bob"), 1, "is a user"),
        (("add", "echo"), 1, "service of the node"),
        (("add", "x", "--member", "typo"), 1, "sip:typo@ims.test is not a user"),
        (("add", "x", "--open", "--private"), 2, "exclude each other"),
        (("add", "sip:x@other.test"), 2, "not a domain served here"),
        (("add", "x", "--keep", "0s"), 2, "not a duration"),
        (("set", "staff", "--access", "friends"), 2, "open, members, private"),
        (("member", "add", "staff", "bob", "--role", "king"), 2, "owner, moderator, member"),
        (("member", "remove", "staff", "alice"), 1, "no owner"),
        (("unban", "staff", "bob"), 1, "not banned"),
        (("show", "nope"), 1, "no room sip:nope@ims.test"),
        (("export", "nope"), 1, "nothing is known"),
        (("kick", "staff", "bob"), 1, "no node answers"),
    ):
        refused = imsnode("room", *words)
        assert (refused.code, reason in refused.err) == (code, True), refused.err
    assert "as a room" in imsnode("user", "add", "staff", "--password", "x").err
    assert "is a room" in imsnode("group", "add", "staff").err


def test_a_running_node_hears_of_it(imsnode: Command, running: FakeNode) -> None:
    running.answers |= {
        "/rooms/changed": (200, {"count": 1}),
        "/rooms/kick": (200, {"ended": 2}),
        "/rooms/invite": (200, {"called": 1}),
        "/rooms/participants": (200, {"participants": []}),
    }
    imsnode("room", "add", "staff")
    assert running.asked[-1] == ("/rooms/changed", {"rooms": [STAFF]})
    assert "ended 2 sessions" in imsnode("room", "kick", "staff", "bob").out
    assert running.asked[-1] == ("/rooms/kick", {"room": STAFF, "who": BOB})
    assert "called 1 devices" in imsnode("room", "invite", "staff", "bob", "carol").out
    assert imsnode("room", "participants", "staff").out == "none\n"


def test_the_audit_has_what_was_said_and_what_happened(
    imsnode: Command, configured: Path, tmp_path: Path
) -> None:
    imsnode("room", "add", "staff", "--owner", "alice", "--topic", "Lunch")
    loop = Loop()
    storage = open_storage(
        StorageSettings(f"sqlite:///{configured.parent}/imsnode.db"), loop.deliver, lambda: WALL
    )
    body = compose(
        [(b"From", b"<sip:alice@ims.test>")], [(b"Content-Type", b"text/plain")], "Hé".encode()
    )
    said = RoomMessage(STAFF, 0, "m1", ALICE, "Al", WALL, body.encode())
    assert loop.call(storage.rooms.keep, said)
    storage.rooms.note(RoomEvent(STAFF, WALL + 1, "left", ALICE, ALICE, "hung-up"))
    assert storage.close(5.0)
    [row] = table(imsnode, "history", "staff")
    assert (row["sender"], row["nickname"], row["type"], row["text"]) == (
        ALICE,
        "Al",
        "text/plain",
        "Hé",
    )
    file = tmp_path / "audit.jsonl"
    imsnode("room", "export", "staff", "--output", str(file))
    room, *records = [json.loads(line) for line in file.read_text().splitlines()]
    assert (room["record"], room["subject"], len(room["members"])) == ("room", "Lunch", 1)
    assert [one.get("act", one["record"]) for one in records] == [
        "message",
        "left",
        "created",
        "added",
    ]
    imsnode("room", "remove", "staff")
    left = imsnode("room", "export", "staff").out
    assert '"removed"' in left
    assert '"message"' not in left
