# SPDX-License-Identifier: Apache-2.0
"""All that is kept about one user: written out, and erased until nothing is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from imsnode.storage import Database
from imsnode.storage.ledger_text import open_block
from imsnode.storage.schema import metadata
from tests.support.phone import Phone
from tests.support.running import RunningNode

NAME = b"carol"


SETTINGS = '[limits]\nregister_burst = 100\n[content]\ndomains = ["ims.test"]\n'


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    """A node that has seen carol register, write, be written to, and be away."""
    with RunningNode(tmp_path / "node", extra=SETTINGS) as running:
        address = ("127.0.0.1", running.ports["udp"])
        with Phone(address, "carol", instance="1") as carol:
            assert carol.register().status == 200
            assert carol.message("bob", "from her").status == 202
            assert carol.message("bob", "again").status == 202
        with Phone(address, "alice") as alice, Phone(address, "bob") as bob:
            assert alice.message("bob", "of others").status == 202
            assert alice.message("nobody", "x").status == 404
            assert bob.register().status == 200
            assert sorted(bob.collect(3)) == [b"again", b"from her", b"of others"]
        with Phone(address, "carol") as carol:
            assert carol.register(0).status == 200
        with Phone(address, "alice") as alice:
            assert alice.message("carol", "to her").status == 202
        running.command("user", "history", "carol", "--carbons", "on")
        token = running.command("token", "add", "bot", "--as", "sip:carol@ims.test").stdout.strip()
        put = httpx.post(
            f"http://{running.http}/api/v1/users/sip:carol@ims.test/files",
            content=b"a picture of carol",
            headers={"authorization": f"Bearer {token}", "content-type": "image/png"},
            trust_env=False,
        )
        assert put.status_code == 201
        yield running


def found_in_tables(node: RunningNode) -> list[str]:
    """Name the tables in which something of carol can be read."""
    found = []
    with Database(f"sqlite:///{node.directory / 'imsnode.db'}") as database:
        for table in metadata.sorted_tables:
            with database.reading() as connection:
                for row in connection.execute(table.select()):
                    text = b"".join(
                        value if isinstance(value, bytes) else str(value).encode() for value in row
                    )
                    if table.name == "ledger_block":
                        text = b"".join(open_block(bytes(row.lines))[0])
                    if NAME in text:
                        found.append(table.name)
    return found


def found_in_files(node: RunningNode) -> list[str]:
    # What the test wrote itself is no file of the node.
    return [
        file.name
        for file in node.directory.rglob("*")
        if file.is_file() and file.suffix not in (".csv", ".log") and NAME in file.read_bytes()
    ]


def test_everything_is_written_out(node: RunningNode) -> None:
    out = node.directory.parent / "carol.json"
    node.command("user", "export-data", "carol", "--out", str(out))
    kept = json.loads(out.read_text())
    assert out.stat().st_mode & 0o777 == 0o600
    assert kept["account"][0]["aor"] == "sip:carol@ims.test"
    assert not any(name.startswith("ha1") for name in kept["account"][0])
    assert len(kept["history"]) == 3
    assert {row["recipient"] for row in kept["messages"]} >= {"sip:carol@ims.test"}
    assert {entry["from"] for entry in kept["ledger"]} == {
        "sip:carol@ims.test",
        "sip:alice@ims.test",
    }
    assert kept["charging_records"]
    assert kept["history_choice"][0]["carbons"] == "on"
    assert kept["api_token"][0]["name"] == "bot"
    assert "<urn:uuid:1>" in kept["bindings"]["devices"]
    (file,) = kept["files"]
    assert Path(file["file"]).read_bytes() == b"a picture of carol"


def test_a_running_node_forgets(node: RunningNode) -> None:
    node.command("user", "erase-data", "carol", "--yes")
    assert found_in_tables(node) == []
    assert [name for name in found_in_files(node) if not name.startswith("imsnode.db")] == []
    with Phone(("127.0.0.1", node.ports["udp"]), "alice") as alice:
        assert alice.message("carol", "x").status == 404
        assert alice.message("bob", "still here").status in (200, 202)
    rows = json.loads(node.command("history", "bob", "--format", "json").stdout)
    assert [row["text"] for row in rows] == ["of others", "still here"]
    node.stop()
    node.command("user", "erase-data", "carol", "--yes")
    assert found_in_files(node) == []


def test_without_a_node_nothing_is_left_in_any_file(node: RunningNode) -> None:
    node.stop()
    assert found_in_tables(node)
    node.command("user", "erase-data", "carol", "--yes")
    assert found_in_tables(node) == []
    assert found_in_files(node) == []
    records = (node.directory / "cdr.jsonl").read_text().splitlines()
    assert "erased" in {json.loads(line)["from"] for line in records}
    node.start()
    assert [json.loads(line) for line in records]
