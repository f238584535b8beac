# SPDX-License-Identifier: Apache-2.0
"""The writer beside a loop that never rests; what it commits is in tests/contract."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imsnode.storage import writer
from tests.support.stores import DurableStore, entry, message


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DurableStore]:
    made = DurableStore(f"sqlite:///{tmp_path / 'store.db'}")
    yield made
    made.close()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(writer.time, "sleep", pauses.append)
    return pauses


def test_the_loop_does_not_pause_for_a_writer_at_rest(
    store: DurableStore, slept: list[float]
) -> None:
    for turn in range(100):
        store.storage.writer._busy = False
        store.storage.give_way(float(turn))
    assert slept == []


def test_the_loop_pauses_once_a_millisecond_for_a_busy_writer(
    store: DurableStore, slept: list[float]
) -> None:
    for turn in range(1000):
        store.storage.writer._busy = True
        store.storage.give_way(100.0 + turn / 10_000)
    assert 90 <= len(slept) <= 101
    assert sum(slept) < 0.01


def test_a_loop_that_never_rests_still_gets_its_answers(store: DurableStore) -> None:
    results: list[object] = []
    for number in range(200):
        store.storage.messages.store(message(number), results.append)
    arrived = 0
    while arrived == 0:  # or the time-out of the test
        sum(range(300))
        store.storage.give_way(time.monotonic())
        arrived = store._callbacks.qsize()
    store.run_until(lambda: len(results) == 200)


def test_what_is_noted_just_before_closing_is_written(
    store: DurableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is closed while the writer is between its last look at the ledger and its end."""
    working = store.storage.writer
    work = working._work_in_background
    noted: list[bool] = []

    def closed_meanwhile(flushes: list[Any], closing: bool) -> None:
        work(flushes, closing)
        if not noted:
            noted.append(True)
            store.storage.ledger.note(entry(1))
            working._closing = True

    monkeypatch.setattr(working, "_work_in_background", closed_meanwhile)
    store.flush()
    assert store.storage.close()
    assert store.storage.stats.ledger_rows == 1


def test_an_entry_without_sense_costs_only_itself_at_the_end(store: DurableStore) -> None:
    for number in range(9):
        store.storage.ledger.note(entry(number, call_id=None if number == 4 else b"c"))
    assert store.storage.close()
    assert store.storage.stats.ledger_rows == 8
    assert store.storage.stats.ledger_dropped == 1
