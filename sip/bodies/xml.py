# SPDX-License-Identifier: Apache-2.0
"""XML from strangers: bounded, without entities, document types, inclusions or network."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from lxml import etree

from ..errors import ParseError

__all__ = [
    "ATTRIBUTES",
    "DEPTH",
    "Element",
    "add",
    "child",
    "new_root",
    "parse_xml",
    "plain",
    "text_of",
    "write_xml",
    "written",
]

Element = etree._Element

# Bounds of one document: octets, levels, attributes of all its elements and of one, name spaces.
OCTETS: Final = 262_144
DEPTH: Final = 64
ATTRIBUTES: Final = 1_000
ELEMENT_ATTRIBUTES: Final = 64
NAMESPACES: Final = 64

_CHUNK: Final = 8_192
_WITH_COMMENTS: Final[dict[str, Any]] = {
    "encoding": "utf-8",
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": False,
    "remove_pis": False,
}
_WITHOUT_COMMENTS: Final = _WITH_COMMENTS | {"remove_comments": True, "remove_pis": True}
_XINCLUDE: Final = "http://www.w3.org/2001/XInclude"
_DECLARED: Final = re.compile(rb"<\?xml[^>]{0,200}?\sencoding\s*=\s*[\"']([^\"']{0,40})[\"']")
# Characters that no XML 1.0 document can hold, not even as references.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse_xml(data: bytes, where: str, comments: bool = False) -> Element:
    """Read a document of at most ``OCTETS`` octets and return its root.

    Args:
        where: names the format in the error.
        comments: keep comments and processing instructions, which are dropped otherwise.
    Raises: ParseError; status_hint 413 for a document beyond one of the bounds.
    """
    if len(data) > OCTETS:
        raise ParseError(where, f"{where} document is too large", 413)
    data = data.removeprefix(b"\xef\xbb\xbf")
    _check_octets(data, where)
    options = _WITH_COMMENTS if comments else _WITHOUT_COMMENTS
    try:
        if _is_small(data):
            return etree.fromstring(data, etree.XMLParser(**options))
        parser = etree.XMLPullParser(("start", "end", "start-ns"), **options)
        bounds = _Bounds(where)
        for start in range(0, len(data), _CHUNK):
            parser.feed(data[start : start + _CHUNK])
            bounds.check(parser.read_events())
        root = parser.close()
        bounds.check(parser.read_events())
    except etree.XMLSyntaxError as error:
        raise ParseError(where, f"{where} is not well-formed: {plain(str(error.msg))}") from None
    return root


def child(element: Element, tag: str) -> Element | None:
    """Return the only child of that tag, None when there is none or more than one."""
    found = element.findall(tag)
    return found[0] if len(found) == 1 else None


def text_of(element: Element | None) -> str:
    """Return the text of an element without white space around it; "" for None."""
    return "" if element is None or element.text is None else element.text.strip()


def new_root(namespace: str, name: str, **prefixes: str) -> Element:
    """Return the root of a new document whose default name space is ``namespace``."""
    nsmap: dict[str | None, str] = {None: namespace}
    for prefix, uri in prefixes.items():
        nsmap[prefix] = uri
    return etree.Element(f"{{{namespace}}}{name}", nsmap=nsmap)  # type: ignore[arg-type]


def add(parent: Element, name: str, text: str = "") -> Element:
    """Append an element of the parent's name space; no text leaves it empty."""
    element = etree.SubElement(parent, f"{{{etree.QName(parent).namespace}}}{name}")
    if text:
        element.text = written(text)
    return element


def written(text: str) -> str:
    """Return a text as XML can hold it: what it cannot is replaced by U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", text)


def write_xml(root: Element) -> bytes:
    """Return the octets of a document with its declaration."""
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"


def plain(text: str) -> str:
    """Return the beginning of a text of the parser as it may stand in the reason of an error."""
    return "".join([c if c.isprintable() else " " for c in text[:160]])


def _is_small(data: bytes) -> bool:
    """Tell whether a document is within every bound, as its octets show without being read.

    Each attribute and each declaration has an equals sign of its own, and each level but the last
    two marks; a character reference could hide the name space of inclusions.
    """
    return (
        len(data) <= _CHUNK
        and data.count(b"=") <= min(ELEMENT_ATTRIBUTES, NAMESPACES)
        and data.count(b"<") < 2 * DEPTH
        and b"&#" not in data
        and _XINCLUDE.encode() not in data
    )


def _check_octets(data: bytes, where: str) -> None:
    """Refuse what must not even be parsed; only UTF-8 can hide none of it."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise ParseError(where, f"{where} is not UTF-8") from None
    declared = _DECLARED.match(data)
    if declared and declared[1].upper() != b"UTF-8":
        raise ParseError(where, f"{where} declares another encoding than UTF-8")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ParseError(where, f"{where} has a document type")


class _Bounds:
    """Counts what a document holds while it is being read."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._depth = 0
        self._attributes = 0
        self._namespaces = 0
        self._may_include = False  # the name space of inclusions has been declared

    def check(self, events: Iterable[tuple[str, Any]]) -> None:
        """Raise ParseError when what came is too much, or includes another document."""
        for kind, what in events:
            if kind == "end":
                self._depth -= 1
            elif kind == "start":
                self._depth += 1
                attributes = len(what.attrib)
                self._attributes += attributes
                if self._depth > DEPTH or attributes > ELEMENT_ATTRIBUTES or self._may_include:
                    self._check_element(what, attributes)
            else:
                self._namespaces += 1
                self._may_include = self._may_include or what[1] == _XINCLUDE
        if self._attributes > ATTRIBUTES:
            raise ParseError(self._where, f"{self._where} has too many attributes", 413)
        if self._namespaces > NAMESPACES:
            raise ParseError(self._where, f"{self._where} has too many name spaces", 413)

    def _check_element(self, element: Element, attributes: int) -> None:
        if self._depth > DEPTH:
            raise ParseError(self._where, f"{self._where} is nested too deeply", 413)
        if attributes > ELEMENT_ATTRIBUTES:
            raise ParseError(self._where, f"{self._where} has too many attributes", 413)
        if str(element.tag).startswith(f"{{{_XINCLUDE}}}"):
            raise ParseError(self._where, f"{self._where} includes another document")
