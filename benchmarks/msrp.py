# SPDX-License-Identifier: Apache-2.0
"""SENDs of 300 octets with their answers through one process, per CPU second of it.

    python -m benchmarks.msrp [--duration 4] [--rounds 3] [--sessions 16] [--window 8]

Contestants in turn: imsnode anchoring the sessions, Kamailio's msrp module as a relay (RFC 4976
paths, both ends known to it), and a C program that copies octets (the limit). Each session has so
many SENDs on their way as the window says; a SEND counts when its 200 is back at the sender.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.xcap import cpu_seconds

if TYPE_CHECKING:
    from tests.support.phone import Phone

HERE = Path(__file__).resolve().parent
BODY = b"x" * 300
CONFIG = """
domains = ["ims.test"]
listen = ["udp:127.0.0.1:0"]
[http]
listen = "127.0.0.1:0"
[msrp]
anchor = "always"
listen = ["tcp:127.0.0.1:0"]
"""
_SEND = re.compile(rb"MSRP (\S+) SEND\r\n")
_ANSWER = re.compile(rb"MSRP \S+ 200[ \r]")


class End:
    """One end of a session: sends what it is told, and finds the tids or answers in what comes."""

    def __init__(self, connection: socket.socket, to_path: bytes, own: bytes) -> None:
        self.socket = connection
        self.to_path = to_path
        self.own = own
        self.rest = b""
        self.number = 0

    def request(self) -> bytes:
        """Return one more SEND."""
        self.number += 1
        tid = b"bench%012d" % self.number
        head = b"To-Path: %b\r\nFrom-Path: %b\r\nMessage-ID: m%d\r\nByte-Range: 1-300/300\r\nContent-Type: text/plain\r\n\r\n"
        return b"MSRP %b SEND\r\n%b%b\r\n-------%b$\r\n" % (
            tid, head % (self.to_path, self.own, self.number), BODY, tid,
        )  # fmt: skip

    def answers(self, data: bytes) -> bytes:
        """Return a 200 to each SEND that has come whole."""
        data = self.rest + data
        end = data.rfind(b"$\r\n") + 3
        data, self.rest = data[:end], data[end:]
        return b"".join(
            b"MSRP %b 200 OK\r\nTo-Path: %b\r\nFrom-Path: %b\r\n-------%b$\r\n"
            % (tid, self.to_path, self.own, tid)
            for tid in _SEND.findall(data)
        )

    def heard(self, data: bytes) -> int:
        """Count the answers that have come whole."""
        data = self.rest + data
        end = data.rfind(b"$\r\n") + 3
        data, self.rest = data[:end], data[end:]
        return len(_ANSWER.findall(data))


Pair = tuple[End, End]  # who sends, who answers


def drive(pid: int, pairs: list[Pair], window: int, duration: float) -> float:
    """Keep every window full; return answered SENDs per CPU second of the process."""
    chooser = selectors.DefaultSelector()
    for near, far in pairs:
        chooser.register(near.socket, selectors.EVENT_READ, (near, True))
        chooser.register(far.socket, selectors.EVENT_READ, (far, False))
        near.socket.sendall(b"".join(near.request() for _ in range(window)))
    before, until, done = total_cpu(pid), time.monotonic() + duration, 0
    waiting = window * len(pairs)
    while waiting:
        events = chooser.select(5)
        assert events, "nothing comes any more"
        running = time.monotonic() < until
        for key, _ in events:
            end, sends = key.data
            data = end.socket.recv(1 << 18)
            assert data, "connection closed"
            if not sends:
                end.socket.sendall(end.answers(data))
                continue
            count = end.heard(data)
            done += count
            waiting -= count
            if running and count:
                end.socket.sendall(b"".join(end.request() for _ in range(count)))
                waiting += count
    chooser.close()
    return done / (total_cpu(pid) - before)


def total_cpu(pid: int) -> float:
    """Return the CPU seconds of a process and of its children."""
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    return cpu_seconds(pid) + sum(cpu_seconds(int(child)) for child in children)


@contextlib.contextmanager
def running(count: int, extra: str = "") -> Iterator[tuple[int, Phone, Phone]]:
    """Run a node where alice may call bob so often; gives its process and their phones.

    extra: tables for its configuration.
    """
    from tests.support.phone import Phone

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        config = Path(folder) / "imsnode.toml"
        config.write_text(CONFIG + f"user_sessions = {10 * count}\n{extra}")
        users = Path(folder) / "users.csv"
        users.write_text(
            "aor,password,display_name,enabled\nsip:alice@ims.test,pw-alice,,true\nsip:bob@ims.test,pw-bob,,true\n"
        )
        command = [sys.executable, "-m", "imsnode"]
        tail = ["--config", str(config)]
        subprocess.run(
            [*command, "user", "import", str(users), *tail], check=True, stdout=subprocess.DEVNULL
        )
        process = subprocess.Popen([*command, "serve", *tail], stdout=subprocess.PIPE, text=True)
        stack.callback(process.wait, 10)
        stack.callback(process.send_signal, signal.SIGTERM)
        assert process.stdout
        found = re.search(r"udp:127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found
        server = ("127.0.0.1", int(found[1]))
        alice, bob = (
            stack.enter_context(Phone(server, "alice")),
            stack.enter_context(Phone(server, "bob")),
        )
        assert bob.register().status == 200
        yield process.pid, alice, bob


@contextlib.contextmanager
def anchored(count: int) -> Iterator[tuple[int, list[Pair]]]:
    """Run a node with calls between alice and bob; gives its process and the sessions."""
    from tests.support.msrp import Dialog, MsrpClient

    with contextlib.ExitStack() as stack:
        pid, alice, bob = stack.enter_context(running(count))
        pairs: list[Pair] = []
        for _ in range(count):
            near, far = stack.enter_context(MsrpClient()), stack.enter_context(MsrpClient())
            Dialog(alice, bob, near, far)
            near.open()
            far.open()
            near.send(b"bound")
            assert far.messages() == [b"bound"]
            near.messages(0)
            while near.session.next_deadline() is not None:
                near.read()
            assert near.socket is not None
            assert far.socket is not None
            for each in (near.socket, far.socket):
                each.settimeout(None)
            pairs.append(
                (
                    End(near.socket, near.session.path, near.own.raw),
                    End(far.socket, far.session.path, far.own.raw),
                )
            )
        yield pid, pairs


def free_port() -> int:
    """Return a TCP port nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def connected(count: int, port: int, listener: socket.socket, direct: bool) -> list[Pair]:
    """Return pairs whose senders connect to `port`; the other side comes to `listener`.

    direct: octets are only copied, so paths have one URI each.
    """
    pairs = []
    back = listener.getsockname()[1]
    through = b"msrp://127.0.0.1:%d/relay;tcp" % port
    for number in range(count):
        near = socket.create_connection(("127.0.0.1", port))
        sender = b"msrp://127.0.0.1:%d/a%d;tcp" % (near.getsockname()[1], number)
        receiver = b"msrp://127.0.0.1:%d/b%d;tcp" % (back, number)
        if direct:
            paths = receiver, sender
        else:
            paths = through + b" " + receiver, through + b" " + sender
        first = End(near, paths[0], sender)
        near.sendall(first.request())
        far = listener.accept()[0]
        second = End(far, paths[1], receiver)
        far.sendall(second.answers(far.recv(1 << 16)))
        assert first.heard(near.recv(1 << 16)) == 1
        pairs.append((first, second))
    return pairs


