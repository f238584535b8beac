"""Devices that sleep, woken by a webhook, on a real node (RFC 8599)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from imsnode.webhook import signature
from tests.support.hook import Hook
from tests.support.phone import Phone
from tests.support.running import RunningNode, eventually
from tests.system.test_calls import establish, pick_up, send_invite, until

SETTINGS = """
[limits]
register_burst = 1000
[webhook]
plain_http = true
allow = ["127.0.0.0/8"]
[push]
providers = ["fcm", "apns"]
url = "{url}"
interval = 0
wait = 2
[[domain]]
name = "off.test"
store = "off"
"""


class Sleeper(Phone):
    """A phone with one connection that can be woken."""

    purr = ""

    def wake(self) -> None:
        """Register over a new connection."""
        self.host, self.port = self.open("")
        assert self.register().status == 200

    def fall_asleep(self, node: RunningNode) -> None:
        """Lose the connection."""
        self.close()
        eventually(lambda: node.metric("imsnode_connections") == 0)

    @property
    def contact(self) -> str:
        if self.purr:
            return super().contact + self.purr
        return f"{super().contact};pn-provider=fcm;pn-prid=prid-{self.user}"


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    with Hook() as listening:
        yield listening


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, hook: Hook) -> Iterator[RunningNode]:
    folder: Path = tmp_path_factory.mktemp("push") / "node"
    extra = SETTINGS.format(url=hook.url)
    with RunningNode(folder, extra=extra, domains=["ims.test", "off.test"]) as running:
        running.command("user", "add", "sip:dora@off.test", "--password-stdin", text="pw-dora\n")
        yield running


@pytest.fixture
def alice(node: RunningNode) -> Iterator[Phone]:
    with Phone(("127.0.0.1", node.ports["udp"]), "alice") as phone:
        yield phone


@pytest.fixture
def bob(node: RunningNode) -> Iterator[Sleeper]:
    address = ("127.0.0.1", node.ports["tcp"])
    with Sleeper(address, "bob", instance="pad", transport="TCP") as phone:
        assert phone.register().status == 200
        yield phone


def test_a_message_wakes_its_device_and_waits_for_it(
    node: RunningNode, hook: Hook, alice: Phone, bob: Sleeper
) -> None:
    answer = bob.register()
    assert answer.get("feature-caps").startswith('*;+sip.pns="fcm";+sip.pnspurr="')
    bob.fall_asleep(node)
    assert alice.message("bob", "good morning", call_id="woken").status == 202
    headers, body = hook.posts.get(timeout=20)
    secret = node.command("push", "secret").stdout.strip()
    identity, stamp = headers["webhook-id"], int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == signature(secret, identity, stamp, body)
    assert b'"pn_prid": "prid-bob"' in body
    assert b'"reason": "message"' in body
    bob.wake()
    assert bob.collect(1) == [b"good morning"]
    assert "pushed  device <urn:uuid:pad>" in node.command("why", "woken").stdout
    assert node.metric("imsnode_push_woken_total") >= 1


def test_a_call_waits_for_its_device(
    node: RunningNode, hook: Hook, alice: Phone, bob: Sleeper
) -> None:
    bob.fall_asleep(node)
    leg = send_invite(alice, "bob")
    assert until(alice, 100).get("call-id") == leg.call_id
    _, event = hook.next()
    assert event["data"]["reason"] == "call"
    bob.wake()
    invite = until(bob, "INVITE")
    bob.respond(invite, 486)
    assert until(alice, 486)


def test_a_call_does_not_wait_for_ever(
    node: RunningNode, hook: Hook, alice: Phone, bob: Sleeper
) -> None:
    bob.fall_asleep(node)
    send_invite(alice, "bob")
    assert hook.next()[1]["data"]["pn_prid"] == "prid-bob"
    assert until(alice, 480)


def test_a_call_that_goes_on_wakes_too(
    node: RunningNode, hook: Hook, alice: Phone, bob: Sleeper
) -> None:
    reference = re.search(r'sip.pnspurr="([^"]+)"', bob.register().get("feature-caps"))
    assert reference is not None
    leg = send_invite(alice, "bob")
    invite = until(bob, "INVITE")
    bob.purr = f";pn-purr={reference[1]}"
    pick_up(bob, invite)
    establish(leg, until(alice, 200))
    assert until(bob, "ACK").get("call-id") == leg.call_id
    bob.purr = ""
    bob.fall_asleep(node)
    leg.send("BYE")
    assert hook.next()[1]["data"]["reason"] == "request"
    bob.wake()
    bye = until(bob, "BYE")
    bob.respond(bye, 200)
    assert until(alice, 200).get("cseq").endswith("BYE")


def test_a_message_that_may_not_be_stored_waits_too(
    node: RunningNode, hook: Hook, alice: Phone
) -> None:
    address = ("127.0.0.1", node.ports["tcp"])
    with Sleeper(address, "dora", domain="off.test", instance="pad", transport="TCP") as dora:
        assert dora.register().status == 200
        dora.fall_asleep(node)
        lines = ("Content-Type: text/plain",)
        request = alice.request("MESSAGE", "sip:dora@off.test", lines=lines, body=b"now")
        alice.send(request)
        alice.send(alice.with_credentials(request, until(alice, 407)))
        assert hook.next()[1]["data"]["aor"] == "sip:dora@off.test"
        dora.wake()
        assert dora.collect(1) == [b"now"]
        assert until(alice, 200)
