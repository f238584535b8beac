# SPDX-License-Identifier: Apache-2.0
"""XCAP on a running node: GET and PUT of a document of 10 kB, per CPU second of the server.

    python -m benchmarks.xcap [--duration 4] [--rounds 3] [--connections 16]

Every request carries digest credentials of its own (a nonce is used with a rising count, as clients
do), every PUT brings other content, is validated by its schema and committed before its answer.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import os
import re
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

SIZE = 10_000
MARKS = {"GET": 2000.0, "PUT": 500.0}
CONFIG = """
domains = ["ims.test"]
listen = ["udp:127.0.0.1:0"]
[http]
listen = "127.0.0.1:0"
[xcap]
rate = 1000000
burst = 1000000
"""
TICKS = os.sysconf("SC_CLK_TCK")


def document(number: int) -> bytes:
    """Return a resource list of about `SIZE` octets, another for each number."""
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">\n'
        f' <list name="friends {number}">\n'
    )
    entry = (
        '  <entry uri="sip:user{0:04d}@ims.test">\n'
        "   <display-name>User number {0}</display-name>\n  </entry>\n"
    )
    tail = " </list>\n</resource-lists>\n"
    parts = [head]
    size = len(head) + len(tail)
    for place in itertools.count():
        part = entry.format(place)
        if size + len(part) > SIZE:
            break
        parts.append(part)
        size += len(part)
    return "".join([*parts, tail]).encode()


class Client:
    """One user on one connection that is kept."""

    def __init__(self, address: tuple[str, int], user: str) -> None:
        self.user = user
        self.target = f"/xcap/resource-lists/users/sip:{user}@ims.test/index"
        self.ha1 = _md5(f"{user}:ims.test:pw-{user}")
        self.connection = socket.create_connection(address)
        self.file = self.connection.makefile("rb")
        self.nonce = ""
        self.count = 0
        status, headers = self._ask("GET", b"")
        assert status == 401, status
        found = re.search(r'nonce="([^"]+)"', headers)
        assert found
        self.nonce = found[1]

    def ask(self, method: str, body: bytes) -> int:
        """Send a request and return the status of its answer."""
        return self._ask(method, body)[0]

    def _ask(self, method: str, body: bytes) -> tuple[int, str]:
        lines = [f"{method} {self.target} HTTP/1.1", "Host: 127.0.0.1"]
        if self.nonce:
            lines.append(f"Authorization: {self._credentials(method)}")
        if method == "PUT":
            lines.append("Content-Type: application/resource-lists+xml")
            lines.append(f"Content-Length: {len(body)}")
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        status = int(self.file.readline().split()[1])
        head = []
        while (line := self.file.readline()) != b"\r\n":
            head.append(line.decode())
        text = "".join(head)
        length = re.search(r"(?im)^content-length: (\d+)", text)
        self.file.read(int(length[1]) if length else 0)
        return status, text

    def _credentials(self, method: str) -> str:
        self.count += 1
        count, cnonce = f"{self.count:08x}", secrets.token_hex(4)
        ha2 = _md5(f"{method}:{self.target}")
        response = _md5(f"{self.ha1}:{self.nonce}:{count}:{cnonce}:auth:{ha2}")
        return (
            f'Digest username="{self.user}", realm="ims.test", nonce="{self.nonce}",'
            f' uri="{self.target}", algorithm=MD5, response="{response}", qop=auth,'
            f' nc={count}, cnonce="{cnonce}"'
        )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@contextlib.contextmanager
def node(folder: Path, users: list[str]) -> Iterator[tuple[int, tuple[str, int]]]:
    """Run a node with these users; gives its process id and HTTP address."""
    (folder / "imsnode.toml").write_text(CONFIG)
    rows = [f"sip:{user}@ims.test,pw-{user},,true" for user in users]
    (folder / "users.csv").write_text("\n".join(["aor,password,display_name,enabled", *rows]) + "\n")
    command = [sys.executable, "-m", "imsnode"]
    config = ["--config", str(folder / "imsnode.toml")]
    subprocess.run([*command, "user", "import", *config, str(folder / "users.csv")], check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen([*command, "serve", *config], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        ready = process.stdout.readline()
        host, port = ready.rpartition("http:")[2].split(":")
        yield process.pid, (host, int(port))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rate(pid: int, clients: list[Client], method: str, duration: float) -> float:
    """Have all clients ask as fast as they can; return answers per CPU second of the server."""
    done = [0] * len(clients)
    bodies = [document(number) for number in range(64)] if method == "PUT" else [b""]
    until = time.monotonic() + duration

    def work(place: int) -> None:
        turn = place
        while time.monotonic() < until:
            turn += 1
            status = clients[place].ask(method, bodies[turn % len(bodies)])
            assert status in (200, 201), status
            done[place] += 1

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(clients))]
    before = cpu_seconds(pid)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (cpu_seconds(pid) - before)


def measure(duration: float = 4.0, rounds: int = 3, connections: int = 16) -> dict[str, list[float]]:
    """Return answers per CPU second, by method."""
    users = [f"u{number}" for number in range(connections)]
    with tempfile.TemporaryDirectory() as folder, node(Path(folder), users) as (pid, address):
        clients = [Client(address, user) for user in users]
        for client in clients:
            assert client.ask("PUT", document(0)) == 201
        return {
            method: [rate(pid, clients, method, duration) for _ in range(rounds)]
            for method in MARKS
        }


def table(rates: dict[str, list[float]]) -> str:
    """Return the figures as a table."""
    lines = [
        f"XCAP, a document of {SIZE // 1000} kB, digest, every PUT validated and committed:",
        "",
        "| method | per CPU second | low | high | mark |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {method} | {statistics.median(values):,.0f} | {min(values):,.0f} | {max(values):,.0f}"
        f" | >= {MARKS[method]:,.0f} |"
        for method, values in rates.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser()
    options.add_argument("--duration", type=float, default=4.0)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--connections", type=int, default=16)
    chosen = options.parse_args()
    print(table(measure(chosen.duration, chosen.rounds, chosen.connections)))


if __name__ == "__main__":
    main()
