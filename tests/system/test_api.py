"""The HTTP API of a running node: tokens, messages, what becomes of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.phone import Phone
from tests.support.running import RunningNode

SETTINGS = "[limits]\nregister_burst = 1000\n[api]\nburst = 100000\n"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    folder = tmp_path_factory.mktemp("api") / "node"
    with RunningNode(folder, extra=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def token(node: RunningNode) -> str:
    return node.command("token", "add", "orders").stdout.strip()


class Client:
    """A program with a token."""

    def __init__(self, node: RunningNode, token: str) -> None:
        self.node = node
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self.headers, **more.pop("http", {})}
        url = f"http://{self.node.http}/api/v1{path}"
        return httpx.request(method, url, headers=headers, timeout=15, trust_env=False, **more)

    def get(self, path: str) -> httpx.Response:
        return self.call("GET", path)

    def send(self, to: object, text: str = "hello", **more: Any) -> httpx.Response:
        http = more.pop("http", {})
        body = {"from": "sip:alice@ims.test", "to": to, "text": text, **more}
        given = {name: value for name, value in body.items() if value is not None}
        return self.call("POST", "/messages", json=given, http=http)


@pytest.fixture
def client(node: RunningNode, token: str) -> Client:
    return Client(node, token)


def phone(node: RunningNode, user: str) -> Phone:
    return Phone(("127.0.0.1", node.ports["udp"]), user)


def kind(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"].rpartition(":")[2])


def test_a_message_is_delivered_and_its_state_can_be_asked(
    node: RunningNode, client: Client
) -> None:
    with phone(node, "bob") as bob:
        assert bob.register().status == 200
        with ThreadPoolExecutor(1) as pool:
            headers = {"Subject": "Order 7", "Conversation-ID": "c-1", "X-Order": "7"}
            sent = pool.submit(client.send, "sip:bob@ims.test", "grüß dich", headers=headers)
            assert bob.collect(1) == ["grüß dich".encode()]
            answer = sent.result()
        got = bob.messages()[0]
        assert got.get("from").startswith("<sip:alice@ims.test>")
        assert got.get("subject") == "Order 7"
        assert got.get("conversation-id") == "c-1"
        assert got.get("x-order") == "7"
        assert bob.register(expires=0).status == 200
    assert answer.status_code == 202
    outcome = answer.json()["messages"][0]
    assert (outcome["state"], outcome["sip_status"]) == ("delivered", 200)
    status = client.get(f"/messages/{outcome['id']}").json()
    assert (status["from"], status["to"]) == ("sip:alice@ims.test", "sip:bob@ims.test")
    assert status["state"] == "delivered"
    assert [device["state"] for device in status["devices"]] == ["delivered"]


def test_a_list_and_binary_content_wait_for_those_who_are_away(
    node: RunningNode, client: Client
) -> None:
    octets = bytes(range(256))
    answer = client.send(
        ["sip:carol@ims.test", "carol@ims.test", "sip:bob@ims.test"],
        None,
        content_type="application/octet-stream",
        body_base64=base64.b64encode(octets).decode(),
        expires=3600,
    )
    assert answer.status_code == 202
    messages = answer.json()["messages"]
    assert [(m["to"], m["state"], m["sip_status"]) for m in messages] == [
        ("sip:carol@ims.test", "stored", 202),
        ("sip:bob@ims.test", "stored", 202),
    ]
    assert client.get(f"/messages/{messages[0]['id']}").json()["state"] == "stored"
    whole = client.get(f"/messages/{answer.json()['id']}").json()
    assert (whole["state"], whole["to"]) == ("stored", "sip:list@ims.test")
    copies = [{"id": m["id"], "to": m["to"], "state": "stored"} for m in messages]
    assert sorted(whole["copies"], key=str) == sorted(copies, key=str)
    with phone(node, "carol") as carol:
        carol.register()
        assert carol.collect(1) == [octets]
        assert carol.messages()[0].get("content-type") == "application/octet-stream"
        assert carol.register(expires=0).status == 200
    assert client.get(f"/messages/{answer.json()['id']}").json()["state"] == "stored"
    with phone(node, "bob") as bob:
        bob.register()
        assert bob.collect(1) == [octets]
        bob.register(expires=0)
    assert client.get(f"/messages/{messages[0]['id']}").json()["state"] == "delivered"
    assert client.get(f"/messages/{answer.json()['id']}").json()["state"] == "delivered"
    assert "list@" in node.command("why", answer.json()["id"]).stdout


def test_a_list_under_a_key_makes_no_second_copy(node: RunningNode, client: Client) -> None:
    key, people = {"Idempotency-Key": "list-1"}, ["sip:carol@ims.test", "sip:bob@ims.test"]
    first = client.send(people, "once", http=key)
    assert client.send(people, "once", http=key).json() == first.json()
    for user in ("carol", "bob"):
        with phone(node, user) as device:
            device.register()
            assert device.collect(2, 0.3) == [b"once"]
            device.register(expires=0)


def test_a_message_is_taken_back_until_it_is_delivered(node: RunningNode, client: Client) -> None:
    sent = client.send("sip:carol@ims.test", "oops").json()["messages"][0]
    answer = client.call("DELETE", f"/messages/{sent['id']}")
    assert answer.json() == {
        "messages": [{"id": sent["id"], "to": "sip:carol@ims.test", "state": "removed"}]
    }
    assert client.get(f"/messages/{sent['id']}").json()["state"] == "recalled"
    with phone(node, "carol") as carol:
        carol.register()
        assert carol.collect(1, 0.3) == []
        carol.register(expires=0)
    assert kind(client.call("DELETE", "/messages/m0")) == "not-found"


def test_a_request_under_a_key_counts_once_also_after_a_kill(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node", extra=SETTINGS) as node:
        client = Client(node, node.command("token", "add", "x").stdout.strip())
        key = {"Idempotency-Key": "order-7"}
        first = client.send("sip:bob@ims.test", http=key)
        again = client.send("sip:bob@ims.test", http=key)
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.json() == again.json()
        assert again.headers["idempotency-replayed"] == "true"
        assert kind(client.send("sip:bob@ims.test", "other", http=key)) == "key-reused"
        node.kill()
        node.start()
        assert client.send("sip:bob@ims.test", http=key).json() == first.json()
        with phone(node, "bob") as bob:
            bob.register()
            assert bob.collect(2, 1.0) == [b"hello"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"to": "sip:nobody@ims.test"}, "unknown-recipient"),
        ({"to": "sip:bob@example.org"}, "unknown-recipient"),
        ({"to": "not an address"}, "invalid-request"),
        ({"to": []}, "invalid-request"),
        ({"from": "sip:nobody@ims.test"}, "sender-not-allowed"),
        ({"text": None}, "invalid-request"),
        ({"text": None, "body_base64": "*", "content_type": "a/b"}, "invalid-request"),
        ({"headers": {"Via": "x"}}, "invalid-request"),
        ({"headers": {"Subject": "a\r\nVia: x"}}, "invalid-request"),
        ({"content_type": "text/plain\r\nVia: x"}, "invalid-request"),
        ({"colour": "red"}, "invalid-request"),
        ({"text": "x" * 40_000}, "too-large"),
        ({"text": "x" * 600_000}, "too-large"),
    ],
)
def test_what_is_refused_and_why(client: Client, body: dict[str, Any], expected: str) -> None:
    sent = {"to": "sip:bob@ims.test", "text": "x", **body}
    to = sent.pop("to")
    answer = client.send(to, **sent)
    assert answer.status_code != 202
    if answer.headers["content-type"] != "application/problem+json":
        assert (answer.status_code, expected) == (413, "too-large")  # before the API saw it
        return
    assert kind(answer) == expected
    assert answer.json()["detail"]
    assert answer.json()["status"] == answer.status_code


def test_tokens_open_what_they_say_and_nothing_after_they_are_revoked(
    node: RunningNode, client: Client
) -> None:
    assert kind(Client(node, "").send("sip:bob@ims.test")) == "no-credentials"
    bad = Client(node, "imsnode_t0000000000_wrong").send("sip:bob@ims.test")
    assert kind(bad) == "bad-credentials"
    assert "invalid_token" in bad.headers["www-authenticate"]
    text = node.command(
        "token", "add", "bob only", "--scope", "messages:read", "--as", "bob", "--expires", "1d"
    ).stdout.strip()
    reader = Client(node, text)
    assert kind(reader.send("sip:bob@ims.test")) == "scope-missing"
    mine = client.send("sip:carol@ims.test").json()["messages"][0]["id"]
    assert kind(reader.get(f"/messages/{mine}")) == "not-found"
    bobs = client.send("sip:bob@ims.test").json()["messages"][0]["id"]
    assert reader.get(f"/messages/{bobs}").status_code == 200
    listed = json.loads(node.command("token", "list", "--format", "json").stdout)
    identity = next(row["id"] for row in listed if row["name"] == "bob only")
    assert text not in json.dumps(listed)
    node.command("token", "revoke", identity)
    assert kind(reader.get(f"/messages/{bobs}")) == "bad-credentials"
    assert node.command("token", "revoke", identity, check=False).returncode == 1
    assert node.command("token", "add", "x", "--scope", "all", check=False).returncode == 2
    secret = text.split("_", 2)[2]
    assert secret not in node.log()


def test_groups_and_broadcasts(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node", extra=SETTINGS) as node:
        node.command("group", "add", "team", "--member", "bob", "--member", "carol")
        scopes = ("--scope", "broadcasts", "--scope", "messages:send")
        client = Client(node, node.command("token", "add", "x", *scopes).stdout.strip())
        sent = client.send("sip:team@ims.test", "to the team")
        assert sent.json()["messages"][0]["state"] == "stored"
        body = {"from": "alice@ims.test", "to": "ims.test", "text": "to all"}
        begun = client.call("POST", "/broadcasts", json=body)
        assert (begun.status_code, begun.json()["total"]) == (202, 2)
        assert client.get(f"/broadcasts/{begun.json()['id']}").json()["id"] == begun.json()["id"]
        key = {"Idempotency-Key": "notice-1"}
        once = client.call("POST", "/broadcasts", json=body, http=key)
        again = client.call("POST", "/broadcasts", json=body, http=key)
        assert again.headers["idempotency-replayed"] == "true"
        assert begun.json()["id"] != once.json()["id"] == again.json()["id"]
        other = client.call("POST", "/broadcasts", json={**body, "text": "x"}, http=key)
        assert kind(other) == "key-reused"
        listed = node.command("broadcast", "list", "--format", "csv").stdout
        assert listed.count(once.json()["id"]) == 1
        assert kind(client.call("POST", "/broadcasts", json={**body, "to": "example.org"})) == (
            "unknown-recipient"
        )
        assert kind(client.get("/broadcasts/b0")) == "not-found"
        with phone(node, "bob") as bob:
            bob.register()
            assert sorted(bob.collect(2)) == [b"to all", b"to the team"]


def test_guessing_tokens_is_slowed_down(tmp_path: Path) -> None:
    extra = "[auth]\nfailures = 3\n[api]\nburst = 2\nrate = 0.001\n"
    with RunningNode(tmp_path / "node", extra=extra) as node:
        good = node.command("token", "add", "good").stdout.strip()
        for number in range(3):
            assert kind(Client(node, f"imsnode_t{number}_x").get("/messages/m")) == (
                "bad-credentials"
            )
        answer = Client(node, "imsnode_t9_x").get("/messages/m")
        assert kind(answer) == "too-many-requests"
        assert int(answer.headers["retry-after"]) > 0
        assert kind(Client(node, good).get("/messages/m")) == "too-many-requests"


def test_the_document_describes_every_route(node: RunningNode) -> None:
    document = node.get("/api/v1/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert {"/messages", "/messages/{id}"} <= document["paths"].keys()
    post = document["paths"]["/messages"]["post"]
    assert post["security"] == [{"token": []}]
    assert {"202", "400", "401", "403", "413", "415", "422", "429", "503"} <= post[
        "responses"
    ].keys()
    assert "Idempotency-Key" in [parameter["name"] for parameter in post["parameters"]]
    assert kind(node.get("/api/v1/nothing")) == "not-found"
    assert kind(node.get("/api/v1/messages")) == "method-not-allowed"
