# SPDX-License-Identifier: Apache-2.0
"""One document made of all that is known of a presentity (RFC 3903, RFC 4479 section 5).

The policy:

- Tuples are put together. Of several with one ``id`` the newest publication's stays, whole. The
  newest publication's come first, because simple watchers look at the first tuple alone.
- Persons of one class (RFC 4480 3.3) are one person: each characteristic is taken, whole, from the
  newest publication that has it. Persons of different classes stay apart, since rules may show one
  class and hide the other. Devices are put together in the same way by deviceID and class.
- Notes about the presentity and elements of unknown name spaces are kept, each once.
- What the node itself knows counts only where nobody says more: registered or not becomes a tuple
  when nobody published one, and somebody in a room is in a meeting when nobody published
  activities.
- An ``id`` that two different elements have is changed on the older one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

from lxml import etree

from sip.bodies.xml import Element

from .names import DIFF, PREFIXES, dm, pidf, rpid
from .pidf import Document, new_presence, put_basic, tidy

__all__ = ["Facts", "compose"]

_TUPLE: Final = pidf("tuple")
_NOTE: Final = pidf("note")
_PERSON: Final = dm("person")
_DEVICE: Final = dm("device")
_NODE_PERSON: Final = "node-person"
# The order of RFC 4479: characteristics first, then these.
_LAST: Final = {dm("deviceID"): 1, dm("note"): 2, dm("timestamp"): 3}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the node knows of a presentity by itself."""

    registered: bool = False
    in_room: bool = False


def compose(publications: Sequence[Document], facts: Facts, entity: str) -> Document:
    """Return the one document of a presentity.

    Args: publications: the oldest first; a hard state (RFC 4827) before all others.
    """
    newest_first = [one.root for one in reversed(publications)]
    root = new_presence(entity, _namespaces(newest_first))
    _add_tuples(root, newest_first, facts, entity)
    _add_distinct(root, [one for each in newest_first for one in each.iterchildren(_NOTE)])
    _add_merged(root, newest_first, _PERSON)
    _add_room(root, facts)
    _add_merged(root, newest_first, _DEVICE)
    _add_distinct(root, [one for each in newest_first for one in _unknown(each)])
    tidy(root)
    _part_ids(root)
    return Document(root)


def _add_tuples(root: Element, published: list[Element], facts: Facts, entity: str) -> None:
    seen: set[str | None] = set()
    for one in published:
        for element in one.iterchildren(_TUPLE):
            if element.get("id") not in seen:
                seen.add(element.get("id"))
                root.append(_copy(element))
    if not seen:
        put_basic(root, *(("open", entity) if facts.registered else ("closed",)))


def _add_distinct(root: Element, elements: list[Element]) -> None:
    seen: set[bytes] = set()
    for element in elements:
        copy = _copy(element)
        text = etree.tostring(copy, method="c14n", exclusive=True)
        if text not in seen:
            seen.add(text)
            root.append(copy)


def _add_merged(root: Element, published: list[Element], tag: str) -> None:
    """Append the persons or devices, those that are the same thing as one."""
    merged: dict[Hashable, Element] = {}
    for one in published:
        for element in one.iterchildren(tag):
            known = merged.get(_identity(element))
            if known is None:
                merged[_identity(element)] = _copy(element)
            else:
                _fill(known, element)
    root.extend(merged.values())


def _fill(newer: Element, older: Element) -> None:
    """Give an element the characteristics that it has not from an older one."""
    has = {one.tag for one in newer}
    children = [*newer, *(_copy(one) for one in older.iterchildren("*") if one.tag not in has)]
    newer[:] = sorted(children, key=lambda one: _LAST.get(str(one.tag), 0))


def _identity(element: Element) -> Hashable:
    device = element.findtext(dm("deviceID"), "").strip()
    return device, element.findtext(rpid("class"), "").strip()


def _add_room(root: Element, facts: Facts) -> None:
    if not facts.in_room or root.find(f"{_PERSON}/{rpid('activities')}") is not None:
        return
    person = root.find(_PERSON)
    if person is None:
        person = etree.SubElement(root, _PERSON, id=_NODE_PERSON)
    activities = etree.Element(rpid("activities"))
    etree.SubElement(activities, rpid("meeting"))
    person.insert(0, activities)


def _unknown(published: Element) -> Iterator[Element]:
    for element in published.iterchildren("*"):
        if element.tag not in (_TUPLE, _NOTE, _PERSON, _DEVICE):
            yield element


def _part_ids(root: Element) -> None:
    """Make every ``id`` the only one of its kind, as its type xs:ID asks."""
    seen: set[str] = set()
    for element in root.iter("*"):
        ident = element.get("id")
        if ident is None:
            continue
        unique, count = ident, 1
        while unique in seen:
            count += 1
            unique = f"{ident}-{count}"
        if unique != ident:
            element.set("id", unique)
        seen.add(unique)


def _namespaces(published: list[Element]) -> dict[str | None, str]:
    """Return the declarations of the root: ours, and those of the publications that fit beside."""
    namespaces = dict(PREFIXES)
    for one in published:
        for prefix, uri in one.nsmap.items():
            if prefix not in namespaces and uri not in namespaces.values() and uri != DIFF:
                namespaces[prefix] = uri
    return namespaces


def _copy(element: Element) -> Element:
    copy = deepcopy(element)
    copy.tail = None
    return copy
