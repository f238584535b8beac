"""The commands of docs/how-to/http-api.md, typed one after the other as they stand there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import ROOT, RunningNode

PAGE = ROOT / "docs" / "how-to" / "http-api.md"
MESSAGE, BROADCAST = "m1nkpa9v00000148f3e", "b1nkpa9v00000148f3e"
pytestmark = [
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
    pytest.mark.timeout(300),  # many commands, each with an interpreter of its own
]


def commands() -> list[str]:
    """Return what the page has its reader type, lines that go on joined."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [line for line in "".join(blocks).replace("\\\n", " ").splitlines() if line.strip()]


class Reader:
    """Somebody who types what the page says. ids: the node's own, by those on the page."""

    def __init__(self, node: RunningNode) -> None:
        folder = node.directory / "bin"
        folder.mkdir()
        program = folder / "imsnode"
        run = f"{shlex.quote(sys.executable)} -m imsnode"
        config = shlex.quote(str(node.config))
        program.write_text(
            f'#!/bin/sh\ncd {shlex.quote(str(ROOT))}\nexec {run} "$@" --config {config}\n'
        )
        program.chmod(0o755)
        self.environment = {"PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin"}
        self.ids = {"http://127.0.0.1:8080": f"http://{node.http}"}
        self.token = ""

    def type(self, command: str) -> str:
        """Run a command, which must not fail; what it prints."""
        for written, real in self.ids.items():
            command = command.replace(written, real)
        command = command.replace("curl -s ", "curl -sS --fail-with-body ", 1)
        # What a variable was set to is known to the commands that follow.
        script = f'TOKEN="$1"\n{command}\nstatus=$?\nprintf "\\n%s" "$TOKEN"\nexit $status'
        done = subprocess.run(
            ["/bin/sh", "-c", script, "sh", self.token],
            capture_output=True, text=True, timeout=60, env=self.environment,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        said, _, self.token = done.stdout.rpartition("\n")
        if said.startswith("{"):
            self.note(json.loads(said))
        return said

    def note(self, answer: dict[str, object]) -> None:
        """Remember the ids that an answer gives."""
        messages = answer.get("messages")
        if isinstance(messages, list) and messages:
            self.ids.setdefault(MESSAGE, messages[0]["id"])
        if str(answer.get("id", "")).startswith("b"):
            self.ids[BROADCAST] = str(answer["id"])


def test_every_command_of_the_page_works_as_it_stands(tmp_path: Path) -> None:
    # Enough users for a broadcast that is under way when its reader ends it.
    users = ("alice", "bob", *[f"user{number}" for number in range(50)])
    with RunningNode(tmp_path / "node", users=users) as node:
        reader = Reader(node)
        said: dict[str, str] = {}
        for command in commands():
            said[command] = reader.type(command)
    asked = [json.loads(text) for command, text in said.items() if command.startswith("curl")]
    sent, begun, report, ended, status, recalled, waiting, acknowledged = asked
    assert sent["messages"][0]["state"] == status["state"] == "stored"
    assert begun["id"] == report["id"] == ended["id"]
    assert recalled["messages"][0]["state"] == "removed"
    assert (waiting, acknowledged) == ({"messages": []}, {"ids": []})
