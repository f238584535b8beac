# SPDX-License-Identifier: Apache-2.0
"""Where ledger entries wait for the writer: the loop's thread fills it, the writer's empties it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pager.values import LedgerEntry

from .stats import StorageStats

__all__ = ["BLOCK", "LedgerQueue"]

# Entries in one block: a long block is cheap to write and slow to read; the objects that wait for
# it are also what the garbage collector would have to look at.
BLOCK: Final = 1024


class LedgerQueue:
    """Entries in the order in which they were noted, at most ``limit`` of them.

    Beyond that they are dropped and counted, because a ledger must not hold up messages. ``rouse``
    is called when a block is full.
    """

    def __init__(self, stats: StorageStats) -> None:
        self.limit = 200_000
        self.rouse: Callable[[], None] = lambda: None
        self._stats = stats
        self._queue: list[LedgerEntry] = []

    def note(self, entry: LedgerEntry) -> None:
        """Take an entry."""
        queue = self._queue
        waiting = len(queue)
        if waiting >= self.limit:
            self._stats.ledger_dropped += 1
            return
        queue.append(entry)
        if waiting == BLOCK - 1:
            self.rouse()

    def queued(self) -> int:
        """Count the entries."""
        return len(self._queue)

    def take(self) -> list[LedgerEntry]:
        """Remove the oldest entries, a block at most."""
        # Each of the two is one step of the interpreter: what is noted between them comes behind.
        entries = self._queue[:BLOCK]
        del self._queue[: len(entries)]
        return entries
