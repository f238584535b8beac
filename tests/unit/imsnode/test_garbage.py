# SPDX-License-Identifier: Apache-2.0
"""When everything in memory is looked at: in quiet moments, and when there are none for long."""

from __future__ import annotations

import gc
import platform
import resource
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imsnode.garbage import BUSY_S, LOOK_S, QUIET, QUIET_S, Garbage, give_back


class Loop:
    """A loop's clock, moved by the test."""

    def __init__(self) -> None:
        self.now = 100.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        self.due.append((self.now + delay, callback))
        return self

    def cancel(self) -> None:
        self.due.clear()

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.due and self.due[0][0] <= end:
            self.now, callback = self.due.pop(0)
            callback()
        self.now = end


@pytest.fixture
def loop() -> Iterator[Loop]:
    thresholds = gc.get_threshold()
    yield Loop()
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def started(loop: Loop, transactions: int) -> Garbage:
    garbage = Garbage(loop, lambda: transactions)  # type: ignore[arg-type]  # what it uses of one
    garbage.start()
    assert garbage.collections == 1
    return garbage


def test_a_quiet_node_collects_once_a_minute(loop: Loop) -> None:
    garbage = started(loop, QUIET - 1)
    loop.run(5 * (QUIET_S + LOOK_S))
    assert garbage.collections == 6


def test_a_busy_node_puts_it_off(loop: Loop) -> None:
    garbage = started(loop, QUIET)
    loop.run(BUSY_S - LOOK_S)
    assert garbage.collections == 1
    loop.run(2 * LOOK_S)
    assert garbage.collections == 2


def test_nothing_is_looked_at_after_the_end(loop: Loop) -> None:
    garbage = started(loop, 0)
    garbage.stop()
    loop.run(10 * QUIET_S)
    assert garbage.collections == 1


def test_a_cycle_goes(loop: Loop) -> None:
    class Node:
        other: Node

    garbage = started(loop, 0)
    one, two = Node(), Node()
    one.other, two.other = two, one
    watched = weakref.ref(one)
    del one, two
    assert watched() is not None
    loop.run(QUIET_S + LOOK_S)
    assert garbage.collections == 2
    assert watched() is None


def resident() -> int:
    """Octets of memory this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries do it themselves")
def test_what_was_freed_goes_back_to_the_system() -> None:
    answers = [bytes(1000) for _ in range(40_000)]
    kept = answers[-1]  # in the way of everything below it
    del answers
    before = resident()
    give_back()
    assert before - resident() > 20_000_000
    assert len(kept) == 1000