@contextlib.contextmanager
def kamailio(count: int) -> Iterator[tuple[int, list[Pair]]]:
    """Run Kamailio's msrp module. Every session has its own two connections."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        port = free_port()
        config = Path(folder) / "kamailio.cfg"
        config.write_text((HERE / "peer" / "msrp.cfg").read_text().replace("BENCH_PORT", str(port)))
        words = [
            "kamailio",
            "-f",
            str(config),
            "-DD",
            "-E",
            "-m",
            "256",
            "-Y",
            folder,
            "-w",
            folder,
        ]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(process.wait, 20)
        stack.callback(process.terminate)
        until_open(port)
        pairs = []
        for _ in range(count):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            pairs += connected(1, port, listener, direct=False)
        yield process.pid, pairs


def until_open(port: int) -> None:
    """Wait for somebody to listen."""
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError("does not start")


@contextlib.contextmanager
def limit(count: int) -> Iterator[tuple[int, list[Pair]]]:
    """Run the C program that copies octets."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        built = Path(folder) / "pipe"
        subprocess.run(["cc", "-O2", "-o", str(built), str(HERE / "peer" / "pipe.c")], check=True)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = free_port()
        process = subprocess.Popen([str(built), str(port), str(listener.getsockname()[1])])
        stack.callback(process.wait, 10)
        stack.callback(process.terminate)
        until_open(port)
        listener.accept()[0].close()  # the other half of the probe
        yield process.pid, connected(count, port, listener, direct=True)


CONTESTANTS: dict[
    str, Callable[[int], contextlib.AbstractContextManager[tuple[int, list[Pair]]]]
] = {
    "imsnode": anchored,
    "kamailio": kamailio,
    "C, octets copied": limit,
}


def measure(
    duration: float = 4.0, rounds: int = 3, sessions: int = 16, window: int = 8
) -> dict[str, list[float]]:
    """Return answered SENDs per CPU second, by contestant, measured in turn."""
    with contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(start(sessions))
            for name, start in CONTESTANTS.items()
            if name != "kamailio" or shutil.which("kamailio")
        }
        rates: dict[str, list[float]] = {name: [] for name in running}
        for _ in range(rounds):
            for name, (pid, pairs) in running.items():
                rates[name].append(drive(pid, pairs, window, duration))
        return rates


def table(rates: dict[str, list[float]]) -> str:
    """Return the figures as a table; ratios to Kamailio where it ran."""
    base = statistics.median(rates.get("kamailio", [0.0]))
    lines = [
        "MSRP, SEND of 300 octets and its 200 through one process:",
        "",
        "| | per CPU second | low | high | ratio to Kamailio's msrp relay |",
        "|---|---|---|---|---|",
    ]
    for name, values in rates.items():
        middle = statistics.median(values)
        ratio = f"{middle / base:.2f}" if base else "-"
        lines.append(
            f"| {name} | {middle:,.0f} | {min(values):,.0f} | {max(values):,.0f} | {ratio} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser()
    options.add_argument("--duration", type=float, default=4.0)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--sessions", type=int, default=16)
    options.add_argument("--window", type=int, default=8)
    chosen = options.parse_args()
    print(table(measure(chosen.duration, chosen.rounds, chosen.sessions, chosen.window)))


if __name__ == "__main__":
    main()
