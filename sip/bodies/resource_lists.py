# SPDX-License-Identifier: Apache-2.0
"""Recipient lists: application/resource-lists+xml with copy control (RFC 4826, 5364, 5365)."""

from __future__ import annotations

import re
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
_COPY_CONTROL: Final = _COPY + "copyControl"
_ANONYMIZE: Final = _COPY + "anonymize"
_LIST: Final = _NS + "list"
_ENTRY: Final = _NS + "entry"
_DISPLAY_NAME: Final = _NS + "display-name"
_PRECEDENCE: Final = ("to", "cc", "bcc")


# A list as nearly everybody writes it: one list of entries with nothing but these attributes. What
# such a document holds is known without a tree and a schema; ``w`` is white space.
_OWN_NS: Final = rb"w+xmlns=[\"']urn:ietf:params:xml:ns:resource-lists[\"']"
_COPY_NS: Final = rb"w+xmlns:cp=[\"']urn:ietf:params:xml:ns:copycontrol[\"']"


def _compiled(*pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(b"".join(pattern).replace(b"w", rb"[ \t\r\n]"))


_PLAIN_HEAD: Final = _compiled(
    rb"(?:<\?xml version=[\"']1\.0[\"'] encoding=[\"']UTF-8[\"']\?>)?w*<resource-lists",
    rb"(?:%b(%b)?|(%b)%b)w*>w*<list>w*" % (_OWN_NS, _COPY_NS, _COPY_NS, _OWN_NS),
)
_PLAIN_ENTRY: Final = _compiled(
    rb"<entryw+uri=\"(sips?:[^\x00-\x20\"#%&<>\[-^`{-\xff]+)\"",
    rb"(w+cp:copyControl=\"(to|cc|bcc)\")?(w+cp:anonymize=\"(true|false)\")?w*/>w*",
)
_PLAIN_TAIL: Final = _compiled(rb"</list>w*</resource-lists>w*")


@dataclass(slots=True)
class Entry:
    """One recipient. copy: to, cc or bcc. count: how many recipients the entry stands for.

    Never changed; not frozen, because one that is takes four times as long to make.
    """

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
    entries: dict[str, Entry] = {}
    for entry in _plain_entries(body) or _all_entries(body):
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
        element.set(_COPY_CONTROL, entry.copy)
        if entry.anonymize:
            element.set(_ANONYMIZE, "true")
        if entry.count > 1 or entry.uri == ANONYMOUS:
            element.set(_COPY + "count", str(entry.count))
        if entry.display_name:
            add(element, "display-name", entry.display_name)
    return write_xml(root)


def _plain_entries(body: bytes) -> list[Entry]:
    """Read a list as nearly everybody writes it; [] for any other, which has to be read in full."""
    head = _PLAIN_HEAD.match(body)
    if head is None:
        return []
    may_control = head.lastindex is not None
    entries = []
    at = head.end()
    while plain := _PLAIN_ENTRY.match(body, at):
        uri, _, copy, _, anonymize = plain.groups()
        if plain.lastindex != 1 and not may_control:
            return []
        entries.append(
            Entry(
                uri.decode("ascii"), copy.decode("ascii") if copy else "bcc", anonymize == b"true"
            )
        )
        at = plain.end()
    return entries if _PLAIN_TAIL.fullmatch(body, at) else []


def _all_entries(body: bytes) -> Iterator[Entry]:
    """Read the entries of any list."""
    root = parse_xml(body, _WHERE)
    if root.tag != _NS + "resource-lists":
        raise ParseError(_WHERE, "resource-lists document has another root element")
    validate(root, _WHERE)
    return map(_entry, _elements(root))


def _elements(root: Element) -> Iterator[Element]:
    """Walk the entries of all lists, but not what extensions hold."""
    open_lists = [iter(root)]
    while open_lists:
        for element in open_lists[-1]:
            if element.tag == _LIST:
                open_lists.append(iter(element))
                break
            if element.tag == _ENTRY:
                yield element
        else:
            open_lists.pop()


def _entry(element: Element) -> Entry:
    """Read an entry of a valid document."""
    uri = (element.get("uri") or "").strip()
    if not uri:
        raise ParseError(_WHERE, "resource-lists has an entry without a URI")
    copy = element.get(_COPY_CONTROL, "bcc")
    anonymize = element.get(_ANONYMIZE)
    name = text_of(child(element, _DISPLAY_NAME)) if len(element) else ""
    return Entry(uri, copy, anonymize is not None and anonymize.strip() in ("true", "1"), name)


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
