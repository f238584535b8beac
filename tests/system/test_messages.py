"""Two phones and a real node: online, offline, restart, several devices (flows PM, RG)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.phone import Phone
from tests.support.running import RunningNode, eventually


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    # Some tests register the same user more often than a person would.
    with RunningNode(tmp_path / "node", extra="[limits]\nregister_burst = 100\n") as running:
        yield running


def phone(node: RunningNode, user: str, transport: str = "UDP", **kw: str) -> Phone:
    return Phone(("127.0.0.1", node.ports[transport.lower()]), user, transport=transport, **kw)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_online_message_reaches_the_recipient_and_its_200_the_sender(
    node: RunningNode, transport: str
) -> None:
    """PM-01: the recipient's own 2xx, no body, no Contact; Max-Forwards lower, no Record-Route."""
    with phone(node, "alice", transport) as alice, phone(node, "bob") as bob:
        assert bob.register().status == 200
        alice.send(
            alice.request("MESSAGE", "sip:bob@ims.test", None, ("Content-Type: text/plain",), b"x")
        )
        challenge = alice.receive()
        assert challenge is not None
        assert challenge.status == 407
        request = alice.request(
            "MESSAGE",
            "sip:bob@ims.test",
            None,
            ("Content-Type: text/plain", "X-Odd:   kept as it came  "),
            b"hello bob",
        )
        alice.send(alice.with_credentials(request, challenge))
        got = bob.receive()
        assert got is not None
        assert got.method == "MESSAGE"
        assert got.body == b"hello bob"
        assert got.start == f"MESSAGE {bob.contact} SIP/2.0"
        assert got.get("max-forwards") == "69"
        assert not got.all("record-route")
        assert not got.all("proxy-authorization")
        assert b"X-Odd:   kept as it came  \r\n" in got.data
        bob.respond(got, 200)
        answer = alice.receive()
        assert answer is not None
        assert answer.status == 200
        assert not answer.body
        assert not answer.all("contact")
        assert len(answer.all("via")) == 1


def test_offline_messages_wait_in_order_and_survive_a_kill(node: RunningNode) -> None:
    """PM-05, PM-07: 202 after commit; kill -9; the recipient gets all of it, in order, once."""
    with phone(node, "alice") as alice:
        for number in range(5):
            answer = alice.message("bob", f"message {number}")
            assert answer.status == 202
            assert not answer.body
            assert not answer.all("contact")
    node.kill()
    node.start()
    with phone(node, "bob") as bob:
        assert bob.register().status == 200
        assert bob.collect(5) == [b"message %d" % number for number in range(5)]
        first = bob.messages()[0]
        assert re.match(r"<sip:alice@ims.test>;tag=", first.get("from"))
        assert first.get("to").startswith("<sip:bob@ims.test>")
        assert ";tag" not in first.get("to")
        assert first.get("content-type") == "text/plain"
        assert first.get("date")
        assert bob.collect(6, 1.0) == [b"message %d" % number for number in range(5)]


def test_second_device_gets_it_later_and_the_first_not_again(node: RunningNode) -> None:
    """PM-08: state per device for devices that gave an instance id."""
    desk, pocket = "0001", "0002"
    for instance in (desk, pocket):
        with phone(node, "bob", instance=instance) as device:
            assert device.register().status == 200
            assert device.register(0).status == 200
    with phone(node, "alice") as alice:
        assert alice.message("bob", "for both").status == 202
    for instance in (desk, pocket):
        with phone(node, "bob", instance=instance) as device:
            assert device.register().status == 200
            assert device.collect(1) == [b"for both"]
            assert device.register(0).status == 200
    with phone(node, "bob", instance=desk) as device:
        assert device.register().status == 200
        assert device.collect(1, 1.0) == []


def test_two_bindings_get_it_and_one_answer_goes_back(node: RunningNode) -> None:
    """PM-02."""
    with phone(node, "alice") as alice, phone(node, "bob") as one, phone(node, "bob") as two:
        assert one.register().status == 200
        assert len(two.register().all("contact")) == 2
        request = alice.request(
            "MESSAGE", "sip:bob@ims.test", None, ("Content-Type: text/plain",), b"x"
        )
        alice.send(request)
        challenge = alice.receive()
        assert challenge is not None
        alice.send(alice.with_credentials(request, challenge))
        for device in (one, two):
            got = device.receive()
            assert got is not None
            assert got.method == "MESSAGE"
            device.respond(got, 200)
        answer = alice.receive()
        assert answer is not None
        assert answer.status == 200
        assert alice.receive(0.7) is None


def test_unknown_user_is_404_after_authentication_only(node: RunningNode) -> None:
    """PM-06, threats A7."""
    with phone(node, "alice") as alice, phone(node, "alice", password="") as stranger:
        assert alice.message("nobody", "x").status == 404
        known = stranger.message("bob", "x")
        unknown = stranger.message("nobody", "x")
        assert known.status == unknown.status == 407
        assert [k for k, _ in known.headers] == [k for k, _ in unknown.headers]


