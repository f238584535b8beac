"""Devices that keep their flows, and are found by GRUU (RFC 5626, RFC 5627), on a real node."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator

import pytest

from sip.stun import answer
from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode
from tests.system.test_calls import call, until

SUPPORTED = "Supported: path, outbound, gruu"
GRUU = re.compile(r'(pub|temp)-gruu="([^"]+)"')


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    extra = '[registrar]\nflow_timer = "90s"\nservice_route = ["sip:edge.ims.test;lr"]\n'
    users = [f"user{number}" for number in range(8)]
    with RunningNode(tmp_path_factory.mktemp("outbound"), users=users, extra=extra) as running:
        yield running


class Device(Phone):
    """A phone with an instance id. reg_id: of its flow, 0 for none. known_as: a GRUU of its own."""

    reg_id = 0
    known_as = ""

    @property
    def features(self) -> str:  # type: ignore[override]
        return f";reg-id={self.reg_id}" if self.reg_id else ""

    @property
    def contact(self) -> str:
        return self.known_as or super().contact

    def sign_in(self, reg_id: int = 0) -> Reply:
        self.reg_id = reg_id
        return self.register(lines=(SUPPORTED,))

    def gruu(self, kind: str) -> str:
        """Register and return the GRUU that the node gives."""
        (mine,) = (c for c in self.sign_in().all("contact") if self.contact in c)
        return dict(GRUU.findall(mine))[kind]


def device(node: RunningNode, user: str, instance: str = "", transport: str = "UDP") -> Device:
    address = ("127.0.0.1", node.ports[transport.lower()])
    return Device(address, user, transport=transport, instance=instance)


def ask(sender: Phone, uri: str, text: bytes, *receivers: Device) -> tuple[int, list[Device]]:
    """Send a MESSAGE; the status, and who of the receivers had it (the first alone is waited for)."""
    request = sender.request("MESSAGE", uri, lines=("Content-Type: text/plain",), body=text)
    sender.send(request)
    sender.send(sender.with_credentials(request, until(sender, 407)))
    had = []
    for seconds, receiver in zip((10.0, *[0.0] * len(receivers)), receivers, strict=False):
        got = receiver.receive(seconds)
        if got is not None and got.body == text:
            receiver.respond(got, 200)
            had.append(receiver)
    reply = until_final(sender)
    return reply.status, had


def until_final(phone: Phone) -> Reply:
    while (reply := phone.receive(20)) is not None:
        if reply.status >= 200:
            return reply
    raise AssertionError("no final answer")


def test_a_message_takes_the_flow_that_is_left(node: RunningNode) -> None:
    with (
        device(node, "user0") as alice,
        device(node, "user1", "1", "TCP") as first,
        device(node, "user1", "1", "TCP") as second,
    ):
        assert first.sign_in(1).get("require") == "outbound"
        reply = second.sign_in(2)
        assert len(reply.all("contact")) == 2
        assert reply.get("flow-timer") == "90"
        assert reply.get("service-route") == "<sip:edge.ims.test;lr>"
        assert ask(alice, "sip:user1@ims.test", b"one", second, first) == (200, [second])
        second.close()
        assert ask(alice, "sip:user1@ims.test", b"two", first) == (200, [first])


def test_a_first_hop_without_outbound(node: RunningNode) -> None:
    with device(node, "user1", "1") as phone:
        via = "Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKfirst"
        phone.reg_id = 1
        assert phone.register(lines=(SUPPORTED, via)).status == 439


def test_a_keep_alive_is_answered(node: RunningNode) -> None:
    request = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + os.urandom(12)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        client.settimeout(10)
        client.sendto(request, ("127.0.0.1", node.ports["udp"]))
        assert client.recv(1500) == answer(request, client.getsockname())


@pytest.mark.parametrize("kind", ["pub", "temp"])
def test_a_gruu_leads_to_one_device(node: RunningNode, kind: str) -> None:
    bob = f"user{2 if kind == 'pub' else 3}"
    with (
        device(node, "user0") as alice,
        device(node, bob, "desk") as desk,
        device(node, bob, "pad") as pad,
    ):
        desk.sign_in()
        uri = pad.gruu(kind)
        assert ask(alice, uri, b"for the pad", pad, desk) == (200, [pad])
        pad.register(0)
        status, _ = ask(alice, uri, b"away")
        assert status == (480 if kind == "pub" else 404)
        assert ask(alice, f"sip:{bob}@ims.test;gr=urn:uuid:none", b"nobody")[0] == 404


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_call_follows_the_device_to_another_flow(node: RunningNode, transport: str) -> None:
    bob = f"user{4 if transport == 'UDP' else 5}"
    with device(node, "user6") as alice, device(node, bob, "pad", transport) as pad:
        pad.known_as = pad.gruu("pub")
        leg, _ = call(alice, pad)
        pad.close()
        with device(node, bob, "pad", transport) as moved:
            assert moved.sign_in().status == 200
            leg.send("BYE")
            bye = until(moved, "BYE")
            assert bye.start == f"BYE {moved.contact} SIP/2.0"
            moved.respond(bye, 200)
            assert until(alice, 200).get("cseq").endswith("BYE")
