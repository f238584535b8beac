"""Rooms of a real node that outlive it: members who were away, members without sessions, commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from session_msrp.session import Delivered
from sip.bodies.cpim import parse_cpim
from tests.support.msrp import final
from tests.support.phone import Phone
from tests.support.room_phone import RoomPhone
from tests.support.running import RunningNode, eventually

EXTRA = '[msrp]\nlisten = ["tcp:127.0.0.1:0"]\n'
RULES = """
[policy]
rules = ["words"]

[[rule]]
name = "words"
uses = "words"
file = "words.txt"
"""
ALICE, BOB, CAROL = (f"sip:{name}@ims.test" for name in ("alice", "bob", "carol"))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    folder = tmp_path_factory.mktemp("members") / "node"
    folder.mkdir()
    (folder / "words.txt").write_text("casino\n")
    with RunningNode(folder, extra=EXTRA + RULES) as running:
        yield running


def phone(node: RunningNode, user: str) -> Phone:
    return Phone(("127.0.0.1", node.ports["udp"]), user)


def test_rooms_members_and_history_outlive_a_kill(tmp_path: Path) -> None:
    """RM-08: the room calls a member who is back, who gets what they missed, in order."""
    node = RunningNode(tmp_path / "node", extra=EXTRA)
    with node, phone(node, "alice") as alice:
        node.command("room", "add", "tea", "--owner", "alice", "--member", "bob")
        with RoomPhone(alice, "tea").join() as one:
            one.tell(b"first")
            one.tell(b"second")
            one.until(Delivered, 3)  # the SEND that opened the session is one
            node.kill()
        node.start()
        with phone(node, "bob") as bob, RoomPhone(bob, "tea") as two:
            assert bob.register().status == 200
            answered(two)
            assert two.texts(2) == [b"first", b"second"]
            assert all(parse_cpim(body).get(b"DateTime") for body in two.messages(2))


def test_a_member_without_sessions_is_in_the_room_by_message(node: RunningNode) -> None:
    node.command("room", "add", "pagers", "--member", "alice", "--member", "bob")
    with (
        phone(node, "alice") as alice,
        phone(node, "bob") as bob,
        phone(node, "carol") as carol,
        RoomPhone(alice, "pagers") as one,
    ):
        assert bob.register().status == 200
        assert carol.message("pagers", b"let me in").status == 403
        one.join()
        assert bob.message("pagers", b"by message").status == 200
        assert one.texts(1) == [b"by message"]
        one.tell(b"hello bob")
        [body] = bob.collect(1)
        assert parse_cpim(body).get(b"From") == b"<sip:alice@ims.test>"
        assert parse_cpim(body).part.content == b"hello bob"
        assert bob.messages()[0].get("from").startswith("<sip:pagers@ims.test>")
        one.tell(b"come to my casino")
        assert one.refused() == 403
        one.leave()
        said = rows(node, "history", "pagers")
        assert [(row["sender"], row["text"]) for row in said] == [
            (BOB, "by message"),
            (ALICE, "hello bob"),
        ]
        told = node.command("why", str(said[1]["id"])).stdout
        assert "to-room" in told
        assert "to sip:pagers@ims.test" in told
        assert node.metric("imsnode_room_by_message_total") == 1
        assert node.metric("imsnode_room_fed_total") == 1
        assert node.metric("imsnode_room_sessions") == 0
        visit = node.command("why", one.invite.get("call-id")).stdout
        assert "entered-room" in visit
        assert "left-room  device hung up" in visit


def test_commands_reach_a_room_that_is_open(node: RunningNode) -> None:
    node.command("room", "add", "desk", "--open")
    with phone(node, "alice") as alice, RoomPhone(alice, "desk").join() as one:
        [row] = rows(node, "participants", "desk")
        assert (row["user"], row["role"]) == (ALICE, "visitor")
        node.command("room", "mute", "desk", "alice")
        one.tell(b"x")
        assert one.refused() == 403
        node.command("room", "unmute", "desk", "alice")
        assert "ended 1 sessions" in node.command("room", "kick", "desk", "alice").stdout
        assert one.ended()
        node.command("room", "ban", "desk", "alice")
        with RoomPhone(alice, "desk") as again:
            drained(alice)
            assert again.call().status == 403
        node.command("room", "remove", "desk")
        records = node.command("room", "export", "desk").stdout.splitlines()
        events = [json.loads(line) for line in records]
        acts = [event["act"] for event in events]
        assert acts == [
            "created", "joined", "added", "muted", "unmuted", "left", "banned", "removed",
        ]  # fmt: skip
        assert events[5]["detail"] == "removed by operator"


def test_programs_keep_rooms_by_http(node: RunningNode) -> None:
    token = node.command(
        "token", "add", "x", "--scope", "rooms:read", "--scope", "rooms:write", "--as", "@ims.test"
    ).stdout.strip()
    with httpx.Client(
        base_url=f"http://{node.http}/api/v1",
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
    ) as http:
        new = {"aor": "sip:web@ims.test", "members": [{"aor": ALICE, "role": "owner"}]}
        assert http.post("/rooms", json=new).status_code == 201
        assert http.post("/rooms", json=new).status_code == 409
        assert http.post("/rooms", json={"aor": "sip:web@other.test"}).status_code == 403
        assert http.put(f"/rooms/web@ims.test/members/{BOB}", json={"muted": True}).json()["muted"]
        assert http.patch("/rooms/web@ims.test", json={"topic": "News"}).json()["topic"] == "News"
        shown = http.get("/rooms/web@ims.test").json()
        assert (shown["room"]["members"], shown["members"][1]["aor"]) == (2, BOB)
        with phone(node, "alice") as alice, RoomPhone(alice, "web").join() as one:
            one.tell(b"hello")
            eventually(lambda: http.get("/rooms/web@ims.test/messages").json()["messages"])
            [there] = http.get("/rooms/web@ims.test/participants").json()["participants"]
            assert there["user"] == ALICE
            assert http.delete(f"/rooms/web@ims.test/participants/{ALICE}").status_code == 204
            assert one.ended()
        acts = [one["act"] for one in http.get("/rooms/web@ims.test/events").json()["events"]]
        assert acts[:2] == ["created", "added"]
        assert http.delete(f"/rooms/web@ims.test/members/{CAROL}").status_code == 404
        assert http.delete(f"/rooms/web@ims.test/members/{ALICE}").status_code == 409
        assert http.delete("/rooms/web@ims.test").status_code == 204
        assert http.get("/rooms/web@ims.test").status_code == 404


def rows(node: RunningNode, *words: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(
        node.command("room", *words, "--format", "json").stdout
    )
    return found


def answered(device: RoomPhone) -> None:
    """Take the call of a room."""
    phone = device.phone
    call = final(phone)
    assert call.method == "INVITE"
    assert f"<sip:{device.target}@ims.test>" in call.get("contact")
    assert "isfocus" in call.get("contact")
    lines = (f"Contact: <{phone.contact}>", "Content-Type: application/sdp")
    phone.respond(call, 200, lines, device.answer(call.body))
    assert final(phone).method == "ACK"
    device.open()


def drained(phone: Phone) -> None:
    """Have a phone answer what has come to it."""
    while (message := phone.receive(0.2)) is not None:
        if message.method and message.method != "ACK":
            phone.respond(message, 200)
