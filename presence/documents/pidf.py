# SPDX-License-Identifier: Apache-2.0
"""Presence documents: application/pidf+xml (RFC 3863) with what RFC 4479-4482 and 5196 add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lxml import etree

from sip.bodies.schema import validate
from sip.bodies.xml import Element, parse_xml, write_xml
from sip.errors import ParseError
from sip.uri import parse_uri

from .names import CAPS, CIPID, DATA_MODEL, DIFF, PIDF, PREFIXES, RPID, TIMED_STATUS, dm, pidf, rpid

__all__ = [
    "ELEMENTS",
    "MEDIA_TYPE",
    "Document",
    "check_entity",
    "closed",
    "new_presence",
    "parse_pidf",
    "put_basic",
    "serialise",
    "sphere_of",
    "tidy",
    "unavailable",
]

MEDIA_TYPE: Final = b"application/pidf+xml"
#: Elements of one document: what is done with documents takes time for each of them.
ELEMENTS: Final = 2_000

_WHERE: Final = "presence"
_SCHEMES: Final = (b"pres", b"im", b"sip", b"sips")
_KNOWN: Final = frozenset((PIDF, DATA_MODEL, RPID, CIPID, TIMED_STATUS, CAPS))
# Where the elements of a tuple stand; extensions come behind the status.
_ORDER: Final = {pidf("status"): 0, pidf("contact"): 2, pidf("note"): 3, pidf("timestamp"): 4}
#: ``id`` of the tuple that says what the node knows, and of the one that says nothing.
NODE_TUPLE: Final = "node"


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A valid presence document. ``root`` is its <presence>; nobody changes it."""

    root: Element

    @property
    def entity(self) -> str:
        """The URI of the presentity as the document has it."""
        return self.root.get("entity", "")

    @property
    def size(self) -> int:
        """How many elements there are, comments among them."""
        return sum(1 for _ in self.root.iter())


def parse_pidf(body: bytes, entity: str) -> Document:
    """Read a published document: <presence>, or the <pidf-full> of RFC 5264 as the same thing.

    Comments stay, so that a patch counts the nodes that its author sees.

    Args: entity: canonical AoR of the presentity.
    Raises: ParseError; status_hint 403 for a document about somebody else, 413 for a large one.
    """
    root = parse_xml(body, _WHERE, comments=True)
    if sum(1 for _ in root.iter()) > ELEMENTS:
        raise ParseError(_WHERE, "presence document has too many elements", 413)
    if root.tag not in (pidf("presence"), f"{{{DIFF}}}pidf-full"):
        raise ParseError(_WHERE, "presence document has another root element")
    try:
        validate(root, _WHERE)
    except ParseError:
        # Widespread softphones write <timestamp> before <note>.
        _put_in_order(root)
        validate(root, _WHERE)
    check_entity(root, entity)
    return Document(root if root.tag == pidf("presence") else _presence(root))


def check_entity(root: Element, entity: str) -> None:
    """Raise ParseError unless a document is about the presentity or names none.

    pres, im, sip and sips URIs of one user at one host are the same presentity.
    """
    named = root.get("entity")
    if named is not None and _presentity(named) != _presentity(entity):
        raise ParseError(_WHERE, "presence document is about another entity", 403)


def serialise(document: Document) -> bytes:
    """Return the octets of a document."""
    return write_xml(document.root)


def unavailable(entity: str) -> Document:
    """Return what is shown of somebody who is not there, or politely hides (RFC 5025 3.2.1)."""
    root = new_presence(entity)
    put_basic(root, "closed")
    return Document(root)


def closed(entity: str) -> bytes:
    """Return the octets of `unavailable`."""
    return serialise(unavailable(entity))


def new_presence(entity: str, namespaces: dict[str | None, str] = PREFIXES) -> Element:
    """Return an empty <presence>."""
    root = etree.Element(pidf("presence"), nsmap=namespaces)  # type: ignore[arg-type]
    root.set("entity", entity)
    return root


def put_basic(root: Element, basic: str, contact: str = "") -> None:
    """Append the tuple that says no more than open or closed."""
    element = etree.SubElement(root, pidf("tuple"), id=NODE_TUPLE)
    status = etree.SubElement(element, pidf("status"))
    etree.SubElement(status, pidf("basic")).text = basic
    if contact:
        etree.SubElement(element, pidf("contact")).text = contact


def sphere_of(document: Document) -> str:
    """Return the sphere the person is in; "" when unknown or contradictory (RFC 5025 3.1.2)."""
    spheres = document.root.iterfind(f"{dm('person')}/{rpid('sphere')}")
    found = {str(etree.QName(inner).localname) for one in spheres for inner in one}
    return found.pop() if len(found) == 1 else ""


def tidy(root: Element) -> None:
    """Drop comments, instructions and the white space between elements of known name spaces.

    What an extension holds stays as it is, but for comments.
    """
    etree.strip_tags(root, etree.Comment, etree.ProcessingInstruction)
    for element in root.iter("*"):
        if len(element) and etree.QName(element).namespace in _KNOWN:
            if element.text is not None and not element.text.strip():
                element.text = None
            for one in element:
                if one.tail is not None and not one.tail.strip():
                    one.tail = None


def _put_in_order(root: Element) -> None:
    """Bring what tuples hold into the order of the schema (RFC 3863 4.4)."""
    for one in root.iterchildren(pidf("tuple")):
        one[:] = sorted(one, key=_rank)


def _rank(element: Element) -> int:
    return _ORDER.get(str(element.tag), 1)


def _presence(full: Element) -> Element:
    """Return the <presence> that a <pidf-full> is."""
    namespaces = {prefix: uri for prefix, uri in full.nsmap.items() if uri != DIFF}
    root = new_presence(full.get("entity", ""), namespaces)
    root.text = full.text
    root.extend(list(full))
    return root


def _presentity(uri: str) -> str:
    """Return what two URIs of one presentity share; the URI itself when it is of another kind."""
    raw = uri.strip().encode("utf-8", "replace")
    scheme, _, rest = raw.partition(b":")
    if scheme.lower() not in _SCHEMES:
        return uri.strip()
    try:
        return parse_uri(b"sip:" + rest).aor
    except ParseError:
        return uri.strip()
