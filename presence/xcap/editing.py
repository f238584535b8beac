# SPDX-License-Identifier: Apache-2.0
"""What PUT and DELETE make of a document: octets cut out, octets put in, all others untouched.

RFC 4825 8.2.3 to 8.2.4 and 8.4. Whoever calls has to read the result again: it may be invalid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

from lxml import etree

from sip.bodies.xml import Element

from .document import Document, check_octets, matches, read_tree
from .errors import Conflict
from .places import Bounds, check_bounds, find_places
from .selector import ANY, Attribute, NodeSelector, Step

__all__ = ["Edit", "fetch", "put_attribute", "put_element", "remove", "verify_put"]

# AttValue of XML 1.0 without its quotation marks: no "<", and "&" only as a reference.
_VALUE: Final = re.compile(
    r"(?:[^<&\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
    r"|&(?:lt|gt|amp|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)*"
)
_WHITE: Final = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Edit:
    """A document after a PUT. node: what a GET of the same node has to give now."""

    octets: bytes
    node: bytes
    created: bool


def fetch(document: Document, selector: NodeSelector) -> bytes | None:
    """Return the octets of a selected element or attribute; None for no match.

    An attribute comes as AttValue, with quotation marks (RFC 4825 7.9).
    """
    element = document.find(selector)
    if element is None:
        return None
    if not isinstance(selector.terminal, Attribute):
        return document.text(element)
    found = document.attribute(element, selector.terminal.name)
    return None if found is None else document.octets[found[1] : found[2]]


def put_element(
    document: Document, selector: NodeSelector, body: bytes, here: str, bounds: Bounds
) -> Edit:
    """Replace an element, or insert it where RFC 4825 8.2.3 wants it.

    Args: here: URI of the document, for the place of a missing parent.
    Raises: Conflict.
    """
    parent = _parent(document, selector, len(selector.steps) - 1, here)
    step = selector.steps[-1]
    siblings = document.children(parent)
    found = matches(siblings, step)
    if len(found) > 1:
        raise Conflict("cannot-insert", f"{len(found)} elements match the last step")
    body = body.strip(_WHITE)
    fragment = _fragment(body, document.root if parent is None else parent, bounds)
    if found:
        place = document.place(found[0])
        return Edit(_spliced(document, place.start, place.end, body), body, False)
    if parent is None:
        raise Conflict("cannot-insert", "a document has one root element, and another name")
    at = _position(document, parent, siblings, step, fragment.tag)
    if at < 0:
        raise Conflict("cannot-insert", "there are not so many elements before that position")
    place = document.place(parent)
    if place.inner == place.end:
        return Edit(_opened(document, parent, body), body, True)
    return Edit(_spliced(document, at, at, body), body, True)


def put_attribute(document: Document, selector: NodeSelector, body: bytes, here: str) -> Edit:
    """Set an attribute. Raises: Conflict."""
    element = _parent(document, selector, len(selector.steps), here)
    assert element is not None
    assert isinstance(selector.terminal, Attribute)
    literal = _literal(body)
    found = document.attribute(element, selector.terminal.name)
    if found is not None:
        return Edit(_spliced(document, found[1], found[2], literal), literal, False)
    name = _written_name(selector.terminal.name, element)
    place = document.place(element)
    tag = document.octets[place.start : place.inner - (2 if place.inner == place.end else 1)]
    at = place.start + len(tag.rstrip(_WHITE))
    return Edit(_spliced(document, at, at, b" %b=%b" % (name, literal)), literal, True)


def remove(document: Document, selector: NodeSelector) -> bytes | None:
    """Return the document without a node, white space around it kept; None when nothing matches.

    Raises: Conflict (cannot-delete) when several elements match: one of them would stay.
    """
    parent = document.follow(selector.steps[:-1])
    if parent is None and len(selector.steps) > 1:
        return None
    found = matches(document.children(parent), selector.steps[-1])
    if isinstance(selector.terminal, Attribute):
        place = document.attribute(found[0], selector.terminal.name) if len(found) == 1 else None
        return None if place is None else _spliced(document, place[0], place[2], b"")
    if len(found) > 1:
        raise Conflict("cannot-delete", f"{len(found)} elements match")
    if not found:
        return None
    if parent is None:
        raise Conflict("schema-validation-error", "a document needs its root element")
    text = document.place(found[0])
    return _spliced(document, text.start, text.end, b"")


def verify_put(changed: Document, selector: NodeSelector, edit: Edit) -> None:
    """Raise Conflict (cannot-insert) unless GET gives now what PUT brought."""
    if fetch(changed, selector) != edit.node:
        raise Conflict("cannot-insert", "the node selector would not select what was put")


def _parent(document: Document, selector: NodeSelector, count: int, here: str) -> Element | None:
    """Return the element that a node goes into; None for the document itself."""
    parent = document.follow(selector.steps[:count])
    if parent is not None or not count:
        return parent
    while count and document.follow(selector.steps[:count]) is None:
        count -= 1
    path = b"/".join(selector.segments[:count]).decode("ascii", "replace")
    ancestor = f"{here}/~~/{path}" if count else here
    raise Conflict("no-parent", "nothing is where it should go into", ancestor=ancestor)


def _position(
    document: Document, parent: Element, siblings: list[Element], step: Step, tag: str
) -> int:
    """Return where a new child goes; -1 when it cannot become the n-th (RFC 4825 8.2.3)."""
    same = [one for one in siblings if one.tag == tag]
    if not step.position or (step.position == 1 and not (siblings if step.name == ANY else same)):
        # Earliest last among its like; without any, behind all there is.
        return document.place(same[-1]).end if same else document.place(parent).tail
    counted = siblings if step.name == ANY else [one for one in siblings if one.tag == step.name]
    if step.position == 1:
        return document.place(counted[0]).start if counted else document.place(parent).tail
    if len(counted) < step.position - 1:
        return -1
    return document.place(counted[step.position - 2]).end


def _fragment(body: bytes, context: Element, bounds: Bounds) -> Element:
    """Read the content of a PUT of an element: that element and nothing else.

    Prefixes may be bound by what will be around it. Raises: Conflict.
    """
    check_octets(body)
    try:
        check_bounds(body, bounds)
    except Conflict as conflict:
        if conflict.condition == "not-well-formed":
            raise Conflict("not-xml-frag", conflict.reason) from None
        raise
    declared = "".join(
        f" xmlns{':' + prefix if prefix else ''}={quoteattr(uri)}"
        for prefix, uri in context.nsmap.items()
        if uri
    )
    root = read_tree(b"<x%b>%b</x>" % (declared.encode(), body), "not-xml-frag")
    places = find_places(body)
    if not places or places[0].start or places[0].end != len(body) or len(root) != 1:
        raise Conflict("not-xml-frag", "the content is not one element")
    return next(root.iterchildren(etree.Element))


def _literal(body: bytes) -> bytes:
    """Return an attribute value with quotation marks.

    RFC 4825 7.7 has them in the content; clients that leave them out are understood.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Conflict("not-utf-8", "the value is not UTF-8") from None
    quote = text[:1]
    if len(text) > 1 and quote in ('"', "'") and text[-1] == quote and quote not in text[1:-1]:
        value = text[1:-1]
    else:
        value, quote = text, "'" if '"' in text else '"'
        if quote in text:
            raise Conflict("not-xml-att-value", "the value holds both quotation marks")
    if not _VALUE.fullmatch(value):
        raise Conflict("not-xml-att-value", "the value holds what an attribute cannot")
    return f"{quote}{value}{quote}".encode()


def _written_name(name: str, element: Element) -> bytes:
    """Return the name of a new attribute with a prefix that is bound where it goes."""
    if not name.startswith("{"):
        return name.encode()
    uri, _, local = name[1:].partition("}")
    for prefix, bound in {**element.nsmap, "xml": "http://www.w3.org/XML/1998/namespace"}.items():
        if prefix and bound == uri:
            return f"{prefix}:{local}".encode()
    raise Conflict("cannot-insert", "the document binds no prefix to the attribute's name space")


def _opened(document: Document, parent: Element, body: bytes) -> bytes:
    """Put a child into an element that is an empty-element tag so far."""
    place = document.place(parent)
    head = document.octets[place.start + 1 : place.inner - 2]
    name = re.split(rb"\s", head, maxsplit=1)[0]
    content = b">%b</%b>" % (body, name)
    return _spliced(document, place.inner - 2, place.inner, content)


def _spliced(document: Document, start: int, end: int, octets: bytes) -> bytes:
    return document.octets[:start] + octets + document.octets[end:]