def test_from_must_be_the_sender(node: RunningNode) -> None:
    """Threats A2: good credentials of alice, From of carol: 403."""
    with phone(node, "alice") as alice:
        request = alice.request(
            "MESSAGE", "sip:bob@ims.test", None, ("Content-Type: text/plain",), b"x"
        )
        forged = request.replace(b"From: <sip:alice@", b"From: <sip:carol@")
        assert alice.answer_to(forged).status == 403


def test_foreign_domain_is_not_relayed(node: RunningNode) -> None:
    """Threats R1."""
    with phone(node, "alice") as alice:
        assert alice.message("sip:mallory@example.net", "x").status == 403


def test_is_composing_is_never_stored(node: RunningNode) -> None:
    """PM-18."""
    body = b'<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>active</state></isComposing>'
    with phone(node, "alice") as alice:
        request = alice.request(
            "MESSAGE",
            "sip:bob@ims.test",
            None,
            ("Content-Type: application/im-iscomposing+xml",),
            body,
        )
        assert alice.answer_to(request).status == 480


def test_slow_recipient_is_deferred_without_408(tmp_path: Path) -> None:
    """PM-11, D3: no answer within defer_after: stored, 202; the late 200 settles it."""
    extra = "[pager]\ndefer_after = 0.5\n"
    with (
        RunningNode(tmp_path / "node", extra=extra) as node,
        phone(node, "alice") as alice,
        phone(node, "bob") as bob,
    ):
        assert bob.register().status == 200
        assert alice.message("bob", "slow").status == 202
        got = bob.receive()
        assert got is not None
        assert got.body == b"slow"
        bob.respond(got, 200)
        story = node.command("why", got.get("call-id")).stdout
        assert "stored" in story
        eventually(lambda: "delivered" in node.command("why", got.get("call-id")).stdout)
        assert bob.register().status == 200
        assert bob.collect(2, 1.0) in ([], [b"slow"])


def test_bindings_survive_a_restart(node: RunningNode) -> None:
    with phone(node, "alice") as alice, phone(node, "bob") as bob:
        assert bob.register().status == 200
        assert node.stop() == 0
        node.start()
        alice.send(
            alice.request("MESSAGE", "sip:bob@ims.test", None, ("Content-Type: text/plain",), b"x")
        )
        challenge = alice.receive()
        assert challenge is not None
        request = alice.request(
            "MESSAGE", "sip:bob@ims.test", None, ("Content-Type: text/plain",), b"y"
        )
        alice.send(alice.with_credentials(request, challenge))
        got = bob.receive()
        assert got is not None
        assert got.body == b"y"


def test_register_lists_all_bindings_with_their_expiry(node: RunningNode) -> None:
    """RG-01, RG-02."""
    with phone(node, "bob") as bob:
        answer = bob.register(300)
        assert answer.status == 200
        assert answer.get("date")
        assert "expires=300" in answer.get("contact")
        short = bob.register(5)
        assert short.status == 423
        assert short.get("min-expires") == "60"
        star = bob.answer_to(bob.request("REGISTER", "sip:ims.test", bob.aor, ("Contact: *",)))
        assert star.status == 400
        gone = bob.answer_to(
            bob.request("REGISTER", "sip:ims.test", bob.aor, ("Contact: *", "Expires: 0"))
        )
        assert gone.status == 200
        assert not gone.all("contact")


def test_echo_answers(node: RunningNode) -> None:
    with phone(node, "alice") as alice:
        assert alice.register().status == 200
        assert alice.message("echo", "anybody there?").status == 200
        assert alice.collect(1) == [b"anybody there?"]
        assert alice.messages()[0].get("from").startswith("<sip:echo@ims.test>")
        assert len(alice.messages()[0].all("via")) == 1


def test_options_tells_what_the_node_supports(node: RunningNode) -> None:
    with phone(node, "alice") as alice:
        alice.send(
            alice.request(
                "OPTIONS", f"sip:{node.address}", None, ("Accept: */*", "X-Pad: " + "x" * 200)
            )
        )
        answer = alice.receive()
        assert answer is not None
        assert answer.status == 200
        assert "MESSAGE" in answer.get("allow")
        supported = answer.get("supported").split(", ")
        assert {"path", "eventlist", "recipient-list-subscribe"} <= set(supported)


def test_message_send_and_why_from_the_command_line(node: RunningNode) -> None:
    with phone(node, "bob") as bob:
        sent = node.command(
            "message",
            "send",
            "--from",
            "sip:alice@ims.test",
            "--to",
            "sip:bob@ims.test",
            "hi",
            "--format",
            "json",
        )
        assert "stored" in sent.stdout
        assert bob.register().status == 200
        assert bob.collect(1) == [b"hi"]
        assert len(bob.messages()[0].all("via")) == 1
        message_id = re.search(r"m[0-9a-v]{18}", sent.stdout)
        assert message_id is not None
        eventually(lambda: "delivered" in node.command("why", message_id.group()).stdout)
