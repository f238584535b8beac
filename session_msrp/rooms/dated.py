# SPDX-License-Identifier: Apache-2.0
"""Room messages outside of the moment in which they were said: with the time they were."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sip.bodies.cpim import CpimMessage, address_uri, compose, parse_cpim
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
        cpim = parse_cpim(message.body)
        author = address_uri(cpim.get(b"From") or b"")  # not the sender, who may be anonymous
    except ParseError:
        return b""
    if cpim.part.media_type != b"text/plain":
        return b""
    name = message.nickname.encode() or author.partition(b":")[2].partition(b"@")[0]
    return name + b": " + cpim.part.content


def wrapped(sender: str, room: str, wall: float, content_type: bytes, body: bytes) -> CpimMessage:
    """Put a content into a message to a room. Raises: ParseError."""
    headers = [
        (b"From", b"<" + sender.encode() + b">"),
        (b"To", b"<" + room.encode() + b">"),
        (_DATE_TIME, date_time(wall)),
    ]
    return compose(headers, [(b"Content-Type", content_type)], body)
