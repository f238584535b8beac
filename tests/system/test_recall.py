"""Taking messages back: by SIP, by command, with and without a running node."""

from __future__ import annotations

import json
from pathlib import Path

from sip.bodies.cpim import parse_cpim
from sip.bodies.revoke import Revoke, RevokeResult, build_revoke, parse_revoke
from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode

REVOKE = "application/vnd.gsma.rcsrevoke+xml"
HEAD = b"From: <sip:alice@ims.test>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: %b\r\n"


def send(sender: Phone, content_type: str, body: bytes) -> Reply:
    line = (f"Content-Type: {content_type}",)
    return sender.answer_to(sender.request("MESSAGE", "sip:bob@ims.test", None, line, body))


def cpim(name: bytes) -> bytes:
    return HEAD % name + b"\r\nContent-Type: text/plain\r\n\r\n" + name


def test_the_sender_takes_a_message_back(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node") as node:
        address = ("127.0.0.1", node.ports["udp"])
        with Phone(address, "alice") as alice, Phone(address, "carol") as carol:
            assert alice.register().status == 200
            for name in (b"one", b"two", b"three"):
                assert send(alice, "message/cpim", cpim(name)).status == 202
            # Nobody else, and nothing that cannot be read.
            assert send(carol, REVOKE, build_revoke(Revoke("one"))).status == 200
            assert send(alice, REVOKE, b"<imRevoke/>").status == 400
            assert (
                send(alice, REVOKE, build_revoke(Revoke("one", "sip:alice@ims.test"))).status == 200
            )
            alice.collect(1)
            wrapped = b"From: <sip:alice@ims.test>\r\n\r\nContent-Type: %b\r\n\r\n%b" % (
                REVOKE.encode(), build_revoke(Revoke("two")),
            )  # fmt: skip
            assert send(alice, "message/cpim", wrapped).status == 200
            alice.collect(2)
            plain, inside = alice.messages()
            assert plain.get("content-type") == REVOKE
            assert parse_revoke(plain.body) == RevokeResult("one", True, "sip:alice@ims.test")
            assert parse_revoke(parse_cpim(inside.body).part.content) == RevokeResult("two", True)
        with Phone(address, "bob") as bob:
            assert bob.register().status == 200
            bob.collect(1)
            assert [parse_cpim(got.body).part.content for got in bob.messages()] == [b"three"]


def test_the_operator_takes_messages_back_with_and_without_a_node(tmp_path: Path) -> None:
    node = RunningNode(tmp_path / "node")
    with node:
        sent = [
            json.loads(
                node.command(
                    "message", "send", "--from", "alice", "--to", "bob", text, "--format", "json"
                ).stdout
            )[0]["message_id"]
            for text in ("one", "two")
        ]
        refused = node.command("message", "recall", sent[0], "--from", "carol", check=False)
        assert refused.returncode == 1
        done = node.command("message", "recall", sent[0], "--format", "json")
        assert json.loads(done.stdout) == [
            {"id": sent[0], "recipient": "sip:bob@ims.test", "state": "removed"}
        ]
        assert "recalled" in node.command("why", sent[0]).stdout
        node.kill()
        rows = json.loads(node.command("history", "bob", "--format", "json").stdout)
        assert [row["text"] for row in rows] == ["two"]
    done = node.command("message", "recall", sent[1], "--from", "alice", "--format", "json")
    assert json.loads(done.stdout)[0]["state"] == "removed"
    assert json.loads(node.command("message", "list", "--format", "json").stdout) == []
    assert node.command("message", "recall", "nothing", check=False).returncode == 1
