# SPDX-License-Identifier: Apache-2.0
"""resource-lists: lists of contacts (RFC 4826 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast
from urllib.parse import urlsplit

from lxml import etree

from sip.bodies.xml import Element

from ..errors import Conflict
from ..fields import refuse_repeats
from ..usage import Own, Usage

__all__ = ["URN", "USAGE", "check_list", "is_http"]

URN: Final = "urn:ietf:params:xml:ns:resource-lists"

# Element, attribute that tells it from its siblings, what is said when it does not.
_KEYED: Final = (
    ("list", "name", "two lists of one name"),
    ("entry", "uri", "two entries of one URI"),
    ("entry-ref", "ref", "two references to one entry"),
    ("external", "anchor", "two references to one list"),
)


def _values_of(name: str, attribute: str) -> Callable[[Element], list[str]]:
    """Return what gives the values of an attribute of all children of a name.

    Making an object of each child first would take twice as long.
    """
    path = etree.XPath(f"l:{name}/@{attribute}", namespaces={"l": URN}, smart_strings=False)
    return cast("Callable[[Element], list[str]]", path)


_CHECKED: Final = tuple((*key, _values_of(key[0], key[1])) for key in _KEYED)


def check_list(parent: Element, namespace: str) -> None:
    """Check what stands in a list, or in a whole document (RFC 4826 3.4.5). Raises: Conflict."""
    unchecked = [parent]
    while unchecked:
        one = unchecked.pop()
        for name, attribute, phrase, values_in in _CHECKED:
            values = values_in(one)
            if len(values) > len(set(values)):
                refuse_repeats(one.iterchildren(f"{{{URN}}}{name}"), attribute, namespace, phrase)
        for reference in one.iterchildren(f"{{{URN}}}entry-ref"):
            if not _is_relative_path(reference.get("ref", "")):
                raise Conflict("constraint-failure", "ref of an entry-ref is no relative path")
        for external in one.iterchildren(f"{{{URN}}}external"):
            anchor = external.get("anchor")
            if anchor is not None and not is_http(anchor):
                raise Conflict("constraint-failure", "anchor of an external is no HTTP URI")
        unchecked.extend(one.iterchildren(f"{{{URN}}}list"))


def is_http(text: str) -> bool:
    """Say whether a text is an absolute HTTP URI."""
    try:
        parts = urlsplit(text.strip())
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _is_relative_path(text: str) -> bool:
    """Say whether a text is a relative-path reference of RFC 3986 4.2."""
    text = text.strip()
    return bool(text) and not text.startswith(("/", "?", "#")) and ":" not in text.split("/")[0]


def _check(root: Element, _own: Own) -> None:
    check_list(root, URN)


USAGE: Final = Usage(
    "resource-lists",
    namespace=URN,
    media_type="application/resource-lists+xml",
    root=f"{{{URN}}}resource-lists",
    check=_check,
    understood=("urn:ietf:params:xml:ns:copycontrol",),
)
