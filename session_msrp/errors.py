# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in ``session_msrp``.

MsrpError
 +-- FramingError     where the next message starts is not known any more: close the connection
 +-- BadChunk         this request cannot be used; the stream goes on behind it
 +-- MediaError       a media description cannot be used
"""

from __future__ import annotations

__all__ = ["BadChunk", "FramingError", "MediaError", "MsrpError"]


class MsrpError(Exception):
    """Root of all errors this package raises on purpose; `reason` may be shown to the peer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class FramingError(MsrpError):
    """The stream is out of step; nothing after this can be read."""


class BadChunk(MsrpError):
    """A request that is answered with `status` (RFC 4975 10)."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


class MediaError(MsrpError):
    """An m=message section, or what belongs to it, breaks RFC 4975 8."""
