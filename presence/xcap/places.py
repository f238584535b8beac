# SPDX-License-Identifier: Apache-2.0
"""Where the elements of a document stand: ranges of octets; and the bounds of XML before a tree.

Both take well-formedness for granted, which the parser that comes after checks: what is not
well-formed gets places that nobody uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .errors import Conflict

__all__ = ["Bounds", "Place", "attributes", "check_bounds", "find_places"]

# What begins with "<": group 1 is an end tag's slash, 2 how a start tag ends, 3 all that is left
# where nothing else matches. What is repeated begins with different octets and gives nothing back
# (a possessive group would say more, but Python 3.11.2 does not match those as it should), and what
# does not match takes all that is left with it: time is linear in hostile octets.
_TOKEN: Final = re.compile(
    rb"<(?:(/)[^<>]*+>"
    rb"|[^!?/<>\"'](?:[^/>\"']++|\"[^\"]*+\"|'[^']*+'|/(?!>))*(/?>)"
    rb"|!--.*?-->|!\[CDATA\[.*?\]\]>|\?.*?\?>|(.*+))",
    re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(
    rb"(?<!\s)\s++([^\s=/<>\"']++)\s*+=\s*+(\"[^\"]*+\"|'[^']*+')", re.DOTALL
)
_SHORTEST: Final = 5  # octets of an attribute
_END: Final = b"\1"  # stands for the end of an element; no document has it
_NO_BRACKETS: Final = bytes(octet for octet in range(256) if octet not in b"<" + _END)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a document may hold: levels, elements, attributes of all and of one, name spaces."""

    depth: int = 64
    elements: int = 5000
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


def check_bounds(octets: bytes, bounds: Bounds) -> None:
    """Refuse what holds too much.

    Raises: Conflict: constraint-failure; not-well-formed for markup without an end.
    """
    found = _count_tags(octets, bounds.depth)
    elements, levels = _count_markup(octets) if found is None else found
    if levels > bounds.depth:
        raise Conflict("constraint-failure", f"more than {bounds.depth} levels of elements")
    if elements > bounds.elements:
        raise Conflict("constraint-failure", f"more than {bounds.elements} elements")
    # Attributes are counted one by one only where there may be too many of them.
    longest = max(map(len, octets.split(b"<")))
    if (
        octets.count(b"=") > bounds.attributes
        or octets.count(b"xmlns") > bounds.namespaces
        or longest > _SHORTEST * bounds.element_attributes
    ):
        _check_attributes(octets, bounds)


def _count_tags(octets: bytes, levels: int) -> tuple[int, int] | None:
    """Count elements and their levels where nothing but tags is marked up, as in most documents.

    Brackets alone are left of the tags, and the innermost elements are taken away again and again:
    a few passes over little, where looking at each tag takes five times as long.

    Returns: None where it takes a look at each: beside comments and the like, where something in a
        text or a value looks like the end of a tag, and for more levels than ``levels``.
    """
    if octets.startswith(b"<?xml "):
        octets = octets[octets.find(b"?>") + 2 :]
    if b"<!" in octets or b"<?" in octets:
        return None
    left = octets.replace(b"</", _END).replace(b"/>", _END).translate(None, _NO_BRACKETS)
    elements = left.count(b"<")
    for level in range(levels + 1):
        if not left:
            return elements, level
        before, left = left, left.replace(b"<" + _END, b"")
        if len(left) == len(before):
            return None
    return None


def _count_markup(octets: bytes) -> tuple[int, int]:
    """Count elements and their levels tag by tag. Raises: Conflict (not-well-formed)."""
    depth = elements = levels = 0
    for closes, opens, rest in _TOKEN.findall(octets):
        if opens:
            elements += 1
            levels = max(levels, depth + 1)
            if opens == b">":
                depth += 1
        elif closes:
            depth -= 1
        elif rest:
            raise Conflict("not-well-formed", "a piece of markup has no end")
    return elements, levels


def _check_attributes(octets: bytes, bounds: Bounds) -> None:
    total = namespaces = 0
    for token in _TOKEN.finditer(octets):
        if token.lastindex == 2:
            names = [found[0] for found in _ATTRIBUTE.findall(token[0])]
            declared = sum(name == b"xmlns" or name.startswith(b"xmlns:") for name in names)
            namespaces += declared
            total += len(names)
            if len(names) > bounds.element_attributes or total > bounds.attributes:
                raise Conflict("constraint-failure", "too many attributes")
            if namespaces > bounds.namespaces:
                raise Conflict("constraint-failure", "too many name spaces")


def find_places(octets: bytes) -> list[Place]:
    """Return the places of all elements, in document order."""
    places: list[Place] = []
    unclosed: list[Place] = []
    for token in _TOKEN.finditer(octets):
        kind = token.lastindex
        if kind == 2:
            place = Place(*token.span())
            places.append(place)
            if token[2] == b">":
                unclosed.append(place)
        elif kind == 1 and unclosed:
            place = unclosed.pop()
            place.tail, place.end = token.span()
    return places


def attributes(octets: bytes, place: Place) -> Iterator[tuple[bytes, int, int, int]]:
    """Give what stands in a start tag, name space declarations too.

    Returns: name as written; where the white space before it begins; where the value begins, with
    its quotation mark; where it ends.
    """
    for found in _ATTRIBUTE.finditer(octets, place.start, place.inner):
        yield found[1], found.start(), found.start(2), found.end(2)
