# SPDX-License-Identifier: Apache-2.0
"""Where ledger entries wait, as text: the loop's thread fills blocks, the writer's takes them."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from pager.values import LedgerEntry

from .ledger_text import BlockText
from .stats import StorageStats

__all__ = ["BLOCK", "LedgerQueue"]

_log = logging.getLogger(__name__)

# Entries in one block: a long block is cheap to write and slow to read.
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
        self._lock = threading.Lock()
        self._open = BlockText()
        self._full: deque[BlockText] = deque()

    def note(self, entry: LedgerEntry) -> None:
        """Take an entry."""
        with self._lock:
            block = self._open
            if block.count + len(self._full) * BLOCK >= self.limit:
                self._stats.ledger_dropped += 1
                return
            try:
                block.add(entry)
            except Exception:  # noqa: BLE001 - what it tells of must go on
                _log.exception("a ledger entry makes no sense")
                self._stats.ledger_dropped += 1
            if block.count < BLOCK:
                return
            self._full.append(block)
            self._open = BlockText()
        self.rouse()

    def queued(self) -> int:
        """Count the entries."""
        with self._lock:
            return self._open.count + len(self._full) * BLOCK

    def take(self) -> BlockText:
        """Remove the oldest entries, a block at most."""
        with self._lock:
            if self._full:
                return self._full.popleft()
            block = self._open
            self._open = BlockText()
            return block
