"""What one message to many costs: copies per CPU second of a node's process, commits included.

    python -m benchmarks.many [--lists 400] [--users 10000]

``list of 50, stored``: MESSAGEs with a recipient list, everybody on them away. ``list of 50, sent``:
everybody on them is online, and each copy is stored, sent and answered. ``broadcast``: one job to all
users, half of them online. The node is a process of its own, as installed, with ledger, history and
SQLite on disk; devices and senders are one other process whose time is not counted. A run ends when
every copy is where it belongs and the ledger is written.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sip.bodies.resource_lists import Entry, build_list
from tests.support.crowd import Crowd
from tests.support.traffic import ADDRESS

from .scale import Running, command

LISTED = 50
UNDER_WAY = 4
LEDGER_S = 1.2  # the ledger is on disk so long after the last message
LIMIT_S = 120.0
TEXT = "the network is down for maintenance tonight"
TICKS = os.sysconf("SC_CLK_TCK")
CONFIG_MORE = f"""
[[peer]]
name = "crowd"
address = "{ADDRESS}"
trust = "asserted"
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One scenario."""

    name: str
    copies: int
    cpu_s: float
    wall_s: float


class Many(Running):
    """A node with users, and the means to load and measure it."""

    def __init__(self, directory: Path, users: Sequence[str], pure: bool) -> None:
        super().__init__(directory, [])
        self.config.write_text(self.config.read_text() + CONFIG_MORE)
        self.imsnode = command(pure)
        csv = directory / "users.csv"
        rows = [f"sip:{user}@ims.test,secret,,true" for user in users]
        csv.write_text("\n".join(["aor,password,display_name,enabled", *rows]) + "\n")
        self.run("user", "import", str(csv))

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def cpu_s(self) -> float:
        """CPU time of the process until now."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def measured(self, name: str, copies: int, work: Callable[[], None]) -> Measured:
        """Do some work and say what it cost the node."""
        cpu, wall = self.cpu_s(), time.monotonic()
        work()
        took = time.monotonic() - wall
        time.sleep(LEDGER_S)
        return Measured(name, copies, self.cpu_s() - cpu, took)


def list_requests(users: Sequence[str], count: int, address: tuple[str, int]) -> list[bytes]:
    """Write MESSAGEs to 50 users each, in turn."""
    requests = []
    host, port = address
    for number in range(count):
        first = number * LISTED % (len(users) - LISTED + 1)
        document = build_list(
            Entry(f"sip:{user}@ims.test", "bcc") for user in users[first : first + LISTED]
        ).decode()
        body = (
            f"--b\r\nContent-Type: text/plain\r\n\r\n{TEXT}\r\n"
            "--b\r\nContent-Type: application/resource-lists+xml\r\n"
            f"Content-Disposition: recipient-list\r\n\r\n{document}\r\n--b--\r\n"
        )
        requests.append(
            (
                "MESSAGE sip:list@ims.test SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bKl{number}\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:{users[0]}@ims.test>;tag=l\r\n"
                f"To: <sip:list@ims.test>\r\nCall-ID: list-{number}\r\nCSeq: 1 MESSAGE\r\n"
                "Require: recipient-list-message\r\n"
                'Content-Type: multipart/mixed;boundary="b"\r\n'
                f"Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode()
        )
    return requests


def send_all(node: Many, users: Sequence[str], count: int) -> None:
    """Send lists, a few under way at once, until each has its 202."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((ADDRESS, 0))
        waiting = list_requests(users, count, sender.getsockname())
        answered = under_way = 0
        end = time.monotonic() + LIMIT_S
        while answered < count:
            while waiting and under_way < UNDER_WAY:
                sender.sendto(waiting.pop(), node.address)
                under_way += 1
            if time.monotonic() > end or not select.select([sender], [], [], 5.0)[0]:
                raise RuntimeError(f"{count - answered} lists have no answer")
            answer = sender.recv(65535)
            if not answer.startswith(b"SIP/2.0 202"):
                raise RuntimeError(f"a list was answered {answer[:40]!r}")
            answered += 1
            under_way -= 1


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("copies are missing")
        time.sleep(0.005)


def lists(folder: Path, count: int, online: bool, pure: bool) -> Measured:
    """Send ``count`` messages to 50 recipients each."""
    users = Crowd.names_of(1000)
    name = f"list of 50, {'sent' if online else 'stored'}"
    with Many(folder, users, pure) as node, Crowd(len(users)) as crowd:
        if online:
            crowd.register(users, node.address)
            time.sleep(1.0)

        def work() -> None:
            send_all(node, users, count)
            until(lambda: not online or crowd.taken >= count * LISTED)

        return node.measured(name, count * LISTED, work)


def broadcast(folder: Path, count: int, pure: bool) -> Measured:
    """Send one message to ``count`` users, every second of them online."""
    users = Crowd.names_of(count)
    with Many(folder, users, pure) as node, Crowd(count) as crowd:
        online = users[::2]
        crowd.register(online, node.address)
        time.sleep(1.0)

        def work() -> None:
            subprocess.run(
                [sys.executable, "-m", "imsnode", "broadcast", "send", "--to", "ims.test", TEXT, "--rate", "0",
                 "--from", f"sip:{users[-1]}@ims.test", "--config", str(node.config)],
                check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            until(lambda: crowd.taken >= len(online))

        return node.measured(f"broadcast to {count:,}, half online", count, work)


def measure(count: int = 400, users: int = 10_000, pure: bool = False) -> list[Measured]:
    """Run all scenarios, each on a node of its own."""
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder, name) for name in ("stored", "sent", "broadcast")]
        for place in places:
            place.mkdir()
        return [
            lists(places[0], count, False, pure),
            lists(places[1], count, True, pure),
            broadcast(places[2], users, pure),
        ]


def table(measured: list[Measured]) -> str:
    """Write the results as Markdown."""
    lines = [
        "| one message to many | copies per CPU second | CPU us each | wall s |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {one.name} | {one.copies / one.cpu_s:,.0f} | {one.cpu_s / one.copies * 1e6:.1f} | {one.wall_s:.2f} |"
        for one in measured
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", type=int, default=400)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--pure", action="store_true")
    options = parser.parse_args()
    print(table(measure(options.lists, options.users, options.pure)))
