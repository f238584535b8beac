# SPDX-License-Identifier: Apache-2.0
"""A node killed at any point of the commit path keeps what it acknowledged, once (D1, D3)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imsnode.storage.failpoints import POINTS
from pager.values import StoreKind, StoreResult
from tests.support.postgres import PostgresServer
from tests.support.stores import DurableStore, message

ROOT = Path(__file__).parents[2]
# Kills at each point; raise it for a longer run.
CYCLES = int(os.environ.get("IMSNODE_CRASH_CYCLES", "2"))
COUNT = 60


def run_child(url: str, fail_point: str, first: int) -> set[str]:
    """Store messages in another process until it kills itself; return the acknowledged ids."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.support.store_child",
            url,
            fail_point,
            str(first),
            str(COUNT),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    lines = done.stdout.decode().split("\n")[:-1]
    return {line.split()[1] for line in lines}


def stored_ids(store: DurableStore) -> list[str]:
    found = store.call(store.storage.messages.pending, "sip:bob@ims.test", 0, 100_000)
    return [one.message.id for one in found]


def crash_and_look(url: str, point: str) -> None:
    """Kill at a point again and again; the sender repeats all that was not acknowledged."""
    acknowledged: set[str] = set()
    first = 0
    for cycle in range(CYCLES):
        acknowledged |= run_child(url, f"{point}:{1 + cycle * 3 % 8}", first)
        store = DurableStore(url)
        kept = stored_ids(store)
        store.close()
        assert acknowledged <= set(kept)
        assert len(kept) == len(set(kept))
        first += COUNT // 2
    store = DurableStore(url)
    results: list[StoreResult] = []
    for number in range(first + COUNT // 2):
        store.storage.messages.store(message(number), results.append)
    store.run_until(lambda: len(results) == first + COUNT // 2)
    kept = stored_ids(store)
    store.close()
    assert {result.kind for result in results} <= {StoreKind.STORED, StoreKind.DUPLICATE}
    assert sorted(kept) == [message(number).id for number in range(len(results))]


@pytest.mark.parametrize("point", sorted(POINTS))
def test_nothing_acknowledged_is_lost_on_sqlite(point: str, tmp_path: Path) -> None:
    crash_and_look(f"sqlite:///{tmp_path / 'store.db'}", point)


@pytest.mark.peer("initdb")
@pytest.mark.parametrize("point", sorted(POINTS))
def test_nothing_acknowledged_is_lost_on_postgresql(point: str, server: PostgresServer) -> None:
    crash_and_look(server.emptied_database(), point)
