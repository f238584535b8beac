# SPDX-License-Identifier: Apache-2.0
"""A document as XCAP sees it: its octets, its tree, and where in the octets each element stands.

What clients get are the octets that clients put. The tree only tells which of them are meant.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final
from xml.sax.saxutils import quoteattr

from lxml import etree

from sip.bodies.xml import Element, plain

from .errors import Conflict
from .places import Bounds, Place, attributes, check_bounds, find_places
from .selector import ANY, NodeSelector, Step

__all__ = ["Document", "check_octets", "expanded", "matches", "read_tree"]

_DECLARED: Final = re.compile(rb"<\?xml[^>]{0,200}?\sencoding\s*=\s*[\"']([^\"']{0,40})[\"']")
_BOM: Final = b"\xef\xbb\xbf"
_XINCLUDE: Final = b"http://www.w3.org/2001/XInclude"
_PARSER: Final = etree.XMLParser(
    encoding="utf-8",
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
)
_XML: Final = "http://www.w3.org/XML/1998/namespace"


def check_octets(octets: bytes) -> None:
    """Refuse what no parser may see: other encodings, document types, inclusions (threats.md X1).

    Raises: Conflict.
    """
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Conflict("not-utf-8", "the content is not UTF-8") from None
    declared = _DECLARED.match(octets.removeprefix(_BOM))
    if (declared and declared[1].upper() != b"UTF-8") or b"\0" in octets[:4]:
        raise Conflict("not-utf-8", "the content is in another encoding than UTF-8")
    if b"<!DOCTYPE" in octets or b"<!ENTITY" in octets:
        raise Conflict("constraint-failure", "documents have no document type here")
    if _XINCLUDE in octets:
        raise Conflict("constraint-failure", "documents include no others here")


def read_tree(octets: bytes, condition: str) -> Element:
    """Parse octets that were checked; comments and processing instructions are left out.

    Raises: Conflict with ``condition``.
    """
    try:
        return etree.fromstring(octets, _PARSER)
    except etree.XMLSyntaxError as error:
        raise Conflict(condition, plain(str(error))) from None


class Document:
    """A well-formed document within bounds; None for one that was kept and is within them."""

    def __init__(self, octets: bytes, bounds: Bounds | None) -> None:
        """Read it. Raises: Conflict: not-utf-8, not-well-formed or constraint-failure."""
        if bounds is not None:
            check_octets(octets)
            check_bounds(octets, bounds)
        self.octets = octets
        self.root = read_tree(octets, "not-well-formed")

    @cached_property
    def _by_element(self) -> dict[Element, Place]:
        elements = list(self.root.iter(etree.Element))
        return dict(zip(elements, find_places(self.octets), strict=True))

    def place(self, element: Element) -> Place:
        """Return where an element stands."""
        return self._by_element[element]

    def text(self, element: Element) -> bytes:
        """Return the octets of an element, from its first bracket to its last."""
        place = self.place(element)
        return self.octets[place.start : place.end]

    def attribute(self, element: Element, name: str) -> tuple[int, int, int] | None:
        """Return where an attribute stands, see `places.attributes`; None when there is none."""
        if element.get(name) is None:
            return None
        for written, before, start, end in attributes(self.octets, self.place(element)):
            if expanded(written.decode(), element) == name:
                return before, start, end
        return None

    def find(self, selector: NodeSelector) -> Element | None:
        """Return the one element that the steps lead to; None for no match, or several."""
        return self.follow(selector.steps)

    def follow(self, steps: tuple[Step, ...]) -> Element | None:
        """Return the element that some steps lead to."""
        element: Element | None = None
        for step in steps:
            found = matches(self.children(element), step)
            if len(found) != 1:
                return None
            element = found[0]
        return element

    def children(self, parent: Element | None) -> list[Element]:
        """Return the child elements of an element, or of the document itself."""
        return [self.root] if parent is None else list(parent)

    def scope(self, element: Element) -> str:
        """Return the name space bindings in scope, as declarations with a blank before each."""
        return "".join(
            f" xmlns{':' + prefix if prefix else ''}={quoteattr(uri)}"
            for prefix, uri in sorted(element.nsmap.items(), key=lambda item: item[0] or "")
            if uri
        )

    def bindings(self, element: Element) -> bytes:
        """Return the name space bindings in scope as RFC 4825 10 writes them."""
        name = etree.QName(element).localname
        shown = f"{element.prefix}:{name}" if element.prefix else name
        return f"<{shown}{self.scope(element)}/>".encode()


def matches(candidates: list[Element], step: Step) -> list[Element]:
    """Apply the name and then the predicates of a step, in this order (RFC 4825 6.3)."""
    found = candidates
    if step.name != ANY:
        found = [one for one in found if one.tag == step.name]
    if step.position:
        found = found[step.position - 1 : step.position]
    if step.attribute:
        found = [one for one in found if one.get(step.attribute) == step.value]
    return found


def expanded(name: str, element: Element) -> str:
    """Return the expanded name of an attribute written in an element; "" for a declaration."""
    prefix, colon, local = name.rpartition(":")
    if not colon:
        return "" if name == "xmlns" else name
    if prefix == "xmlns":
        return ""
    uri = _XML if prefix == "xml" else element.nsmap.get(prefix, "")
    return f"{{{uri}}}{local}"
