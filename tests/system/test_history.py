# SPDX-License-Identifier: Apache-2.0
"""History on a running node: sync tokens over restarts, whose messages stand where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
        assert alice.message("bob", "online").status == 200
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
