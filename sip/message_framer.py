# SPDX-License-Identifier: Apache-2.0
"""Messages of a transport that keeps them apart, such as WebSocket (RFC 7118 5)."""

from __future__ import annotations

import re
from typing import Final

from .errors import LimitExceeded, ParseError
from .framer import PING, Ping
from .limits import Limits
from .salvage import salvage

__all__ = ["MessageFramer"]

_LENGTH: Final = re.compile(rb"\n(?:content-length|l)[ \t]*:", re.IGNORECASE)


class MessageFramer:
    """Stands where a StreamFramer stands for a stream: what is fed is one message, or a keep-alive.

    A message without Content-Length leaves with one, so that nobody behind this has to know that it
    may be missing; one that does not fit is refused by whoever parses it (rule F11).
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._message = b""
        self.mid_message = False
        self.closed = False

    def feed(self, data: bytes) -> None:
        """Take one message; ignored after an error."""
        if not self.closed:
            self._message = data

    def next(self) -> bytes | Ping | None:
        """Return the message, PING for a double CRLF, None when there is nothing.

        Raises: ParseError or LimitExceeded, with ``close`` set; the framer is closed then.
        """
        fed, self._message = self._message, b""
        data = fed.lstrip(b"\r\n")
        if not data:
            return PING if len(fed) >= 4 else None
        try:
            return self._whole(data)
        except (ParseError, LimitExceeded) as error:
            error.close = True
            error.partial = salvage(data, self._limits)
            self.closed = True
            raise

    def _whole(self, data: bytes) -> bytes:
        most = self._limits.head_bytes
        end = data.find(b"\r\n\r\n", 0, most + 4)
        if end < 0:
            if len(data) > most:
                raise LimitExceeded("head_bytes", most, "Headers are too large")
            raise ParseError("message", "No empty line behind the headers")
        first = data[: data.find(b"\r\n")].upper()
        if not first.startswith(b"SIP/") and b" SIP/" not in first:
            raise ParseError("message", "Start line is not SIP")
        if _LENGTH.search(data, 0, end) is not None:
            return data
        return b"%b\r\nContent-Length: %d%b" % (data[:end], len(data) - end - 4, data[end:])
