# SPDX-License-Identifier: Apache-2.0
"""Which document, and which node of it, a request means (RFC 4825 6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .errors import Refusal
from .selector import Attribute, Namespaces, NodeSelector, decode, parse_selector
from .uris import canonical
from .usage import GLOBAL, Own, Usage

__all__ = ["Target", "locate", "owner_of"]

ELEMENT: Final = "application/xcap-el+xml"
ATTRIBUTE: Final = "application/xcap-att+xml"
NAMESPACES: Final = "application/xcap-ns+xml"

_SEPARATOR: Final = re.compile(rb"(?:~|%7[Ee]){2}")
_NAME_OCTETS: Final = 255


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about. here: path of the document as the request wrote it.

    home: path of the directory that it is in. missing: it is in a directory below, and there are
    none.
    """

    usage: Usage
    own: Own
    here: str
    home: str
    selector: NodeSelector | None
    missing: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """Owner, usage and name of the document."""
        return self.own.owner, self.usage.auid, self.own.name

    @property
    def media_type(self) -> str:
        """What a PUT has to bring, and a GET gives (RFC 4825 8.2.2, 8.3)."""
        if self.selector is None:
            return self.usage.media_type
        if isinstance(self.selector.terminal, Namespaces):
            return NAMESPACES
        return ATTRIBUTE if isinstance(self.selector.terminal, Attribute) else ELEMENT


def owner_of(path: bytes) -> str:
    """Return the user in whose tree a path lies, as an address of record; "" for none.

    Args: path: raw, below the XCAP root, without a slash in front.
    """
    segments = path.split(b"/", 3)
    if len(segments) < 3 or segments[1] != b"users":
        return ""
    try:
        return canonical(decode(segments[2]))
    except Refusal:
        return ""


def locate(root: str, path: bytes, query: bytes, usages: Mapping[str, Usage]) -> Target:
    """Read a request target.

    Args: root: path of the XCAP root. path: raw, what follows it and a slash. query: raw.
    Raises: Refusal: 400 for what breaks the grammar, 404 for what cannot exist.
    """
    segments = path.split(b"/")
    cut = next((i for i, one in enumerate(segments) if _SEPARATOR.fullmatch(one)), len(segments))
    names = [_name(segment) for segment in segments[:cut]]
    usage = usages.get(names[0])
    tree = names[1] if len(names) > 1 else ""
    if usage is None or tree not in ("users", "global"):
        raise Refusal(404, "there is no such application usage")
    depth = 3 if tree == "users" else 2
    owner = canonical(names[2]) if tree == "users" and len(names) > 2 else GLOBAL
    if tree == "users" and "@" not in owner:
        raise Refusal(404, "there is no such user")
    below = names[depth:]
    if not below or not all(below):
        raise Refusal(404, "there is no such document")
    selector = None
    if cut < len(segments):
        node = b"/".join(segments[cut + 1 :])
        selector = parse_selector(node, query, usage.namespace)
    raw = [segment.decode("ascii", "replace") for segment in segments[:cut]]
    return Target(
        usage,
        Own(owner, below[-1]),
        "/".join([root, *raw]),
        "/".join([root, *raw[:depth]]),
        selector,
        missing=len(below) > 1,
    )


def _name(segment: bytes) -> str:
    """Decode a segment of a document selector (threats.md X4)."""
    name = decode(segment)
    if name in (".", "..") or "/" in name or "\\" in name:
        raise Refusal(400, "a path segment leads elsewhere")
    if len(segment) > _NAME_OCTETS:
        raise Refusal(404, "a path segment is too long")
    return name
