# SPDX-License-Identifier: Apache-2.0
"""The session timer of a dialog of our own, refreshed by whichever side is to do it (RFC 4028)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sip.endpoint import Endpoint
from sip.errors import BadMessage
from sip.message import Request, Response
from sip.proxy import Branch, Fork

__all__ = ["SessionTimer"]

_OVER: Final = 1  # timers
_REFRESH: Final = 2
_GRACE_S: Final = 32.0  # for a refresh that is on its way
_LEAST_S: Final = 90  # RFC 4028 5
_UPDATE: Final = b"update"


class SessionTimer:
    """Of a refresh of ours it is the `sip.proxy.ForkOwner`.

    Args: over(why): told when the session has ended. refresh(fields): has an UPDATE sent with these
        header fields.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        over: Callable[[str], None],
        refresh: Callable[[list[tuple[bytes, bytes]]], None],
    ) -> None:
        self._endpoint = endpoint
        self._over = over
        self._refresh = refresh
        self._seconds = 0
        self._until = 0.0
        self._refresh_at = 0.0

    def asked(self, request: Request, now: float) -> list[bytes]:
        """Take what an INVITE or UPDATE asks for; return the header lines of its 2xx.

        Whoever wants us to refresh, and takes no UPDATE, gets no timer: a server need not know any
        (RFC 4028 9).
        """
        value = request.get("session-expires") or b""
        ours = b"refresher=uas" in value.lower()
        if b"timer" not in _tags(request, "supported") or (ours and not _takes_update(request)):
            value = b""
        seconds = self._set(value, ours, now)
        if not seconds:
            return []
        who = b"uas" if ours else b"uac"
        return [b"Session-Expires: %d;refresher=%b" % (seconds, who), b"Require: timer"]

    def granted(self, response: Response, now: float) -> None:
        """Take what the 2xx to our INVITE or UPDATE says."""
        value = response.get("session-expires") or b""
        ours = b"refresher=uac" in value.lower() and (
            bool(self._refresh_at) or _takes_update(response)
        )
        self._set(value, ours, now)

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """The final response counts."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """Take what came of a refresh: it is tried again while there is time (RFC 4028 7.3)."""
        if not self._until:
            return
        if response is not None and 200 <= status < 300:
            self.granted(response, now)
        elif status in (408, 481):
            self.stop()
            self._over("the peer answers no more")
        else:
            self._schedule((self._until - _GRACE_S - now) / 2, now)

    def stop(self) -> None:
        """End with the dialog."""
        self._until = self._refresh_at = 0.0

    def _set(self, value: bytes, ours: bool, now: float) -> int:
        text = value.partition(b";")[0].strip()
        seconds = int(text) if text.isdigit() and len(text) < 8 else 0
        self.stop()
        if seconds < _LEAST_S:
            return 0
        self._seconds = seconds
        self._until = now + seconds + _GRACE_S
        self._endpoint.timers.schedule(self._until, self, _OVER)
        if ours:
            self._schedule(seconds / 2, now)
        return seconds

    def _schedule(self, wait_s: float, now: float) -> None:
        if wait_s >= 1.0:
            self._refresh_at = now + wait_s
            self._endpoint.timers.schedule(self._refresh_at, self, _REFRESH)

    def on_timer(self, kind: int, now: float) -> None:
        """End what nobody has refreshed; refresh what is ours to keep."""
        if kind == _OVER and self._until and now >= self._until:
            self.stop()
            self._over("the session timer ended")
        elif kind == _REFRESH and self._refresh_at and now >= self._refresh_at:
            self._refresh(
                [
                    (b"Supported", b"timer"),
                    (b"Session-Expires", b"%d;refresher=uac" % self._seconds),
                ]
            )


def _tags(message: Request | Response, name: str) -> list[bytes]:
    try:
        return message.tokens(name)
    except BadMessage:
        return []


def _takes_update(message: Request | Response) -> bool:
    return _UPDATE in _tags(message, "allow")
