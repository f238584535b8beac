# SPDX-License-Identifier: Apache-2.0
"""Recipient lists: application/resource-lists+xml with copy control (RFC 4826, 5364, 5365)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from ..errors import ParseError
from ..uri import parse_uri
from .schema import validate
from .xml import Element, add, child, new_root, parse_xml, text_of, write_xml, written

__all__ = [
    "ANONYMOUS",
    "MEDIA_TYPE",
    "Entry",
    "build_history",
    "build_list",
    "parse_recipients",
]

MEDIA_TYPE: Final = b"application/resource-lists+xml"
#: What stands in a history for recipients who want to stay unknown (RFC 5364 4).
ANONYMOUS: Final = "sip:anonymous@anonymous.invalid"

_WHERE: Final = "resource-lists"
_URN: Final = "urn:ietf:params:xml:ns:resource-lists"
_COPY_URN: Final = "urn:ietf:params:xml:ns:copycontrol"
_NS: Final = f"{{{_URN}}}"
_COPY: Final = f"{{{_COPY_URN}}}"
_PRECEDENCE: Final = ("to", "cc", "bcc")


@dataclass(frozen=True, slots=True)
class Entry:
    """One recipient. copy: to, cc or bcc. count: how many recipients the entry stands for."""

    uri: str
    copy: str = "bcc"
    anonymize: bool = False
    display_name: str = ""
    count: int = 1


def parse_recipients(body: bytes, most: int) -> tuple[Entry, ...]:
    """Read a recipient list; lists inside lists are read as one, in order.

    References to other lists are passed over (RFC 5365 7). Of several entries for one URI the
    first stays, with the most open copy level of them all (RFC 5364 4).

    Args: most: different recipients a list may have.
    Raises: ParseError; status_hint 413 for more than ``most``.
    """
    root = parse_xml(body, _WHERE)
    if root.tag != _NS + "resource-lists":
        raise ParseError(_WHERE, "resource-lists document has another root element")
    validate(root, _WHERE)
    entries: dict[str, Entry] = {}
    for element in _elements(root):
        entry = _entry(element)
        key = _identity(entry.uri)
        known = entries.get(key)
        entries[key] = entry if known is None else _merged(known, entry)
        if len(entries) > most:
            raise ParseError(_WHERE, f"resource-lists has more than {most} recipients", 413)
    return tuple(entries.values())


def build_list(entries: Iterable[Entry]) -> bytes:
    """Write a list as a client sends it."""
    return _write(entries)


def build_history(entries: Iterable[Entry]) -> bytes:
    """Write who else gets the message: no bcc, and the anonymous only counted (RFC 5364 4).

    All recipients get the same list.
    """
    return _write(_visible(tuple(entries)))


def _visible(entries: tuple[Entry, ...]) -> Iterator[Entry]:
    hidden = Counter(entry.copy for entry in entries if entry.anonymize)
    for copy in _PRECEDENCE[:2]:
        for entry in entries:
            if entry.copy == copy and not entry.anonymize:
                yield entry
        if hidden[copy]:
            yield Entry(ANONYMOUS, copy, count=hidden[copy])


def _write(entries: Iterable[Entry]) -> bytes:
    root = new_root(_URN, "resource-lists", cp=_COPY_URN)
    listed = add(root, "list")
    for entry in entries:
        element = add(listed, "entry")
        element.set("uri", written(entry.uri))
        element.set(_COPY + "copyControl", entry.copy)
        if entry.anonymize:
            element.set(_COPY + "anonymize", "true")
        if entry.count > 1 or entry.uri == ANONYMOUS:
            element.set(_COPY + "count", str(entry.count))
        if entry.display_name:
            add(element, "display-name", entry.display_name)
    return write_xml(root)


def _elements(root: Element) -> Iterator[Element]:
    """Walk the entries of all lists, but not what extensions hold."""
    open_lists = [iter(root)]
    while open_lists:
        for element in open_lists[-1]:
            if element.tag == _NS + "list":
                open_lists.append(iter(element))
                break
            if element.tag == _NS + "entry":
                yield element
        else:
            open_lists.pop()


def _entry(element: Element) -> Entry:
    """Read an entry of a valid document."""
    uri = (element.get("uri") or "").strip()
    copy = element.get(_COPY + "copyControl", "bcc")
    anonymize = element.get(_COPY + "anonymize", "false").strip()
    if not uri:
        raise ParseError(_WHERE, "resource-lists has an entry without a URI")
    name = text_of(child(element, _NS + "display-name"))
    return Entry(uri, copy, anonymize in ("true", "1"), name)


def _identity(uri: str) -> str:
    """Return what two URIs of one recipient share; the URI itself when it is none."""
    try:
        parsed = parse_uri(uri.encode("ascii"))
    except (ParseError, UnicodeEncodeError):
        return uri
    return parsed.aor


def _merged(known: Entry, again: Entry) -> Entry:
    copy = min(known.copy, again.copy, key=_PRECEDENCE.index)
    return replace(known, copy=copy, anonymize=known.anonymize or again.anonymize)
