# SPDX-License-Identifier: Apache-2.0
"""Where messages wait for the archive: the loop's thread fills it, the writer's empties it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from imsnode.history import Noted

from .stats import StorageStats

__all__ = ["GROUP", "ArchiveQueue"]

GROUP: Final = 1024  # messages written in one step


class ArchiveQueue:
    """Messages in the order in which they were noted.

    At most ``limit`` of them with ``octets_limit`` of bodies: while the database is away those
    beyond are dropped and counted, because a history must not hold up messages. ``rouse`` is
    called when a group is full.
    """

    def __init__(self, stats: StorageStats) -> None:
        self.limit = 100_000
        self.octets_limit = 64 * 1024 * 1024
        self.rouse: Callable[[], None] = lambda: None
        self._stats = stats
        self._queue: list[Noted] = []
        self._octets_in = 0  # counted by the loop's thread
        self._octets_out = 0  # counted by the writer's

    def note(self, noted: Noted) -> None:
        """Take a message: see `imsnode.history.Noted`."""
        queue = self._queue
        waiting = len(queue)
        octets = self._octets_in + len(noted[8])
        if waiting >= self.limit or octets - self._octets_out > self.octets_limit:
            self._stats.archive_dropped += 1
            return
        self._octets_in = octets
        queue.append(noted)
        if waiting == GROUP - 1:
            self.rouse()

    def displayed(self, author: str, reader: str, imdn_id: bytes) -> None:
        """Take note that a message was displayed: it goes where it was kept until then."""
        self.note((0, "", 0.0, author, reader, 0, b"", imdn_id, b"", None))

    def taken_back(self, message_id: str, recipient: str) -> None:
        """Take note that nobody gets to see a message: it leaves its recipient's history."""
        self.note((0, message_id, 0.0, "", recipient, 0, b"", b"", b"", None))

    def queued(self) -> int:
        """Count the messages."""
        return len(self._queue)

    def take(self) -> list[Noted]:
        """Remove the oldest messages, a group at most."""
        # Each of the two is one step of the interpreter: what is noted between them comes behind.
        taken = self._queue[:GROUP]
        del self._queue[: len(taken)]
        self._octets_out += sum([len(noted[8]) for noted in taken])
        return taken
