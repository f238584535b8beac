"""A program behind a webhook: keeps what is posted to it, and answers as it is told."""

from __future__ import annotations

import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """Listens on loopback. posts: (headers by lower-case name, octets), in order of arrival.

    answers: statuses to give, the last one again and again.
    """

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers) or [200]
        self.posts: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers["content-length"])
                body = self.rfile.read(size)
                if len(body) < size:  # who posts was killed over it
                    self.close_connection = True
                    return
                status = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
                hook.posts.put(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(status)
                if status == 307:
                    self.send_header("Location", hook.url)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/in"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def next(self, seconds: float = 30.0) -> tuple[dict[str, str], Any]:
        """Wait for a post; headers and parsed body."""
        headers, body = self.posts.get(timeout=seconds)
        return headers, json.loads(body)

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Hook:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
