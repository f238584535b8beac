# SPDX-License-Identifier: Apache-2.0
"""History on a running node: sync tokens over restarts, whose messages stand where."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.imdn import asking, telling
from tests.support.phone import Phone
from tests.support.running import RunningNode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    with RunningNode(tmp_path / "node", extra="[limits]\nregister_burst = 100\n") as running:
        yield running


def phone(node: RunningNode, user: str, **kw: str) -> Phone:
    return Phone(("127.0.0.1", node.ports["udp"]), user, **kw)


def history(node: RunningNode, *words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(
        node.command("history", *words, "--format", "json").stdout
    )
    return rows


def test_what_was_sent_is_found_at_once_and_after_a_restart(node: RunningNode) -> None:
    with phone(node, "alice") as alice, phone(node, "bob") as bob:
        assert bob.register().status == 200
        request = alice.request(
            "MESSAGE", "sip:bob@ims.test", None, ("Content-Type: text/plain",), b"online"
        )
        alice.send(request)
        challenge = alice.receive()
        assert challenge is not None
        alice.send(alice.with_credentials(request, challenge))
        assert bob.collect(1) == [b"online"]
        answer = alice.receive()
        assert answer is not None
        assert answer.status == 200
        assert alice.message("nobody", "refused").status == 404
        assert bob.register(0).status == 200
        assert alice.message("bob", "offline").status == 202
    rows = history(node, "bob")
    assert [(row["text"], row["status"]) for row in rows] == [("online", 200), ("offline", 202)]
    assert [row["direction"] for row in history(node, "alice")] == ["sent", "sent"]
    token = rows[-1]["token"]
    node.stop()
    assert history(node, "bob", "--since", token) == []
    assert len(history(node, "bob")) == 2
    node.start()
    with phone(node, "alice") as alice:
        assert alice.message("bob", "missed").status == 202
    assert [row["text"] for row in history(node, "bob", "--since", token)] == ["missed"]


def test_a_choice_reaches_the_running_node(node: RunningNode) -> None:
    node.command("user", "history", "bob", "--retention", "none")
    with phone(node, "alice") as alice:
        assert alice.message("bob", "not for bob").status == 202
    assert len(history(node, "alice")) == 1
    node.command("user", "history", "bob", "--retention", "default")
    assert history(node, "bob") == []


def fetch(node: RunningNode, auth: httpx.Auth | None, user: str = "alice", **query: Any) -> Any:
    url = f"http://{node.http}/api/v1/users/sip:{user}@ims.test/history"
    return httpx.get(url, params=query, auth=auth, timeout=10, trust_env=False)


def flushed(node: RunningNode) -> None:
    """Wait for what was answered to be in the archive."""
    history(node, "alice")


def test_a_user_reads_the_own_history_by_http(node: RunningNode) -> None:
    alice = httpx.DigestAuth("alice", "pw-alice")
    with phone(node, "alice") as sender:
        for number in range(5):
            assert sender.message("bob" if number % 2 else "carol", f"text {number}").status == 202
    flushed(node)
    page = fetch(node, alice, limit=2).json()
    assert [one["text"] for one in page["messages"]] == ["text 3", "text 4"]
    assert page["more"]
    earlier = fetch(node, alice, before=page["previous"]).json()
    assert [one["text"] for one in earlier["messages"]] == ["text 0", "text 1", "text 2"]
    assert not earlier["more"]
    (one,) = fetch(node, alice, **{"with": "bob@ims.test"}, search="TEXT 3").json()["messages"]
    assert (one["from"], one["to"]) == ("sip:alice@ims.test", "sip:bob@ims.test")
    assert (one["direction"], one["status"]) == ("sent", 202)
    missed = fetch(node, alice, since=page["next"]).json()
    assert (missed["messages"], missed["next"]) == ([], page["next"])
    assert len(fetch(node, alice, since=one["at"]).json()["messages"]) == 2
    for bad in ({"since": "9" * 18}, {"since": "soon"}, {"limit": 0}, {"other": "x"}):
        assert fetch(node, alice, **bad).status_code == 400
    curl = ["curl", "-s", "--digest", "-u", "alice:pw-alice", f"http://{node.http}"]
    curl[-1] += "/api/v1/users/sip%3aalice@ims.test/history?limit=1&search=text%204"
    found = json.loads(subprocess.run(curl, check=True, capture_output=True).stdout)
    assert [one["text"] for one in found["messages"]] == ["text 4"]


def test_nobody_reads_the_history_of_others(node: RunningNode) -> None:
    stranger, known = fetch(node, None, "nobody"), fetch(node, None, "alice")
    for answer in (stranger, known):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith('Digest realm="ims.test", nonce="')
    assert fetch(node, httpx.DigestAuth("alice", "wrong")).status_code == 401
    assert fetch(node, httpx.DigestAuth("nobody", "wrong"), "nobody").status_code == 401
    bob = httpx.DigestAuth("bob", "pw-bob")
    assert fetch(node, bob, "alice").status_code == 403
    assert fetch(node, bob, "nobody").status_code == 403
    node.command("user", "disable", "bob")
    assert fetch(node, httpx.DigestAuth("bob", "pw-bob"), "bob").status_code == 403


def test_a_token_reads_what_it_is_good_for(node: RunningNode) -> None:
    made = node.command(
        "token", "add", "archive", "--scope", "history:read", "--as", "sip:alice@ims.test"
    )
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    url = f"http://{node.http}/api/v1/users/sip:{{}}@ims.test/history"
    for user, status in (("alice", 200), ("bob", 403)):
        answer = httpx.get(url.format(user), headers=headers, trust_env=False)
        assert answer.status_code == status


def test_what_was_displayed_is_gone(node: RunningNode) -> None:
    """Ephemeral messages: nobody keeps what its reader has seen, whoever chose it keeps nothing."""
    for user in ("alice", "bob"):
        node.command("user", "history", user, "--retention", "until-displayed")
    node.command("user", "history", "carol", "--retention", "7d")
    kind = ("Content-Type: message/cpim",)
    with phone(node, "alice") as alice, phone(node, "bob") as bob, phone(node, "carol") as carol:
        for name in ("seen", "unseen"):
            body = asking(name.encode(), "display", text=name.encode())
            request = alice.request("MESSAGE", "sip:bob@ims.test", None, kind, body)
            assert alice.answer_to(request).status == 202
        sent = asking(b"kept", "display", text=b"kept", sender=b"sip:carol@ims.test")
        request = carol.request("MESSAGE", "sip:bob@ims.test", None, kind, sent)
        assert carol.answer_to(request).status == 202
        assert len(history(node, "bob")) == 3
        for name, author in (("seen", "alice"), ("kept", "carol")):
            says = telling(name, "display", "displayed", message_id=b"r-" + name.encode())
            request = bob.request("MESSAGE", f"sip:{author}@ims.test", None, kind, says)
            assert bob.answer_to(request).status == 202
    (left,) = history(node, "bob")
    assert "unseen" in left["text"]
    (left,) = history(node, "alice")
    assert "unseen" in left["text"]
    (left,) = history(node, "carol")
    assert left["text"].endswith("kept")
