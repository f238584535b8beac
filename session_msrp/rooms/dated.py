# SPDX-License-Identifier: Apache-2.0
"""Room messages outside of the moment in which they were said: with the time they were."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sip.bodies.cpim import CpimMessage, compose, parse_cpim
from sip.errors import ParseError

from .values import RoomMessage

__all__ = ["date_time", "dated", "plain", "wrapped"]

_DATE_TIME: Final = b"DateTime"


def date_time(wall: float) -> bytes:
    """Return epoch seconds as a CPIM DateTime (RFC 3862 4.5)."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").encode()


def dated(message: RoomMessage) -> bytes:
    """Return the content of a message, with the time it came where its author gave none."""
    try:
        cpim = parse_cpim(message.body)
        if cpim.get(_DATE_TIME) is None:
            return cpim.with_header(_DATE_TIME, date_time(message.at)).encode()
    except ParseError:
        pass  # it goes on as it was taken
    return message.body


def plain(message: RoomMessage) -> bytes:
    """Return a text as a device shows it that knows no wrapper: who says what; b"" for no text."""
    try:
        part = parse_cpim(message.body).part
    except ParseError:
        return b""
    if part.media_type != b"text/plain":
        return b""
    name = message.nickname or message.sender.partition(":")[2].partition("@")[0]
    return name.encode() + b": " + part.content


def wrapped(sender: str, room: str, wall: float, content_type: bytes, body: bytes) -> CpimMessage:
    """Put a content into a message to a room. Raises: ParseError."""
    headers = [
        (b"From", b"<" + sender.encode() + b">"),
        (b"To", b"<" + room.encode() + b">"),
        (_DATE_TIME, date_time(wall)),
    ]
    return compose(headers, [(b"Content-Type", content_type)], body)
