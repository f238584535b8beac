# SPDX-License-Identifier: Apache-2.0
"""Bounds and habits of the notifier."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NotifierSettings"]


@dataclass(frozen=True, slots=True)
class NotifierSettings:
    """Numbers are counts, times seconds.

    per_watcher, per_resource, total: subscriptions. per_pair: of one watcher to one resource.
    nameless: to one resource by watchers without identity. suspend: keep a subscription whose
    NOTIFY met silence instead of removing it (RFC 6665 4.2.2). shortest_gap_s: whatever rate a
    watcher asks for. retry_s: until a NOTIFY that failed for the moment is repeated. waiting_s,
    waiting: how long, and how many of one resource, undecided watchers are remembered after they
    have gone. restore_batch: NOTIFYs per tenth of a second after a restart.
    """

    per_watcher: int = 200
    per_resource: int = 2_000
    total: int = 500_000
    per_pair: int = 50
    nameless: int = 200
    suspend: bool = False
    shortest_gap_s: float = 1.0
    retry_s: float = 30.0
    waiting_s: float = 7 * 86_400.0
    waiting: int = 100
    restore_batch: int = 250
