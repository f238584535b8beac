"""Notifications (IMDN) and a real node: stored, counted, told of, across a kill (flows PM-14 to 17)."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.imdn import asking, telling, told
from tests.support.phone import Phone
from tests.support.running import RunningNode

TYPE = ("Content-Type: message/cpim",)
INSTANCE = "00000000-0000-1000-8000-00000000000b"


def phone(node: RunningNode, user: str, **kw: str) -> Phone:
    return Phone(("127.0.0.1", node.ports["udp"]), user, **kw)


def send(sender: Phone, to: str, body: bytes, lines: tuple[str, ...] = ()) -> int:
    """Send a message/cpim; returns the final status."""
    request = sender.request("MESSAGE", f"sip:{to}@ims.test", None, (*TYPE, *lines), body)
    return sender.answer_to(request).status


def test_what_becomes_of_a_message_across_a_kill(tmp_path: Path) -> None:
    cdr = tmp_path / "cdr.jsonl"
    node = RunningNode(tmp_path / "node", extra=f'[cdr]\nfile = "{cdr}"\n')
    with node, phone(node, "alice") as alice:
        assert send(alice, "bob", asking(b"id-1", "processing", "display")) == 202
        node.kill()
        node.start()
        # Its notification waited over the kill, and the repeat brings no second one.
        assert send(alice, "bob", asking(b"id-1", "processing", "display")) == 202
        assert alice.register().status == 200
        assert told(alice.collect(1)) == [("id-1", "processing", "stored")]
        with phone(node, "bob", instance=INSTANCE) as bob:
            assert bob.register().status == 200
            assert bob.collect(1) == [asking(b"id-1", "processing", "display")]
            alice.inbox.clear()
            bob_says = telling("id-1", "display", "displayed")
            bob.send(bob.request("MESSAGE", "sip:alice@ims.test", None, TYPE, bob_says))
            challenge = bob.receive()
            assert challenge is not None
            request = bob.request("MESSAGE", "sip:alice@ims.test", None, TYPE, bob_says)
            bob.send(bob.with_credentials(request, challenge))
            assert told(alice.collect(1)) == [("id-1", "display", "displayed")]
            answer = bob.receive()
            assert answer is not None
            assert answer.status == 200
        story = node.command("why", "id-1").stdout
        assert "IMDN Message-ID id-1" in story
        assert f"device <urn:uuid:{INSTANCE}>: displayed" in story
        assert "sip:bob@ims.test: displayed" in story
        shown = node.command("message", "show", "id-1").stdout
        assert f"<urn:uuid:{INSTANCE}>: displayed" in shown
        node.stop()
        kinds = [json.loads(line).get("kind", "") for line in cdr.read_text().splitlines()]
        assert sorted(kinds) == ["", "imdn", "imdn"]


def test_expired_is_told_of(tmp_path: Path) -> None:
    node = RunningNode(tmp_path / "node")
    with node, phone(node, "alice") as alice:
        assert alice.register().status == 200
        assert send(alice, "bob", asking(b"id-2", "negative-delivery"), ("Expires: 1",)) == 202
        assert told(alice.collect(1, 10.0)) == [("id-2", "delivery", "failed")]


def test_in_the_name_of_another(tmp_path: Path) -> None:
    node = RunningNode(tmp_path / "node")
    with node, phone(node, "carol") as carol:
        assert send(carol, "alice", telling("id-1", "display", "displayed")) == 403
        assert send(carol, "bob", asking(b"id-1", "display")) == 403
        assert send(carol, "imdn", telling("id-1", "display", "displayed")) == 400
