# SPDX-License-Identifier: Apache-2.0
"""Requests that wait for their answer (RFC 4975 7.1.1: 30 seconds)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeVar

__all__ = ["ANSWER_S", "Transactions"]

ANSWER_S: Final = 30.0

Subject = TypeVar("Subject")


class Transactions(Generic[Subject]):
    """What was asked and not answered, the oldest first; at most `most`."""

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._open: OrderedDict[bytes, tuple[float, Subject]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def full(self) -> bool:
        """True while nothing more may be asked."""
        return len(self._open) >= self._most

    def begin(self, tid: bytes, subject: Subject, now: float) -> None:
        """Wait for the answer to a request that has left."""
        self._open[tid] = (now + ANSWER_S, subject)

    def answered(self, tid: bytes) -> Subject | None:
        """Return whom an answer concerns, None when nobody waits for it (any more)."""
        entry = self._open.pop(tid, None)
        return None if entry is None else entry[1]

    def next_deadline(self) -> float | None:
        """Return when ``expire`` has something to do."""
        for deadline, _ in self._open.values():
            return deadline
        return None

    def expire(self, now: float) -> list[Subject]:
        """Return whom silence concerns; each once."""
        late: list[Subject] = []
        while self._open:
            tid, (deadline, subject) = next(iter(self._open.items()))
            if deadline > now:
                break
            del self._open[tid]
            late.append(subject)
        return late
