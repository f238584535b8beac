# SPDX-License-Identifier: Apache-2.0
"""What the gate counts."""

from __future__ import annotations

__all__ = ["NodeStats"]


class NodeStats:
    """Counters of the gate, plain ints."""

    __slots__ = ("acks_dropped", "draining", "foreign", "limited", "not_found", "refused")

    def __init__(self) -> None:
        self.refused = 0
        self.limited = 0
        self.foreign = 0
        self.not_found = 0
        self.draining = 0
        self.acks_dropped = 0
