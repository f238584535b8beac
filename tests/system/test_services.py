"""Service accounts of a running node: webhooks and fetching, also across a kill."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from imsnode.webhook import signature
from tests.support.hook import Hook
from tests.support.phone import Phone
from tests.support.running import RunningNode, eventually

SETTINGS = """
[limits]
register_burst = 1000
[webhook]
plain_http = true
allow = ["127.0.0.0/8"]
retry_min = "100ms"
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    with RunningNode(tmp_path / "node", extra=SETTINGS) as running:
        yield running


def phone(node: RunningNode, user: str) -> Phone:
    return Phone(("127.0.0.1", node.ports["udp"]), user)


def secret_of(added: str) -> str:
    return added.splitlines()[1].split()[1]


def test_messages_are_posted_signed_in_order_and_survive_a_kill(node: RunningNode) -> None:
    with Hook(503, 307, 200) as hook, phone(node, "alice") as alice:
        secret = secret_of(node.command("service", "add", "bot", "--webhook", hook.url).stdout)
        assert alice.message("bot", "one").status == 202
        posts = [hook.posts.get(timeout=10) for _ in range(3)]
        assert len({body.split(b'"data"')[1] for _, body in posts}) == 1, "the same, repeated"
        headers, body = posts[-1]
        identity, stamp = headers["webhook-id"], int(headers["webhook-timestamp"])
        assert headers["webhook-signature"] == signature(secret, identity, stamp, body)
        data = json.loads(body)["data"]
        assert (data["id"], data["from"], data["to"], data["text"]) == (
            identity, "sip:alice@ims.test", "sip:bot@ims.test", "one",
        )  # fmt: skip
        hook.answers = [500]
        assert alice.message("bot", "two").status == 202
        assert alice.message("bot", "three").status == 202
        assert hook.next()[1]["data"]["text"] == "two"
        node.kill()
        hook.answers = [200]
        while not hook.posts.empty():
            hook.posts.get()
        node.start()
        assert [hook.next()[1]["data"]["text"] for _ in range(2)] == ["two", "three"]
        eventually(lambda: "none" in node.command("message", "list").stdout)
        assert "webhook" in node.command("why", identity).stdout
        assert node.metric("imsnode_service_taken_total") == 2


def test_what_becomes_of_messages_is_posted_too(node: RunningNode) -> None:
    with Hook(503, 200) as hook, phone(node, "alice") as alice:
        added = node.command("service", "add", "bot", "--webhook", hook.url, "--events").stdout
        token = node.command("token", "add", "bot", "--as", "bot").stdout.strip()
        url = f"http://{node.http}/api/v1/messages"
        auth = {"Authorization": f"Bearer {token}"}

        def send(to: str) -> str:
            wanted = {"from": "sip:bot@ims.test", "to": f"sip:{to}@ims.test", "text": "hi"}
            sent = httpx.post(url, json=wanted, headers=auth).json()
            identity: str = sent["messages"][0]["id"]
            return identity

        waiting, taken_back = send("alice"), send("bob")
        assert httpx.delete(f"{url}/{taken_back}", headers=auth).status_code == 200
        assert alice.message("bot", "an answer").status == 202
        node.kill()  # what has not been taken is posted again
        node.start()
        assert alice.register().status == 200
        assert alice.collect(1) == [b"hi"]
        told: dict[str, dict[str, object]] = {}
        while len(told) < 5:
            headers, event = hook.next()
            body = event["data"]
            told.setdefault(headers["webhook-id"], {"type": event["type"], **body})
        assert [(one["type"], one["id"]) for one in told.values() if "state" in one] == [
            ("message.stored", waiting),
            ("message.stored", taken_back),
            ("message.recalled", taken_back),
            ("message.delivered", waiting),
        ]
        received = [one["text"] for one in told.values() if one["type"] == "message.received"]
        assert received == ["an answer"]
        assert added.count("secret")
        assert (
            node.command("service", "webhook", "bot", "-", "--events", check=False).returncode == 2
        )


def test_messages_are_fetched_and_acknowledged(node: RunningNode) -> None:
    node.command("service", "add", "sip:box@ims.test")
    token = node.command("token", "add", "x", "--scope", "services:read").stdout.strip()
    base = f"http://{node.http}/api/v1/services/sip:box@ims.test"
    auth = {"Authorization": f"Bearer {token}"}
    with phone(node, "alice") as alice:
        for body in (b"text", b"\xff\x00"):
            kind = "text/plain" if body == b"text" else "application/x"
            request = alice.request(
                "MESSAGE", "sip:box@ims.test", None,
                (f"Content-Type: {kind}", "Conversation-ID: c1", "X-A: 1", "X-A: 2"), body,
            )  # fmt: skip
            alice.send(request)
            challenge = alice.receive()
            assert challenge is not None
            alice.send(alice.with_credentials(request, challenge))
            answer = alice.receive()
            assert answer is not None
            assert answer.status == 202
    first, second = httpx.get(f"{base}/messages", headers=auth).json()["messages"]
    assert (first["text"], first["headers"]["conversation-id"]) == ("text", "c1")
    assert first["headers"]["x-a"] == "1, 2"
    assert base64.b64decode(second["body_base64"]) == b"\xff\x00"
    done = httpx.post(f"{base}/acknowledgements", headers=auth, json={"ids": [first["id"], "m0"]})
    assert done.json() == {"ids": [first["id"]]}
    left = httpx.get(f"{base}/messages?limit=5", headers=auth).json()["messages"]
    assert [one["id"] for one in left] == [second["id"]]
    node.command("service", "webhook", "box", "http://127.0.0.1:9/")
    assert httpx.get(f"{base}/messages", headers=auth).status_code == 409
    node.command("service", "remove", "box")
    assert httpx.get(f"{base}/messages", headers=auth).status_code == 404
    assert node.command("user", "show", "sip:box@ims.test", check=False).returncode == 1


def test_addresses_that_are_not_allowed_are_never_asked(tmp_path: Path) -> None:
    extra = '[webhook]\nplain_http = true\nretry_min = "100ms"\n'
    with RunningNode(tmp_path / "node", extra=extra) as node, Hook() as hook:
        name = hook.url.replace("127.0.0.1", "localhost")
        node.command("service", "add", "bot", "--webhook", name)
        with phone(node, "alice") as alice:
            assert alice.message("bot", "x").status == 202
        eventually(lambda: node.metric("imsnode_service_retries_total") >= 2)
        assert hook.posts.empty()
        assert "webhook.allow does not permit" in node.log()


def test_what_the_command_refuses(node: RunningNode) -> None:
    for words in (("add", "bot", "--webhook", "ftp://x/"), ("webhook", "bot", "https://u@x/")):
        assert node.command("service", *words, check=False).returncode == 2
    assert node.command("service", "add", "alice", check=False).returncode == 1
    assert node.command("service", "remove", "alice", check=False).returncode == 1
    listed = node.command("service", "list", "--format", "json").stdout
    assert json.loads(listed) == []
