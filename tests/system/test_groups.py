"""Groups on a running node: messages reach members once, changes count at once."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sip.bodies.resource_lists import Entry, build_list
from tests.support.imdn import asking, telling, told
from tests.support.phone import Phone
from tests.support.running import RunningNode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    with RunningNode(tmp_path / "node") as running:
        yield running


def phone(node: RunningNode, user: str) -> Phone:
    return Phone(("127.0.0.1", node.ports["udp"]), user)


def send(sender: Phone, group: str, body: bytes) -> int:
    return sender.message(group, body).status


def ask(who: Phone, method: str) -> int:
    return who.answer_to(who.request(method, "sip:board@ims.test")).status


def test_a_message_to_a_group_reaches_its_members_once(node: RunningNode) -> None:
    node.command("group", "add", "north", "--member", "bob", "--member", "alice")
    node.command("group", "add", "sales", "--member", "north", "--member", "bob")
    node.command("group", "member", "add", "sales", "carol")
    with phone(node, "alice") as alice, phone(node, "bob") as bob, phone(node, "carol") as carol:
        for one in (alice, bob, carol):
            assert one.register().status == 200
        assert send(alice, "sales", b"first") == 202
        assert bob.collect(1, 2) == [b"first"]
        assert carol.collect(1, 2) == [b"first"]
        (got,) = bob.messages()
        assert got.get("from").startswith("<sip:alice@ims.test>")
        assert got.get("to") == "<sip:sales@ims.test>"
        node.command("group", "member", "remove", "sales", "carol")
        assert send(alice, "sales", b"second") == 202
        assert bob.collect(2, 2) == [b"first", b"second"]
        assert carol.collect(2, 0.3) == [b"first"]
        assert alice.collect(1, 0.3) == []
        node.command("group", "remove", "sales")
        assert send(alice, "sales", b"third") == 404
        call_id = alice.message("north", b"fourth").get("call-id")
        told = node.command("why", call_id).stdout
        assert "distributed" in told
        assert "sip:bob@ims.test" in told


def test_who_may_send_is_checked(node: RunningNode) -> None:
    node.command(
        "group", "add", "board", "--owner", "alice", "--senders", "owner", "--member", "bob"
    )
    with phone(node, "alice") as alice, phone(node, "bob") as bob:
        assert alice.register().status == 200
        assert bob.register().status == 200
        assert send(bob, "board", b"no") == 403
        assert send(alice, "board", b"yes") == 202
        assert bob.collect(1, 2) == [b"yes"]
        node.command("group", "change", "board", "--senders", "members")
        assert send(bob, "board", b"only me") == 480
        assert ask(bob, "OPTIONS") == 200
        assert ask(bob, "SUBSCRIBE") == 405
        refused = node.command(
            "message", "send", "--from", "carol", "--to", "board", "x", check=False
        )
        assert (refused.returncode, "may send" in refused.stderr) == (1, True)
        node.command("message", "send", "--from", "alice", "--to", "board", "from the shell")
        assert bob.collect(2, 2) == [b"yes", b"from the shell"]


def test_a_group_larger_than_a_batch_gets_the_message_by_a_job(tmp_path: Path) -> None:
    users = [f"u{number:03d}" for number in range(600)]
    node = RunningNode(tmp_path / "node", users=("alice", *users))
    rows = "".join(f"all,{user}\n" for user in users)
    (tmp_path / "groups.csv").write_text(
        f"group,member,display_name,owner,senders\nall,alice,,,\n{rows}"
    )
    node.command("group", "import", str(tmp_path / "groups.csv"))
    with node, phone(node, "alice") as alice, phone(node, "u599") as last:
        assert last.register().status == 200
        assert send(alice, "all", b"to all") == 202
        assert last.collect(1, 10) == [b"to all"]
        listed = json.loads(
            node.command("message", "list", "--format", "json", "--limit", "1000").stdout
        )
        assert sorted(row["recipient"] for row in listed) == [
            f"sip:{u}@ims.test" for u in users[:-1]
        ]


def test_a_message_brings_its_recipients_along(node: RunningNode) -> None:
    entries = "".join(f'<entry uri="sip:{name}@ims.test"/>' for name in ("bob", "carol"))
    body = (
        "--b\r\nContent-Type: text/plain\r\n\r\nhello all\r\n"
        "--b\r\nContent-Type: application/resource-lists+xml\r\n"
        "Content-Disposition: recipient-list\r\n\r\n"
        '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">'
        f"<list>{entries}</list></resource-lists>\r\n--b--\r\n"
    ).encode()
    lines = ("Require: recipient-list-message", "Content-Type: multipart/mixed;boundary=b")
    with phone(node, "alice") as alice, phone(node, "bob") as bob, phone(node, "carol") as carol:
        assert bob.register().status == 200
        request = alice.request("MESSAGE", "sip:list@ims.test", None, lines, body)
        assert alice.answer_to(request).status == 202
        assert bob.collect(1, 5) == [b"hello all"]
        assert carol.register().status == 200
        assert carol.collect(1, 5) == [b"hello all"]
        assert alice.answer_to(alice.request("OPTIONS", "sip:list@ims.test")).get("supported") == (
            "recipient-list-message"
        )


def test_receipts_of_a_list_come_together_across_a_kill(tmp_path: Path) -> None:
    node = RunningNode(tmp_path / "node", extra="[lists]\nreceipts_wait = 60\n")
    body = (
        b"--b\r\nContent-Type: message/cpim\r\n\r\n%b\r\n"
        b"--b\r\nContent-Type: application/resource-lists+xml\r\n"
        b"Content-Disposition: recipient-list\r\n\r\n%b\r\n--b--\r\n"
    ) % (
        asking(b"id-1", "positive-delivery", recipient=b"sip:list@ims.test"),
        build_list([Entry("sip:bob@ims.test"), Entry("sip:carol@ims.test")]),
    )
    lines = ("Require: recipient-list-message", "Content-Type: multipart/mixed;boundary=b")
    with node, phone(node, "alice") as alice:
        assert alice.register().status == 200
        request = alice.request("MESSAGE", "sip:list@ims.test", None, lines, body)
        assert alice.answer_to(request).status == 202
        for name in ("bob", "carol"):
            with phone(node, name) as recipient:
                says = telling(
                    "id-1", "delivery", "delivered", message_id=f"n-{name}".encode(),
                    sender=f"sip:{name}@ims.test".encode(),
                )  # fmt: skip
                kind = ("Content-Type: message/cpim",)
                one = recipient.request("MESSAGE", "sip:alice@ims.test", None, kind, says)
                assert recipient.answer_to(one).status == 200
            if name == "bob":
                assert alice.collect(1, 0.2) == []
                node.kill()
                node.start()
        assert told(alice.collect(1)) == [("id-1", "delivery", "delivered")] * 2


def test_receipts_of_a_broadcast_come_together(tmp_path: Path) -> None:
    content = asking(b"id-2", "positive-delivery", recipient=b"sip:all@ims.test")
    with RunningNode(tmp_path / "node") as node, phone(node, "alice") as alice:
        token = node.command("token", "add", "x", "--scope", "broadcasts").stdout.strip()
        begun = httpx.post(
            f"http://{node.http}/api/v1/broadcasts",
            json={
                "from": "alice@ims.test",
                "to": "ims.test",
                "content_type": "message/cpim",
                "body_base64": base64.b64encode(content).decode(),
            },
            headers={"authorization": f"Bearer {token}"},
            trust_env=False,
        )
        assert begun.status_code == 202
        assert alice.register().status == 200
        for name in ("bob", "carol"):
            with phone(node, name) as recipient:
                assert recipient.register().status == 200
                assert recipient.collect(1, 10) == [content]
                says = telling(
                    "id-2", "delivery", "delivered", sender=f"sip:{name}@ims.test".encode()
                )
                kind = ("Content-Type: message/cpim",)
                one = recipient.request("MESSAGE", "sip:alice@ims.test", None, kind, says)
                assert recipient.answer_to(one).status == 200
        assert told(alice.collect(1, 10)) == [("id-2", "delivery", "delivered")] * 2
        assert alice.messages()[0].get("from").startswith("<sip:list@ims.test>")
