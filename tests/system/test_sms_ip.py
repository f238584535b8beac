"""Phones that know short messages alone (PM-22): RP-DATA to the service centre, and from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sip.bodies.rpdata import RpKind, RpMessage, parse_rp
from sip.bodies.segments import GSM7, Place, decode_text
from sip.bodies.tpdu import Submit, deliver_report, parse_deliver, parse_status_report
from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode

CENTRE, OLD, SMART = "+491700", "+4917011", "+4917022"
SMS = "application/vnd.3gpp.sms"


class OldPhone(Phone):
    """A phone that takes short messages and nothing else."""

    features = ";+g.3gpp.smsip"

    def relay(self, message: RpMessage) -> int:
        """Send something to the service centre; returns the answer to the request."""
        kind = (f"Content-Type: {SMS}",)
        uri = f"sip:{CENTRE}@ims.test"
        request = self.request("MESSAGE", uri, None, kind, message.encode())
        return self.answer_to(request).status

    def relayed(self) -> tuple[RpMessage, Reply]:
        """Return what comes from the service centre, answered 200."""
        if self.inbox:  # came, and was answered, while the phone waited for something else
            got = self.inbox.pop(0)
        else:
            received = self.receive()
            assert received is not None
            got = received
            self.respond(got, 200)
        assert got.get("Content-Type") == SMS
        return parse_rp(got.body), got


class Scene:
    """A node that is a service centre, an old phone and a smart one."""

    def __init__(self, directory: Path) -> None:
        self.node = RunningNode(
            directory,
            users=(OLD, SMART),
            extra=f'[sms]\nservice_centre = "{CENTRE}"\n',
        ).start()
        address = ("127.0.0.1", self.node.ports["udp"])
        self.old, self.smart = OldPhone(address, OLD), Phone(address, SMART)
        assert self.old.register().status == 200
        assert self.smart.register().status == 200

    def close(self) -> None:
        self.node.stop()
        self.old.close()
        self.smart.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("smsip") / "node")
    yield made
    made.close()


def test_a_submit_becomes_a_message_and_is_acknowledged(scene: Scene) -> None:
    old, smart = scene.old, scene.smart
    unit = Submit(1, SMART, GSM7, b"Hi there", wants_report=True).encode()
    assert old.relay(RpMessage(RpKind.DATA_MS, 5, unit, destination=CENTRE)) == 202
    got = smart.receive()
    assert got is not None
    assert (got.body, got.get("Content-Type")) == (b"Hi there", "text/plain;charset=UTF-8")
    assert f"<sip:{OLD}@ims.test>" in got.get("From")
    smart.respond(got, 200)
    answer, request = old.relayed()
    assert (answer.kind, answer.reference) == (RpKind.ACK_NET, 5)
    assert request.get("In-Reply-To")
    report, _ = old.relayed()
    assert parse_status_report(report.user_data).status == 0


def test_parts_are_one_message(scene: Scene) -> None:
    for number, text in ((2, b"lo"), (1, b"hel")):
        unit = Submit(number, SMART, GSM7, text, Place(9, 2, number)).encode()
        assert scene.old.relay(RpMessage(RpKind.DATA_MS, number, unit, destination=CENTRE)) == 202
        if number == 2:
            assert scene.old.relayed()[0].kind == RpKind.ACK_NET
    got = scene.smart.receive()
    assert got is not None
    assert got.body == b"hello"
    scene.smart.respond(got, 200)
    assert scene.old.relayed()[0].kind == RpKind.ACK_NET


def test_nobody_has_that_number(scene: Scene) -> None:
    unit = Submit(3, "+499", GSM7, b"?").encode()
    assert scene.old.relay(RpMessage(RpKind.DATA_MS, 6, unit, destination=CENTRE)) == 202
    answer, _ = scene.old.relayed()
    assert (answer.kind, answer.cause) == (RpKind.ERROR_NET, 1)


def test_a_text_reaches_a_phone_that_takes_nothing_else(scene: Scene) -> None:
    assert scene.smart.message(f"sip:{OLD}@ims.test", "Grüße [€]").status == 202
    data, request = scene.old.relayed()
    assert (data.kind, data.originator) == (RpKind.DATA_NET, CENTRE)
    assert request.get("P-Asserted-Identity") == f"<sip:{CENTRE}@ims.test>"
    deliver = parse_deliver(data.user_data)
    assert (deliver.originator, decode_text(deliver.coding, [deliver.text])) == (SMART, "Grüße [€]")
    assert scene.old.relay(RpMessage(RpKind.ACK_MS, data.reference, deliver_report())) == 200
    scene.node.command("history", SMART)  # what is under way to the store is there then
    waiting = scene.node.command("message", "list", "--format", "csv").stdout
    assert ",waiting," not in waiting


def test_a_full_phone_is_tried_again_when_it_has_room(scene: Scene) -> None:
    assert scene.smart.message(f"sip:{OLD}@ims.test", "later").status == 202
    data, _ = scene.old.relayed()
    assert scene.old.relay(RpMessage(RpKind.ERROR_MS, data.reference, cause=22)) == 200
    assert scene.old.relay(RpMessage(RpKind.SMMA, 8)) == 200
    kinds = {}
    for _ in range(2):
        message, _ = scene.old.relayed()
        kinds[message.kind] = message
    assert set(kinds) == {RpKind.ACK_NET, RpKind.DATA_NET}
    again = kinds[RpKind.DATA_NET]
    assert parse_deliver(again.user_data).text == b"later"
    assert scene.old.relay(RpMessage(RpKind.ACK_MS, again.reference)) == 200


def test_between_such_phones_what_came_passes_untouched(scene: Scene) -> None:
    body = bytes(range(256))
    request = scene.smart.request(
        "MESSAGE", f"sip:{SMART}@ims.test", None, (f"Content-Type: {SMS}",), body
    )
    scene.smart.answer_to(request)
    assert scene.smart.inbox[-1].body == body


def test_the_centre_takes_nothing_else(scene: Scene) -> None:
    uri = f"sip:{CENTRE}@ims.test"
    refused = scene.smart.answer_to(
        scene.smart.request("MESSAGE", uri, None, ("Content-Type: text/plain",), b"hi")
    )
    assert (refused.status, refused.get("Accept")) == (415, SMS)
    broken = scene.smart.request("MESSAGE", uri, None, (f"Content-Type: {SMS}",), b"\x07")
    assert scene.smart.answer_to(broken).status == 400
