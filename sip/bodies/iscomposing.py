# SPDX-License-Identifier: Apache-2.0
"""Who is typing: application/im-iscomposing+xml (RFC 3994)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import ParseError
from ..grammar import parse_uint
from .xml import add, child, new_root, parse_xml, text_of, write_xml

__all__ = ["MEDIA_TYPE", "IsComposing", "build_iscomposing", "parse_iscomposing"]

MEDIA_TYPE: Final = b"application/im-iscomposing+xml"

_WHERE: Final = "is-composing"
_URN: Final = "urn:ietf:params:xml:ns:im-iscomposing"
_NS: Final = f"{{{_URN}}}"
# How long a receiver believes "active" without being told again (RFC 3994 3.3).
_LASTS_S: Final = 120
_REFRESH_MAX_S: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class IsComposing:
    """One status message.

    refresh_s: when the sender says it again, None when it does not say. last_active: as it came.
    """

    active: bool
    refresh_s: int | None = None
    content_type: str = ""
    last_active: str = ""

    @property
    def lasts_s(self) -> int:
        """Seconds after which an active state is over when nothing more comes."""
        return self.refresh_s or _LASTS_S


def parse_iscomposing(body: bytes) -> IsComposing:
    """Read a status message; a state nobody knows means idle (RFC 3994 4).

    Raises: ParseError.
    """
    root = parse_xml(body, _WHERE)
    if root.tag != _NS + "isComposing":
        raise ParseError(_WHERE, "is-composing document has another root element")
    state = child(root, _NS + "state")
    if state is None:
        raise ParseError(_WHERE, "is-composing document has no state")
    refresh = text_of(child(root, _NS + "refresh")).encode()
    return IsComposing(
        text_of(state) == "active",
        (parse_uint(refresh, _REFRESH_MAX_S, "is-composing refresh") or None) if refresh else None,
        text_of(child(root, _NS + "contenttype")),
        text_of(child(root, _NS + "lastactive")),
    )


def build_iscomposing(status: IsComposing) -> bytes:
    """Write a status message."""
    root = new_root(_URN, "isComposing")
    fields = (
        ("state", "active" if status.active else "idle"),
        ("lastactive", status.last_active),
        ("contenttype", status.content_type),
        ("refresh", str(status.refresh_s or "")),
    )
    for name, text in fields:
        if text:
            add(root, name, text)
    return write_xml(root)
