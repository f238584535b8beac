# SPDX-License-Identifier: Apache-2.0
"""Where the elements of a document stand: ranges of octets, and the bounds of XML on the way.

One pass over the octets, before a tree is built. It takes well-formedness for granted, which the
parser that comes after it checks: what is not well-formed gets places that nobody uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .errors import Conflict

__all__ = ["Bounds", "Place", "attributes", "find_places"]

# Time is linear in hostile octets too: nothing is tried twice (possessive), and a "<" that begins
# nothing ends the pass.
_TOKEN: Final = re.compile(
    rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>"
    rb"|<(?![!?])[^\"'>]*+(?:(?:\"[^\"]*+\"|'[^']*+')[^\"'>]*+)*+>|(<)",
    re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(
    rb"(?<!\s)\s++([^\s=/<>\"']++)\s*+=\s*+(\"[^\"]*+\"|'[^']*+')", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a document may hold: levels, attributes of all elements and of one, name spaces."""

    depth: int = 64
    attributes: int = 1000
    element_attributes: int = 64
    namespaces: int = 64


class Place:
    """The octets of one element: [start, end); its content is [inner, tail).

    Of an empty-element tag ``inner``, ``tail`` and ``end`` are one.
    """

    __slots__ = ("end", "inner", "start", "tail")

    def __init__(self, start: int, inner: int) -> None:
        self.start = start
        self.inner = self.tail = self.end = inner


def find_places(octets: bytes, bounds: Bounds) -> list[Place]:
    """Return the places of all elements, in document order.

    Raises: Conflict: constraint-failure beyond the bounds, not-well-formed for some of what is not.
    """
    places: list[Place] = []
    unclosed: list[Place] = []
    attribute_count = namespace_count = 0
    for token in _TOKEN.finditer(octets):
        if token.lastindex:
            raise Conflict("not-well-formed", "a piece of markup has no end")
        start, end = token.span()
        first = octets[start + 1]
        if first in b"!?":
            continue
        if first == 0x2F:  # </name>
            if unclosed:
                place = unclosed.pop()
                place.tail, place.end = start, end
            continue
        place = Place(start, end)
        places.append(place)
        if len(unclosed) >= bounds.depth:
            raise Conflict("constraint-failure", f"more than {bounds.depth} levels of elements")
        if octets[end - 2] != 0x2F:
            unclosed.append(place)
        if octets.find(b"=", start, end) > 0:
            tag = octets[start:end]
            count = len(_ATTRIBUTE.findall(tag))
            namespaces = tag.count(b"xmlns")
            namespace_count += namespaces
            attribute_count += count
            if count > bounds.element_attributes or attribute_count > bounds.attributes:
                raise Conflict("constraint-failure", "too many attributes")
            if namespaces and namespace_count > bounds.namespaces:
                raise Conflict("constraint-failure", "too many name spaces")
    return places


def attributes(octets: bytes, place: Place) -> Iterator[tuple[bytes, int, int, int]]:
    """Give what stands in a start tag, name space declarations too.

    Returns: name as written; where the white space before it begins; where the value begins, with
    its quotation mark; where it ends.
    """
    for found in _ATTRIBUTE.finditer(octets, place.start, place.inner):
        yield found[1], found.start(), found.start(2), found.end(2)
