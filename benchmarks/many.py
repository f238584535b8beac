"""What one message to many costs: copies per CPU second of the whole process, commits included.

    python -m benchmarks.many [--lists 200] [--users 10000]

``list of 50``: MESSAGEs with a recipient list go through the list server, whose recipients are all
away, until each has its 202. ``broadcast``: one job to all users, half of them online on a virtual
network, until every copy is stored and the online half has answered; devices run in the same
process and are counted too. Both on SQLite in a temporary folder.
"""

from __future__ import annotations

import argparse
import queue
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from imsnode.distribution import Distribution
from imsnode.lists import ListService
from imsnode.storage import Storage, StorageSettings, open_storage
from pager.fanout import Fanout, Original
from pager.jobs import Job, JobKind, Jobs
from sip.bodies.resource_lists import Entry, build_list
from sip.flow import Flow
from sip.message import Request
from tests.support.pager_world import ALICE, MemoryStore, World

LIST = "sip:list@ims.test"
LISTED = 50
TEXT = b"the network is down for maintenance tonight"


@dataclass(frozen=True, slots=True)
class Measured:
    """One scenario."""

    name: str
    copies: int
    cpu_s: float
    wall_s: float


class Node(World):
    """A node with a real store."""

    def __init__(self, url: str, users: list[str]) -> None:
        self.users = users
        self.callbacks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.storage: Storage = open_storage(
            StorageSettings(url), self.callbacks.put, lambda: self.network.wall
        )
        super().__init__()

    def _begin(self) -> None:
        real = self.store
        self.store = cast(MemoryStore, self.storage.messages)
        super()._begin()
        self.store = real
        endpoint = self.node.endpoint
        known = frozenset(self.users).__contains__
        fanout = Fanout(self.pager, self.storage.jobs, known, endpoint.ids)
        self.jobs = Jobs(
            fanout, self.storage.jobs, lambda _job: self.users, endpoint.timers, self.pager.clock
        )
        self.service = ListService(
            endpoint, Distribution(fanout, self.jobs), lambda uri: uri.aor, ["ims.test"], known,
            endpoint.ids,
        )  # fmt: skip

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        self.service.request(request, flow, ALICE, LIST, now)

    def run_until(self, done: Callable[[], bool]) -> None:
        """Let network and store go on; virtual time passes only while the store rests."""
        while not done():
            try:
                self.callbacks.get(timeout=0.0005)()
            except queue.Empty:
                self.network.run(0.01)


def lists(url: str, count: int) -> Measured:
    """Send ``count`` messages to 50 recipients each."""
    users = [f"sip:u{number:05d}@ims.test" for number in range(5000)]
    node = Node(url, users)
    bodies = []
    for number in range(count):
        first = number * LISTED % len(users)
        document = build_list(Entry(user, "bcc") for user in users[first : first + LISTED])
        bodies.append(
            b"--b\r\nContent-Type: text/plain\r\n\r\n%b\r\n"
            b"--b\r\nContent-Type: application/resource-lists+xml\r\n"
            b"Content-Disposition: recipient-list\r\n\r\n%b\r\n--b--\r\n" % (TEXT, document)
        )
    headers = (
        (b"Content-Type", b'multipart/mixed;boundary="b"'),
        (b"Require", b"recipient-list-message"),
    )
    cpu, wall = time.process_time(), time.perf_counter()
    for body in bodies:
        node.alice.send(body, LIST, headers=headers)
    node.run_until(lambda: len(node.alice.answers) == count)
    spent = time.process_time() - cpu, time.perf_counter() - wall
    answers = set(node.alice.answers.values())
    node.storage.close()
    if answers != {202}:
        raise RuntimeError(f"the list server answered {answers}")
    return Measured("list of 50, stored", count * LISTED, *spent)


def broadcast(url: str, count: int) -> Measured:
    """Send one message to ``count`` users, every second of them online."""
    users = [f"sip:u{number:05d}@ims.test" for number in range(count)]
    node = Node(url, users)
    phones = []
    for number in range(0, count, 2):
        host = f"198.18.{number // 250 % 250}.{number % 250 + 1}"
        phone = node.phone(f"p{number}", host, f"<{number}>", users[number])
        node.register(phone)
        phones.append(phone)
    wall_now = node.network.wall
    original = Original(
        "b1", ALICE, "ims.test", b"b1", 1, b"job:b1", wall_now, wall_now + 86_400,
        b"From: <sip:alice@ims.test>;tag=b\r\nContent-Type: text/plain", TEXT, True,
    )  # fmt: skip
    cpu, wall = time.process_time(), time.perf_counter()
    node.jobs.begin(Job(original, JobKind.BROADCAST, total=count), lambda _kept: None)
    node.run_until(lambda: node.pager.stats.delivered == len(phones))
    node.run_until(lambda: not node.jobs.running)
    spent = time.process_time() - cpu, time.perf_counter() - wall
    node.storage.close()
    if node.pager.stats.stored != count:
        raise RuntimeError(f"{node.pager.stats.stored} copies were stored, not {count}")
    return Measured(f"broadcast to {count:,}, half online", count, *spent)


def measure(count: int = 200, users: int = 10_000) -> list[Measured]:
    """Run both scenarios, each on a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            lists(f"sqlite:///{folder}/lists.db", count),
            broadcast(f"sqlite:///{folder}/broadcast.db", users),
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
    parser.add_argument("--lists", type=int, default=200)
    parser.add_argument("--users", type=int, default=10_000)
    options = parser.parse_args()
    print(table(measure(options.lists, options.users)))
