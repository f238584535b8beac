# SPDX-License-Identifier: Apache-2.0
"""A file in one MSRP session: octets that one process passes on per CPU second, and its memory.

    python -m benchmarks.msrp_file [--octets 1073741824] [--chunk 65536] [--rounds 3]

Contestants in turn: imsnode anchoring the session, with the file in a single chunk and in chunks of
the size asked for, and a C program that copies octets (the limit). What comes is compared with what
was sent; the marks are 0.5 of the limit, and no memory that grows with the file.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import threading
import zlib
from pathlib import Path
from typing import NamedTuple

from benchmarks.msrp import End, Pair, anchored, limit, total_cpu
from session_msrp.chunk import CONTINUED, ENDED, MORE
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.printing import print_end, print_head, response_to

BLOCK = os.urandom(1 << 20)
MARK = 0.5
_HIGHEST = re.compile(r"VmHWM:\s+(\d+) kB")


class Passed(NamedTuple):
    """One file. rate: octets per CPU second; grown: octets of memory at most, over before."""

    rate: float
    grown: int


def send(end: End, octets: int, chunk: int) -> None:
    """Send a file as one message."""
    for start in range(0, octets, chunk):
        stop = min(start + chunk, octets)
        tid = b"file%012d" % start
        headers = (
            b"Message-ID: file",
            b"Byte-Range: %d-*/%d" % (start + 1, octets),
            b"Content-Type: application/octet-stream",
        )
        end.socket.sendall(print_head(tid, b"SEND", end.to_path, end.own, headers) + b"\r\n\r\n")
        while start < stop:
            part = memoryview(BLOCK)[start % len(BLOCK) :][: stop - start]
            end.socket.sendall(part)
            start += len(part)
        end.socket.sendall(print_end(tid, ENDED if stop == octets else CONTINUED))


def drain(end: End, until: threading.Event) -> None:
    """Read the answers until the last one can have come."""
    end.socket.settimeout(0.2)
    while not until.is_set():
        with contextlib.suppress(TimeoutError):
            end.socket.recv(1 << 16)
    end.socket.settimeout(None)


def receive(end: End, octets: int) -> None:
    """Take a file, answer its chunks, and compare it with what was sent."""
    framer, seen, wanted, flag = Framer(Limits()), 0, 0, MORE
    received = 0
    while flag != ENDED:
        data = end.socket.recv(1 << 20)
        assert data, "connection closed"
        framer.feed(data)
        while (chunk := framer.next()) is not None:
            seen = zlib.crc32(chunk.body, seen)
            received += chunk.size
            flag = chunk.flag
            answer = None if flag is MORE else response_to(chunk, 200, end.own)
            if answer is not None:
                end.socket.sendall(answer)
    for start in range(0, octets, len(BLOCK)):
        wanted = zlib.crc32(memoryview(BLOCK)[: octets - start], wanted)
    assert (received, seen) == (octets, wanted), "the file is not what was sent"


def highest(pid: int) -> int:
    """Return the most octets of memory a process has held since ``forget_highest``."""
    found = _HIGHEST.search(Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def forget_highest(pid: int) -> None:
    """Begin to count anew with what it holds now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def transfer(pid: int, pair: Pair, octets: int, chunk: int) -> Passed:
    """Pass one file through a process."""
    near, far = pair
    over = threading.Event()
    forget_highest(pid)
    before, memory = total_cpu(pid), highest(pid)
    helpers = [
        threading.Thread(target=send, args=(near, octets, chunk)),
        threading.Thread(target=drain, args=(near, over)),
    ]
    for helper in helpers:
        helper.start()
    try:
        receive(far, octets)
    finally:
        over.set()
        for helper in helpers:
            helper.join()
    return Passed(octets / (total_cpu(pid) - before), highest(pid) - memory)


def measure(
    octets: int = 1 << 30, chunk: int = 1 << 16, rounds: int = 3
) -> dict[str, list[Passed]]:
    """Return what became of each file, by contestant, measured in turn."""
    with contextlib.ExitStack() as stack:
        node, [session] = stack.enter_context(anchored(1))
        relay, [direct] = stack.enter_context(limit(1))
        contestants = {
            "imsnode, one chunk": (node, session, octets),
            f"imsnode, chunks of {chunk // 1024} KiB": (node, session, chunk),
            "C, octets copied": (relay, direct, octets),
        }
        found: dict[str, list[Passed]] = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, (pid, pair, size) in contestants.items():
                found[name].append(transfer(pid, pair, octets, size))
        return found


def table(found: dict[str, list[Passed]], octets: int) -> str:
    """Return the figures as a table; ratios to the last contestant."""
    base = statistics.median(each.rate for each in list(found.values())[-1])
    lines = [
        f"MSRP, a file of {octets >> 20:,} MiB through one process:",
        "",
        "| | MiB per CPU second | low | high | memory it took, MiB | ratio to the C relay | mark |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, passed in found.items():
        rates = [each.rate for each in passed]
        middle = statistics.median(rates)
        grown = max(each.grown for each in passed) / (1 << 20)
        mark = f">= {MARK}" if name.startswith("imsnode") else ""
        lines.append(
            f"| {name} | {middle / (1 << 20):,.0f} | {min(rates) / (1 << 20):,.0f} "
            f"| {max(rates) / (1 << 20):,.0f} | {grown:.1f} | {middle / base:.2f} | {mark} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser()
    options.add_argument("--octets", type=int, default=1 << 30)
    options.add_argument("--chunk", type=int, default=1 << 16)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    print(table(measure(chosen.octets, chosen.chunk, chosen.rounds), chosen.octets))


if __name__ == "__main__":
    main()
