# SPDX-License-Identifier: Apache-2.0
"""What history costs: CPU per archived message, a page of 100, octets on disk, memory.

    python -m benchmarks.history [--url URL] [--messages 1000000] [--users 20000]

The cost of a message is all that happens to it behind the observer: the queue, the writer's work,
commits and merges, measured as CPU of the whole process. Pages are read from the full archive, of
users chosen by chance, newest first and behind a token.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imsnode.history import Keep
from imsnode.storage import Page, Query, Storage, StorageSettings, open_storage, read_page

WALL = 1_750_000_000.0
WORDS = 16  # of six letters and a blank, about
TURN = 1024


class Clock:
    """A wall clock that the benchmark sets."""

    def __init__(self) -> None:
        self.wall = WALL

    def __call__(self) -> float:
        return self.wall


def measure(messages: int = 1_000_000, users: int = 20_000, url: str = "") -> dict[str, Any]:
    """Fill an archive and read from it; returns the figures by name, pages in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.db"
        clock = Clock()
        storage = open_storage(StorageSettings(url or f"sqlite:///{file}"), _run, clock)
        storage.archive.keep = lambda _aor: Keep(30 * 86400.0)
        tenth = messages // 10
        spent = fill(storage, clock, 0, tenth, users)
        before = resident()
        spent += fill(storage, clock, tenth, messages, users)
        figures: dict[str, Any] = {
            "messages": messages,
            "us_cpu_each": spent / messages * 1e6,
            "grown_mib": resident() - before,
            "pages": pages(storage, users),
        }
        storage.close()
        figures["octets_each"] = 0 if url else file.stat().st_size / messages
    return figures


def table(figures: dict[str, Any]) -> str:
    """Write the results as Markdown."""
    count = figures["messages"]
    rows = [
        ("CPU of an archived message", f"{figures['us_cpu_each']:.1f} us", ""),
        ("octets on disk, each", f"{figures['octets_each']:.0f}", ""),
        (f"memory of the last {count - count // 10:,}", f"{figures['grown_mib']:.1f} MiB", "none"),
    ]
    for name, taken in figures["pages"].items():
        middle, longest = statistics.median(taken) * 1e3, max(taken) * 1e3
        rows.append((name, f"{middle:.1f} ms (longest {longest:.1f} ms)", "< 20 ms"))
    lines = [f"| history of {count:,} messages | measured | mark |", "|---|---|---|"]
    return "\n".join(lines + [f"| {name} | {value} | {mark} |" for name, value, mark in rows])


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--url", default="")
    options.add_argument("--messages", type=int, default=1_000_000)
    options.add_argument("--users", type=int, default=20_000)
    chosen = options.parse_args()
    print(table(measure(chosen.messages, chosen.users, chosen.url)))


def _run(done: Callable[[], None]) -> None:
    done()


def fill(storage: Storage, clock: Clock, first: int, end: int, users: int) -> float:
    """Archive messages between users chosen by chance; return CPU seconds for all."""
    chance = random.Random(first + 1)
    words = [f"{chance.randrange(10**6):06d}" for _ in range(1000)]
    names = [f"sip:u{number}@ims.test" for number in range(users)]
    spent = 0.0
    for start in range(first, end, TURN):
        clock.wall = WALL + start / 50
        made = [
            (
                3, f"m{number:018d}", clock.wall, chance.choice(names), chance.choice(names), 200,
                b"text/plain;charset=UTF-8", b"%d-4f1d8a@192.0.2.1" % number,
                " ".join(chance.choices(words, k=WORDS)).encode(),
                None,
            )
            for number in range(start, min(start + TURN, end))
        ]  # fmt: skip
        begun = time.process_time()
        for noted in made:
            storage.archive.note(noted)
        while storage.archive.waiting:
            time.sleep(0.0005)
        spent += time.process_time() - begun
    return spent


def pages(storage: Storage, users: int) -> dict[str, list[float]]:
    """Read pages of users chosen by chance; return seconds for each."""
    chance = random.Random(2)
    taken: dict[str, list[float]] = {}
    for _ in range(100):
        owner = f"sip:u{chance.randrange(users)}@ims.test"
        first = timed(taken, "the last 100", storage, Query(owner, newest=True))
        timed(taken, "100 behind a token", storage, Query(owner, after=first.first - 1))
        if first.messages:
            peer = first.messages[0].peer(owner)
            timed(taken, "one conversation", storage, Query(owner, peer=peer, newest=True))
        timed(taken, "search without a find", storage, Query(owner, newest=True, text="nowhere"))
    return taken


def timed(taken: dict[str, list[float]], name: str, storage: Storage, query: Query) -> Page:
    """Read a page and note how long it took."""
    begun = time.perf_counter()
    page = read_page(storage.database, query)
    taken.setdefault(name, []).append(time.perf_counter() - begun)
    return page


def resident() -> float:
    """Return the most memory the process has held so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
