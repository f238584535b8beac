# SPDX-License-Identifier: Apache-2.0
"""A 2xx to an INVITE, repeated until its ACK comes (RFC 3261 13.3.1.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sip.endpoint import Endpoint
from sip.transaction.server import ServerTransaction

__all__ = ["Unacknowledged"]

_RESEND: Final = 1  # timer
_MOST_S: Final = 4.0  # T2


class Unacknowledged:
    """One answer. unheard: told when no ACK has come for 64*T1; the dialog is to end then."""

    def __init__(
        self,
        transaction: ServerTransaction,
        data: bytes,
        endpoint: Endpoint,
        unheard: Callable[[], None],
    ) -> None:
        self._transaction = transaction
        self._data = data
        self._endpoint = endpoint
        self._unheard = unheard
        self._pause_s = endpoint.layer.config.t1
        self._until = 0.0
        self._over = False

    def send(self, now: float) -> None:
        """Send it for the first time."""
        self._until = now + 64 * self._pause_s
        self._send(now)

    def _send(self, now: float) -> None:
        self._transaction.respond(self._data, 200, now)
        self._endpoint.timers.schedule(now + self._pause_s, self, _RESEND)

    def acknowledged(self) -> None:
        """Repeat it no more."""
        self._over = True

    def on_timer(self, kind: int, now: float) -> None:
        """Send it again, or give up."""
        if self._over:
            return
        if now >= self._until:
            self._over = True
            self._unheard()
            return
        self._pause_s = min(2 * self._pause_s, _MOST_S)
        self._send(now)
