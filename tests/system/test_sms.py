"""A node and a message centre: texts there and back, cut and joined, receipts, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode
from tests.support.smsc import MessageCentre

BOB = "+4989100"
FAR = "+4917099"


class Scene:
    """A node bound to a message centre; alice has a name, bob a number."""

    def __init__(self, directory: Path) -> None:
        self.centre = MessageCentre()
        self.node = RunningNode(
            directory,
            users=("alice", BOB),
            extra=f'[[smsc]]\nname = "centre"\naddress = "127.0.0.1:{self.centre.port}"\n'
            'system_id = "node"\npassword_file = "smsc.secret"\nsource = "Alice"\n',
        )
        (directory / "smsc.secret").write_text("secret\n")
        self.node.start()
        self.bind = self.centre.bound()
        address = ("127.0.0.1", self.node.ports["udp"])
        self.alice, self.bob = Phone(address, "alice"), Phone(address, BOB)

    def close(self) -> None:
        self.node.stop()
        for each in (self.centre, self.alice, self.bob):
            each.close()

    def send(self, text: bytes, kind: str = "text/plain", to: str = FAR) -> int:
        uri = f"sip:{to}@ims.test"
        request = self.alice.request("MESSAGE", uri, None, (f"Content-Type: {kind}",), text)
        return self.alice.answer_to(request).status

    def story(self) -> str:
        shown = self.node.command("history", "alice", "--format", "json").stdout
        last = json.loads(shown)[-1]
        return self.node.command("why", last["message_id"]).stdout


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("sms") / "node")
    yield made
    made.close()


def taken(phone: Phone) -> Reply:
    got = phone.receive()
    assert got is not None
    phone.respond(got, 200)
    return got


def test_the_node_binds_with_its_password(scene: Scene) -> None:
    assert scene.bind.body.startswith(b"node\0secret\0")


def test_a_text_is_kept_until_the_centre_has_it(scene: Scene) -> None:
    """The link breaks before the answer: the message goes again; then it is settled."""
    assert scene.send(b"hello far away") == 202
    first = scene.centre.submitted()
    assert b"\x05\x00Alice\0\x01\x01" + FAR[1:].encode() + b"\0" in first.body
    assert first.body.endswith(b"\x0ehello far away")
    scene.centre.hang_up()
    scene.centre.bound()
    again = scene.centre.submitted()
    assert again.body[-14:] == b"hello far away"
    scene.centre.answer(again, b"id-1\0")
    scene.centre.deliver(FAR[1:], "1", b"id:id-1 stat:DELIVRD", esm_class=4)
    assert scene.centre.delivered().status == 0
    assert "the device says that it has the message" in scene.story()


def test_a_long_text_is_cut_and_its_parts_are_told_apart(scene: Scene) -> None:
    assert scene.send(b"x" * 200) == 202
    parts = [scene.centre.submitted(), scene.centre.submitted()]
    for number, unit in enumerate(parts, 1):
        at = unit.body.index(b"\x05\x00\x03")
        assert unit.body[at + 4 : at + 6] == bytes((2, number))
        scene.centre.answer(unit, b"long-%d\0" % number)


def test_a_text_of_a_phone_reaches_its_user_before_it_is_acknowledged(scene: Scene) -> None:
    assert scene.bob.register().status == 200
    scene.centre.deliver(FAR[1:], BOB[1:], "Grüße €".encode("utf-16-be"), coding=8)
    got = taken(scene.bob)
    assert got.body.decode() == "Grüße €"
    assert f"<sip:{FAR}@ims.test>" in got.get("from")
    assert scene.centre.delivered().status == 0
    assert scene.bob.register(0).status == 200
    scene.centre.deliver(FAR[1:], BOB[1:], b"for later")
    assert scene.centre.delivered().status == 0
    assert scene.bob.register().status == 200
    assert taken(scene.bob).body == b"for later"


def test_parts_are_joined_whatever_their_order(scene: Scene) -> None:
    for number, text in ((2, b"two"), (1, b"one ")):
        header = bytes((5, 0, 3, 9, 2, number))
        scene.centre.deliver(FAR[1:], BOB[1:], header + text, esm_class=0x40)
    assert taken(scene.bob).body == b"one two"
    assert [scene.centre.delivered().status for _ in range(2)] == [0, 0]


def test_nobody_has_that_number(scene: Scene) -> None:
    scene.centre.deliver(FAR[1:], "4912", b"?")
    assert scene.centre.delivered().status == 0x0B


def test_what_a_phone_cannot_show_is_refused_at_once(scene: Scene) -> None:
    assert scene.send(b"{}", "application/json") == 415


def test_who_asked_hears_what_became_of_it(scene: Scene) -> None:
    cpim = (
        b"From: <sip:alice@ims.test>\r\nTo: <sip:" + FAR.encode() + b"@ims.test>\r\n"
        b"NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m-77\r\n"
        b"DateTime: 2026-01-01T00:00:00Z\r\nimdn.Disposition-Notification: positive-delivery\r\n"
        b"\r\nContent-Type: text/plain\r\n\r\nping"
    )
    assert scene.send(cpim, "message/cpim") == 202
    unit = scene.centre.submitted()
    assert unit.body.endswith(b"\x04ping")
    scene.centre.answer(unit, b"id-2\0")
    assert scene.alice.register().status == 200
    scene.centre.deliver(FAR[1:], "1", b"id:id-2 stat:DELIVRD", esm_class=4)
    got = taken(scene.alice)
    assert b"<delivered" in got.body
    assert b"<message-id>m-77</message-id>" in got.body
    assert scene.centre.delivered().status == 0


def test_what_was_answered_202_outlives_the_process(scene: Scene) -> None:
    """Killed between submit_sm and its answer: sent again by the next run."""
    assert scene.send(b"still here") == 202
    assert scene.centre.submitted().body.endswith(b"still here")
    scene.node.kill()
    scene.centre.hang_up()
    scene.node.start()
    scene.centre.bound()
    again = scene.centre.submitted()
    assert again.body.endswith(b"still here")
    scene.centre.answer(again, b"id-9\0")
