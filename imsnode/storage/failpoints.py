# SPDX-License-Identifier: Apache-2.0
"""Places in the commit path where a test can end the process as a power cut would."""

from __future__ import annotations

import os
import signal

__all__ = ["AFTER_COMMIT", "BEFORE_COMMIT", "MID_GROUP", "POINTS", "FailPoint"]

MID_GROUP = "mid_group"  # some of the group is written
BEFORE_COMMIT = "before_commit"  # all of it is written, nothing is durable
AFTER_COMMIT = "after_commit_before_callback"  # durable, nobody has been told
POINTS = frozenset((MID_GROUP, BEFORE_COMMIT, AFTER_COMMIT))


class FailPoint:
    """Kill this process with SIGKILL when one point is reached for the n-th time.

    Args: spec: "POINT" or "POINT:N", N from 1.
    Raises: ValueError when the spec names no point.
    """

    __slots__ = ("_left", "_point")

    def __init__(self, spec: str) -> None:
        point, _, count = spec.partition(":")
        if point not in POINTS:
            raise ValueError(f"unknown fail point {point!r}, known are {', '.join(sorted(POINTS))}")
        self._point = point
        self._left = int(count) if count else 1

    def reach(self, point: str) -> None:
        """Say that execution is at ``point``."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
