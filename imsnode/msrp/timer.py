# SPDX-License-Identifier: Apache-2.0
"""Session timers as a proxy asks for them and watches them (RFC 4028 8)."""

from __future__ import annotations

import re
from typing import Final

from sip.errors import BadMessage
from sip.message import Request, Response
from sip.routing import Refusal

__all__ = ["MIN_INTERVAL_S", "SessionTimer"]

#: RFC 4028 5: nobody may ask for less.
MIN_INTERVAL_S: Final = 90
_SECONDS: Final = re.compile(rb"([0-9]{1,9})[ \t]*(?:;.*)?", re.DOTALL)
_EXPIRES: Final = frozenset(("session-expires",))
_BOTH: Final = frozenset(("session-expires", "min-se"))


class SessionTimer:
    """What one session refresh request, an INVITE or UPDATE, and its response say of the timer.

    Args: wanted: seconds this node asks for, 0 asks for nothing.
    """

    def __init__(self, request: Request, wanted: int) -> None:
        self._supported = b"timer" in _tags(request, "supported")
        self._asked = asked = _seconds(request, "session-expires")
        self._least = least = max(_seconds(request, "min-se"), MIN_INTERVAL_S)
        if not asked:
            self._interval = max(wanted, least) if wanted else 0
        else:
            self._interval = max(min(asked, wanted or asked), least)

    def refusal(self) -> Refusal | None:
        """Return why a request is refused: 422 when its sender can ask again for more (8.1)."""
        if self._supported and 0 < self._asked < MIN_INTERVAL_S:
            return Refusal(422, None, (b"Min-SE: %d" % MIN_INTERVAL_S,))
        return None

    def ask(self, request: Request) -> None:
        """Write what this node asks for into the request; who refreshes is not its business."""
        if self._interval == self._asked:
            return
        _, semicolon, refresher = (request.get("session-expires") or b"").partition(b";")
        line = b"Session-Expires: %d%b%b" % (self._interval, semicolon, refresher)
        if self._supported or not 0 < self._asked < self._least:
            request.remove_headers(_EXPIRES, (line,))
        else:
            request.remove_headers(_BOTH, (line, b"Min-SE: %d" % self._least))

    def settle(self, response: Response) -> int:
        """Return the seconds that a 2xx agrees on, 0 without a timer.

        Where the caller alone knows timers, the response says so for the callee (8.2).
        """
        agreed = _seconds(response, "session-expires")
        if agreed or not (self._interval and self._supported):
            return agreed
        lines = [b"Session-Expires: %d;refresher=uac" % self._interval]
        if b"timer" not in _tags(response, "require"):
            lines.append(b"Require: timer")
        response.remove_headers(_EXPIRES, lines)
        return self._interval


def _seconds(message: Request | Response, name: str) -> int:
    """Return the number of a header, 0 without one that can be read."""
    found = _SECONDS.fullmatch(message.get(name) or b"")
    return 0 if found is None else int(found[1])


def _tags(message: Request | Response, name: str) -> list[bytes]:
    try:
        return message.tokens(name)
    except BadMessage:
        return []
