"""JsSIP in a headless Chromium: the page comes from here and reports here."""

from __future__ import annotations

import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

from tests.interop.clients import DOMAIN, WAIT_S, Bench
from tests.support.programs import JSSIP
from tests.support.running import eventually

_HTML = b'<!doctype html><meta charset="utf-8"><title>phone</title><script src="page.js"></script>'
_POLL_S = 5.0

Event = dict[str, Any]


class _Handler(BaseHTTPRequestHandler):
    """Serves the page and its script, hands out commands, takes what is said."""

    server: _Server

    def do_GET(self) -> None:
        if self.path == "/next":
            try:
                command = self.server.commands.get(timeout=_POLL_S)
            except queue.Empty:
                command = [""]
            self._answer("application/json", json.dumps(command).encode())
        elif self.path == "/page.js":
            self._answer("text/javascript", JSSIP.read_bytes())
        else:
            self._answer("text/html", _HTML)

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self.server.events.append(json.loads(self.rfile.read(size)))
        self._answer("text/plain", b"")

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.commands: queue.Queue[list[str]] = queue.Queue()
        self.events: list[Event] = []


class Page:
    """A user agent in a web page; it is registered when it is made."""

    def __init__(self, bench: Bench, user: str, socket: str) -> None:
        self.user = user
        self._server = _Server()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        settings = {
            "socket": socket, "uri": f"sip:{user}@{DOMAIN}", "password": f"pw-{user}",
        }  # fmt: skip
        address = f"http://127.0.0.1:{self._server.server_port}/#{quote(json.dumps(settings))}"
        argv = [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--disable-extensions", "--disable-background-networking", "--no-first-run",
            "--ignore-certificate-errors", "--enable-logging=stderr",
            f"--user-data-dir={bench.directory / ('chromium-' + user)}",
            # Nothing happens after this; without it nothing would after the first frame.
            "--remote-debugging-port=0", address,
        ]  # fmt: skip
        self.program = bench.run(argv, f"chromium-{user}")
        assert self.event("registered")["code"] == 200

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        self.program.end()
        self._server.shutdown()
        self._server.server_close()

    def command(self, *words: str) -> None:
        self._server.commands.put([*words])

    def event(self, name: str, **fields: object) -> Event:
        """Wait for an event of this name with these fields."""

        def found() -> list[Event]:
            named = [each for each in self._server.events if each["ev"] == name]
            return [each for each in named if fields.items() <= each.items()]

        try:
            eventually(found, WAIT_S)
        except AssertionError:
            text = f"{self._server.events}\n{self.program.text()[-3000:]}"
            raise AssertionError(f"no {name} {fields} in the page: {text}") from None
        return found()[0]
