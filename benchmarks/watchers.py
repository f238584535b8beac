# SPDX-License-Identifier: Apache-2.0
"""Sizes of the presence server: memory of subscriptions, a storm after a restart, a crowd of watchers.

    python -m benchmarks.watchers [--subscriptions 100000] [--storm 10000] [--crowd 2000]

Linux only (reads /proc). Everything runs on 127.0.0.1 in a temporary folder; the load generator plays
all watchers and presentities, each watcher is a user of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from .contestant import accounts
from .scale import Running, generator, load

MEMORY_MIB = 400.0
LAST_S = 1.0


def presentities(count: int) -> list[str]:
    """Return the users whom watchers of the load generator follow."""
    return [f"sip:{name}@ims.test" for name in accounts("presence", count)]


def watch(
    program: str, node: Running, followed: int, watchers: int, duration: float
) -> dict[str, float]:
    """Subscribe watchers to each of the followed, all of whom must succeed, then publish for a while."""
    words = ["--scenario", "presence", "--window", str(followed), "--watchers", str(watchers)]
    return load(program, node, *words, "--warmup", "0", "--duration", str(duration))


def memory(program: str, directory: Path, subscriptions: int) -> dict[str, float]:
    """Resident memory of a node with that many active subscriptions, and of it without them."""
    directory.mkdir()
    followed = max(1, subscriptions // 100)
    with Running(directory, presentities(followed)) as node:
        empty = node.resident_mib()
        watch(program, node, followed, 100, 0.0)
        time.sleep(36)  # finished transactions are kept 32 s and are not part of a subscription
        full = node.resident_mib()
    return {"subscriptions": followed * 100, "empty_mib": empty, "full_mib": full}


def storm(program: str, directory: Path, subscriptions: int) -> dict[str, float]:
    """Seconds in which everybody is served who subscribes anew after a restart."""
    directory.mkdir()
    followed = max(1, subscriptions // 5)
    node = Running(directory, presentities(followed))
    with node:
        watch(program, node, followed, 5, 0.0)
    with node:
        figures = watch(program, node, followed, 5, 0.0)
    return {"subscriptions": followed * 5, "seconds": figures["prepared_s"]}


def crowd(program: str, directory: Path, watchers: int) -> dict[str, float]:
    """Milliseconds from the PUBLISH to the last NOTIFY, for one presentity."""
    directory.mkdir()
    with Running(directory, presentities(1)) as node:
        figures = watch(program, node, 1, watchers, 5.0)
    return {
        "watchers": watchers,
        "last_ms": figures["p50_us"] / 1000,
        "worst_ms": figures["p99_us"] / 1000,
        "failed": figures["failed"],
    }


def measure(
    subscriptions: int = 100_000, storming: int = 10_000, watchers: int = 2_000
) -> dict[str, dict[str, float]]:
    """Run all three; returns the figures by name."""
    with tempfile.TemporaryDirectory(prefix="watchers-") as work:
        directory = Path(work)
        program = generator(directory)
        return {
            "memory": memory(program, directory / "memory", subscriptions),
            "storm": storm(program, directory / "storm", storming),
            "crowd": crowd(program, directory / "crowd", watchers),
        }


def table(figures: dict[str, dict[str, float]]) -> str:
    """Return the figures as a table."""
    m, s, c = (figures[name] for name in ("memory", "storm", "crowd"))
    return "\n".join(
        [
            "| presence | measured | mark |",
            "|---|---|---|",
            (
                f"| {m['subscriptions']:,} active subscriptions | {m['full_mib']:.0f} MiB "
                f"(the node without them {m['empty_mib']:.0f} MiB) | <= {MEMORY_MIB:.0f} MiB |"
            ),
            f"| {s['subscriptions']:,} SUBSCRIBEs at once after a restart | all served in {s['seconds']:.1f} s | none refused |",
            (
                f"| {c['watchers']:,} watchers of one user, PUBLISH to the last NOTIFY | {c['last_ms']:.0f} ms "
                f"(p99 {c['worst_ms']:.0f} ms, failed {c['failed']:.0f}) | <= {LAST_S * 1000:.0f} ms |"
            ),
        ]
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subscriptions", type=int, default=100_000)
    parser.add_argument("--storm", type=int, default=10_000)
    parser.add_argument("--crowd", type=int, default=2_000)
    opts = parser.parse_args()
    print(table(measure(opts.subscriptions, opts.storm, opts.crowd)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
