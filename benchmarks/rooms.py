# SPDX-License-Identifier: Apache-2.0
"""A room of 100 members: copies per CPU second of the node, and what one stalled reader does.

    python -m benchmarks.rooms [--duration 4] [--rounds 3] [--members 100] [--history 0]

One member speaks, 300 octets at a time, the next when the node has answered, or with eight
unanswered; a copy counts when another member has read it. Then somebody speaks at a steady pace, once with everybody reading and once with
one who does not, and the time from the SEND to the last copy is compared.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import selectors
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.xcap import cpu_seconds

ROOM = "sip:bench@ims.test"
EXTRA = '[msrp]\nlisten = ["tcp:127.0.0.1:0"]\n[rooms]\nparticipants = 1000\n'
_COPY = re.compile(rb"MSRP \S+ SEND\r\n")
_END = re.compile(rb"-------\S+[$+#]\r\n")
_TAG = re.compile(rb"\r\n\r\n#(\d+)#")
_STEADY_S = 0.02  # between two messages of the paced part
_STEADY_OCTETS = 4096


class Seat:
    """A member's connection: what came of which message, by its number in the content."""

    def __init__(self, user: str, connection: socket.socket, to_path: bytes, own: bytes) -> None:
        self.user = user.encode()
        self.socket = connection
        self.paths = b"To-Path: %b\r\nFrom-Path: %b\r\n" % (to_path, own)
        self.rest = b""
        self.number = 0

    def message(self, size: int, tag: bytes = b"") -> bytes:
        """Return a SEND of so many octets of text to everybody."""
        self.number += 1
        text = tag.ljust(size, b"x")
        body = b"To: <%b>\r\nFrom: <sip:%b@ims.test>\r\n\r\nContent-Type: text/plain\r\n\r\n%b" % (
            ROOM.encode(),
            self.user,
            text,
        )
        tid = b"bench%012d" % self.number
        return (
            b"MSRP %b SEND\r\n%bMessage-ID: m%d\r\nByte-Range: 1-%d/%d\r\n"
            b"Content-Type: message/cpim\r\n\r\n%b\r\n-------%b$\r\n"
        ) % (tid, self.paths, self.number, len(body), len(body), body, tid)

    def read(self) -> bytes:
        """Return the whole chunks that have come."""
        data = self.socket.recv(1 << 20)
        assert data, "connection closed"
        data = self.rest + data
        end = data.rfind(b"$\r\n") + 3
        data, self.rest = data[:end], data[end:]
        return data


@contextlib.contextmanager
def room(members: int, history: int) -> Iterator[tuple[int, list[Seat]]]:
    """Run a node with a room and everybody in it; gives its process and their connections."""
    from session_msrp.rooms.values import Access, Room
    from tests.support.phone import Phone
    from tests.support.room_phone import RoomPhone, provide
    from tests.support.running import RunningNode

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        users = [f"user{number}" for number in range(members)]
        node = RunningNode(Path(folder) / "node", extra=EXTRA, users=users, fresh=True)
        provide(node, Room(ROOM, access=Access.OPEN, history=history))
        stack.enter_context(node)
        server = ("127.0.0.1", node.ports["udp"])
        seats = []
        for user in users:
            phone = stack.enter_context(Phone(server, user))
            device = stack.enter_context(RoomPhone(phone, "bench")).join()
            assert device.socket is not None
            device.socket.settimeout(None)
            seats.append(Seat(user, device.socket, device.session.path, device.own.raw))
        assert node.process is not None
        yield node.process.pid, seats


def fill(pid: int, seats: list[Seat], window: int, duration: float) -> float:
    """Keep so many messages unanswered; return copies per CPU second."""
    author, others = seats[0], seats[1:]
    chooser = selectors.DefaultSelector()
    for seat in seats:
        chooser.register(seat.socket, selectors.EVENT_READ, seat)
    author.socket.sendall(b"".join(author.message(300) for _ in range(window)))
    before, until = cpu_seconds(pid), time.monotonic() + duration
    said, heard = window, 0
    while heard < said * len(others):
        for key, _ in chooser.select(5):
            seat: Seat = key.data
            data = seat.read()
            if seat is not author:
                heard += len(_COPY.findall(data))
            elif time.monotonic() < until:
                answered = len(_END.findall(data))
                author.socket.sendall(b"".join(author.message(300) for _ in range(answered)))
                said += answered
    chooser.close()
    return heard / (cpu_seconds(pid) - before)


def pace(seats: list[Seat], stalled: int, duration: float) -> float:
    """Speak at a steady pace; return the 99th percentile of seconds until a copy was read.

    Args: stalled: members who do not read.
    """
    author, others = seats[0], seats[1 : len(seats) - stalled]
    chooser = selectors.DefaultSelector()
    for seat in (author, *others):
        chooser.register(seat.socket, selectors.EVENT_READ, seat)
    sent: list[float] = []
    taken: list[float] = []
    count = int(duration / _STEADY_S)
    following = time.monotonic()
    while len(taken) < count * len(others):
        now = time.monotonic()
        if len(sent) < count and now >= following:
            author.socket.sendall(author.message(_STEADY_OCTETS, b"#%d#" % len(sent)))
            sent.append(now)
            following += _STEADY_S
        for key, _ in chooser.select(max(0.0, following - now) if len(sent) < count else 5):
            seat: Seat = key.data
            data = seat.read()
            if seat is not author:
                at = time.monotonic()
                taken += [at - sent[int(number)] for number in _TAG.findall(data)]
    chooser.close()
    return statistics.quantiles(taken, n=100)[98]


def measure(
    duration: float = 4.0, rounds: int = 3, members: int = 100, history: int = 0
) -> dict[str, list[float]]:
    """Return the figures of each round, by what they are."""
    found: dict[str, list[float]] = {
        name: [] for name in ("one by one", "eight at once", "p99", "p99 stalled")
    }
    with room(members, history) as (pid, seats):
        for _ in range(rounds):
            found["one by one"].append(fill(pid, seats, 1, duration))
            found["eight at once"].append(fill(pid, seats, 8, duration))
    for _ in range(rounds):
        with room(members, history) as (_, seats):
            found["p99"].append(pace(seats, 0, duration))
            found["p99 stalled"].append(pace(seats, 1, duration))
    return found


def table(found: dict[str, list[float]], members: int = 100) -> str:
    """Return the figures as a table."""
    calm, stalled = (statistics.median(found[name]) for name in ("p99", "p99 stalled"))
    lines = [
        f"A room of {members} members, messages of 300 octets; copies per CPU second (mark: 60,000):",
        "",
        "| messages of their author that wait for the 200 | median | low | high |",
        "|---|---|---|---|",
    ]
    for name in ("one by one", "eight at once"):
        values = found[name]
        middle, low, high = statistics.median(values), min(values), max(values)
        lines.append(f"| {name} | {middle:,.0f} | {low:,.0f} | {high:,.0f} |")
    text = (
        f"At a steady pace the slowest hundredth of the copies is read after {calm * 1000:.1f} ms; with "
        f"one member who reads nothing, by the others after {stalled * 1000:.1f} ms "
        f"({stalled / calm - 1:+.0%}; mark: below +20 %)."
    )
    return "\n".join([*lines, "", text])


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser()
    options.add_argument("--duration", type=float, default=4.0)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--members", type=int, default=100)
    options.add_argument("--history", type=int, default=0)
    chosen = options.parse_args()
    found = measure(chosen.duration, chosen.rounds, chosen.members, chosen.history)
    print(table(found, chosen.members))


if __name__ == "__main__":
    main()
