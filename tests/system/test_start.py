# SPDX-License-Identifier: Apache-2.0
"""What keeps a node from starting is one line and an exit code; what troubles it later shows at /readyz."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.phone import Phone
from tests.support.running import RunningNode, eventually


@pytest.mark.parametrize(
    "octets", [b"no database at all " * 100, b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_a_damaged_store_is_named_and_left_alone(tmp_path: Path, octets: bytes) -> None:
    node = RunningNode(tmp_path)
    store = tmp_path / "imsnode.db"
    store.write_bytes(octets)
    ended = node.command("serve", check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"imsnode: {store}")
    assert ended.stderr.count("\n") == 1
    assert store.read_bytes() == octets


def test_not_ready_while_the_store_is_away(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node") as node:
        assert node.get("/readyz").json() == {"ready": True, "reasons": {}}
        folder, away = tmp_path / "node", tmp_path / "away"
        away.mkdir()
        for file in folder.glob("imsnode.db*"):
            file.rename(away / file.name)
        with Phone(("127.0.0.1", node.ports["udp"]), "alice") as alice:
            assert alice.message("bob", "lost?").status == 503
            answer = node.get("/readyz")
            assert answer.status_code == 503
            assert answer.json() == {"ready": False, "reasons": {"storage": "cannot be written"}}
            for file in away.iterdir():
                file.rename(folder / file.name)
            eventually(lambda: node.get("/readyz").status_code == 200, what="ready again")
            assert alice.message("bob", "kept").status == 202


def test_a_reload_forgives_nobody(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node", extra="[auth]\nfailures = 2\n") as node:
        server = ("127.0.0.1", node.ports["udp"])
        with Phone(server, "alice", password="guess") as mallory:
            eventually(lambda: mallory.register().status == 503, what="guessing has to wait")
            node.extra += '[log]\nlevel = "warning"\n'
            node.write_config()
            assert "applied log.level" in node.command("reload").stdout
            assert mallory.register().status == 503


def test_who_was_switched_off_while_the_node_was_down_stays_away(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node") as node:
        for user in ("alice", "bob", "carol"):
            with Phone(("127.0.0.1", node.ports["udp"]), user) as device:
                assert device.register().status == 200
        node.stop()
        node.command("user", "disable", "sip:alice@ims.test")
        node.command("user", "remove", "sip:bob@ims.test")
        node.start()
        assert node.metric("imsnode_bindings") == 1
        bound = node.command("binding", "list", "--format", "csv").stdout
        assert "sip:carol@ims.test" in bound
        assert "sip:bob@ims.test" not in bound


def test_a_message_to_the_echo_service_has_a_story(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node") as node:
        with Phone(("127.0.0.1", node.ports["udp"]), "alice") as alice:
            assert alice.message("echo", "hello", call_id="to-echo").status == 200
        story = node.command("why", "to-echo").stdout
        assert "sip:echo@ims.test" in story
        assert "relayed" in story


def test_a_second_node_on_the_same_store_touches_nothing(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node") as node:
        with Phone(("127.0.0.1", node.ports["udp"]), "alice") as alice:
            assert alice.register().status == 200
            assert alice.message("bob", "wait").status == 202
        node.listen = ["udp:127.0.0.1:0"]
        node.write_config()
        second = node.command("serve", check=False)
        assert second.returncode == 2
        assert "another node is running" in second.stderr
        assert node.get("/readyz").status_code == 200


def test_messages_from_the_future_are_told_and_kept(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node") as node:
        server = ("127.0.0.1", node.ports["udp"])
        with Phone(server, "alice") as alice:
            assert alice.message("bob", "tomorrow").status == 202
        node.stop()
        assert "clock" not in node.log()
        with closing(sqlite3.connect(node.directory / "imsnode.db")) as store, store:
            store.execute("UPDATE message SET received_at = received_at + 864000")
        node.start()
        assert "the clock is behind the newest message in the store" in node.log()
        with Phone(server, "bob") as bob:
            assert bob.register().status == 200
            assert bob.collect(1) == [b"tomorrow"]
