# SPDX-License-Identifier: Apache-2.0
"""Calls of a room to somebody who is asked to come in: all their devices ring, one takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from session_msrp.rooms.live import LiveRoom

from ..msrp.talk import Talk

__all__ = ["Invitation"]

_TAKEN: Final = "taken by another device"

Done = Callable[[int], None]


class Invitation:
    """Args: done(status): told once, of the final answer."""

    def __init__(self, live: LiveRoom, aor: str, done: Done) -> None:
        self.live = live
        self.aor = aor
        self.talks: set[Talk] = set()
        self._done: Done | None = done
        self._worst = 480

    def took(self, talk: Talk) -> None:
        """A device has come in; the others need not ring."""
        self.talks.discard(talk)
        self._finish(200)
        for other in list(self.talks):
            other.hang_up(_TAKEN)

    def failed(self, talk: Talk, status: int) -> None:
        """A device did not come."""
        self.talks.discard(talk)
        if status >= 300:
            self._worst = max(self._worst, status) if status >= 600 else status
        if not self.talks:
            self._finish(self._worst)

    def _finish(self, status: int) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(status)
