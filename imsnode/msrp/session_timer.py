# SPDX-License-Identifier: Apache-2.0
"""The session timer of a dialog of our own; the other side refreshes it (RFC 4028)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sip.endpoint import Endpoint
from sip.message import Request, Response

__all__ = ["SessionTimer"]

_REFRESH: Final = 1  # timer
_GRACE_S: Final = 32.0  # for a refresh that is on its way
_LEAST_S: Final = 90  # RFC 4028 5


class SessionTimer:
    """Args: over: told when nobody has refreshed the session in time."""

    def __init__(self, endpoint: Endpoint, over: Callable[[], None]) -> None:
        self._endpoint = endpoint
        self._over = over
        self._until = 0.0

    def asked(self, request: Request, now: float) -> list[bytes]:
        """Take what an INVITE or UPDATE asks for; return the header lines of its 2xx.

        Whoever wants us to refresh gets no timer: a server need not know any (RFC 4028 9).
        """
        value = request.get("session-expires") or b""
        supported = [tag.lower() for tag in request.items("supported")]
        if b"timer" not in supported or b"refresher=uas" in value.lower():
            value = b""
        seconds = self._set(value, now)
        if not seconds:
            return []
        return [b"Session-Expires: %d;refresher=uac" % seconds, b"Require: timer"]

    def granted(self, response: Response, now: float) -> None:
        """Take what the 2xx to our INVITE says."""
        self._set(response.get("session-expires") or b"", now)

    def stop(self) -> None:
        """End with the dialog."""
        self._until = 0.0

    def _set(self, value: bytes, now: float) -> int:
        text = value.partition(b";")[0].strip()
        seconds = int(text) if text.isdigit() and len(text) < 8 else 0
        if seconds < _LEAST_S:
            self._until = 0.0
            return 0
        self._until = now + seconds + _GRACE_S
        self._endpoint.timers.schedule(self._until, self, _REFRESH)
        return seconds

    def on_timer(self, kind: int, now: float) -> None:
        """End what nobody has refreshed."""
        if self._until and now >= self._until:
            self._until = 0.0
            self._over()
