# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in ``sip``.

SipError
 +-- BadMessage              what came from the network cannot be used as it is
 |    +-- ParseError         it breaks the grammar or a rule of the protocol
 |    +-- LimitExceeded      it is larger than a configured bound
 +-- LocalProtocolError      our own caller asked for something impossible
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .message import Partial


_PHRASES: Final = {
    413: b"Request Entity Too Large",
    505: b"Version Not Supported",
    513: b"Message Too Large",
}


class SipError(Exception):
    """Root of all errors this package raises on purpose."""


class BadMessage(SipError):
    """A message from the network that cannot be used.

    ``where`` names the header or part, ``reason`` says in plain words what is wrong and may be
    shown to the peer, ``status_hint`` is the SIP status that fits. ``partial`` is set by the parser
    when enough of a request could be read to answer it; without it the message is dropped.
    ``close`` is true when a stream that carried it cannot be trusted to be in step any more.
    """

    def __init__(
        self,
        where: str,
        reason: str,
        status_hint: int = 400,
        partial: Partial | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(where, reason, status_hint)
        self.where = where
        self.reason = reason
        self.status_hint = status_hint
        self.partial = partial
        self.close = close

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"

    @property
    def phrase(self) -> bytes:
        """The reason phrase for the status line of an answer."""
        usual = _PHRASES.get(self.status_hint, b"Bad Request")
        return usual + b": " + self.reason.encode("ascii", "replace")


class ParseError(BadMessage):
    """The message breaks the grammar of RFC 3261 section 25 or a rule about its content."""


class LimitExceeded(BadMessage):
    """A bound was reached: ``name`` is the field of ``Limits``, ``limit`` its value."""

    def __init__(self, name: str, limit: int, reason: str, status_hint: int = 513) -> None:
        super().__init__(name, reason, status_hint)
        self.name = name
        self.limit = limit


class LocalProtocolError(SipError):
    """The calling code broke a rule; nothing was sent."""
