# SPDX-License-Identifier: Apache-2.0
"""What of a pager message becomes a short message."""

from __future__ import annotations

from dataclasses import dataclass

from pager.contents import read_notice
from sip.bodies.cpim import MEDIA_TYPE, is_cpim, parse_cpim
from sip.bodies.mediatype import media_type
from sip.errors import ParseError

__all__ = ["ACCEPT", "Content", "read_content"]

#: What a phone behind a message centre can be sent.
ACCEPT = b"Accept: text/plain, message/cpim"


@dataclass(frozen=True, slots=True)
class Content:
    """A text, and the head of the CPIM message around it when its sender asked for receipts."""

    text: str
    asked: bytes = b""


def read_content(content_type: bytes, body: bytes) -> Content | None:
    """Return the text of a message; None when it is none, or one about another message."""
    if not is_cpim(content_type):
        text = _text(content_type, body)
        return None if text is None else Content(text)
    notice = read_notice(MEDIA_TYPE, body)
    if notice is not None and notice.kind:
        return None
    try:
        message = parse_cpim(body)
    except ParseError:
        return None
    text = _text(message.part.content_type, message.part.content)
    if text is None:
        return None
    asked = b""
    if notice is not None and notice.asked:
        lines = b"".join(header.line + b"\r\n" for header in message.headers)
        asked = lines + b"\r\nContent-Type: text/plain\r\n\r\n"
    return Content(text, asked)


def _text(content_type: bytes, body: bytes) -> str | None:
    if media_type(content_type) != b"text/plain":
        return None
    charset = "utf-8"
    for parameter in content_type.split(b";")[1:]:
        name, _, value = parameter.partition(b"=")
        if name.strip().lower() == b"charset":
            charset = value.strip().strip(b'"').decode("ascii", "replace")
    try:
        return body.decode(charset)
    except (LookupError, UnicodeDecodeError):
        return None
