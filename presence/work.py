# SPDX-License-Identifier: Apache-2.0
"""A bound on the work that expressions of strangers may cause (threats.md G1)."""

from __future__ import annotations

__all__ = ["TooMuchWork", "Work"]


class TooMuchWork(Exception):
    """An expression looks at more nodes than it may."""


class Work:
    """Counts the nodes that are looked at. limit: how many there may be."""

    __slots__ = ("_left",)

    def __init__(self, limit: int) -> None:
        self._left = limit

    def spend(self, nodes: int) -> None:
        """Look at some more. Raises: TooMuchWork."""
        self._left -= nodes
        if self._left < 0:
            raise TooMuchWork
