from __future__ import annotations

import io
import json
import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from imsnode.cli import run

CONFIG = """
listen = ["udp:127.0.0.1:0"]
[http]
listen = "127.0.0.1:0"
"""


@dataclass
class Result:
    """What one command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run every test in an empty folder, without the settings of the one who runs it."""
    for name in list(os.environ):
        if name.startswith("IMSNODE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    mask = os.umask(0o022)
    yield
    os.umask(mask)


@pytest.fixture
def imsnode(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run one command in this process."""

    def command(*words: str, text: str = "") -> Result:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        code = run(list(words))
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return command


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    """A folder with a configuration file that commands find."""
    file = tmp_path / "imsnode.toml"
    file.write_text(CONFIG, encoding="utf-8")
    return file


@dataclass
class FakeNode:
    """Answers on the control socket with what a test sets, and remembers what it was asked."""

    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    node: FakeNode


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: Any) -> None:
        self.server.node.asked.append((self.path, body))
        status, answer = self.server.node.answers.get(self.path.partition("?")[0], (404, {}))
        if isinstance(answer, list):
            octets = b"".join(json.dumps(line).encode() + b"\n" for line in answer)
        else:
            octets = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def address_string(self) -> str:
        return "control"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def running(configured: Path) -> Iterator[FakeNode]:
    """A stand-in for a running node."""
    node = FakeNode()
    node.answers["/users/changed"] = (200, {"count": 1})
    node.answers["/ledger/flush"] = (200, {"flushed": True})
    with _Server(str(configured.parent / "imsnode.sock"), _Handler) as server:
        server.node = node
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield node
        server.shutdown()
        thread.join()
