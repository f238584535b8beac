# SPDX-License-Identifier: Apache-2.0
"""Who is on a list: nested lists, references and lists of lists made one flat list.

A list that names itself, directly or through others, is entered once; every list has bounds. Lists
of other users are not entered: who is on them is nobody else's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from sip.bodies.xml import Element, text_of

from ..uris import canonical
from .ports import ListDocuments, Service
from .services import REFERENCE

__all__ = ["ListLimits", "Member", "members_of", "referred_members"]

_RL: Final = "{urn:ietf:params:xml:ns:resource-lists}"


@dataclass(frozen=True, slots=True)
class ListLimits:
    """Bounds of one list. members: different URIs. references: other lists it may lead to.

    followed: members of all lists that one watcher follows, each as often as it is followed.
    """

    members: int = 500
    references: int = 50
    followed: int = 5_000


@dataclass(frozen=True, slots=True)
class Member:
    """One member. uri: as the list has it. key: canonical."""

    uri: str
    key: str
    name: str = ""


def members_of(
    service: Service, documents: ListDocuments, limits: ListLimits
) -> tuple[Member, ...]:
    """Return the members of a list service, each once, in the order of the list.

    What cannot be found adds nobody; members beyond the bound are left out.
    """
    return _bounded(_Walk(documents, service.owner, limits.references).service(service), limits)


def referred_members(
    reference: str, owner: str, documents: ListDocuments, limits: ListLimits
) -> tuple[Member, ...]:
    """Return the members of the list at an XCAP URI, as `members_of` does."""
    return _bounded(_Walk(documents, owner, limits.references).list_at(reference), limits)


def _bounded(members: Iterator[Member], limits: ListLimits) -> tuple[Member, ...]:
    found: dict[str, Member] = {}
    for member in members:
        found.setdefault(member.key, member)
        if len(found) >= limits.members:
            break
    return tuple(found.values())


class _Walk:
    """One way through a list and all that it leads to."""

    def __init__(self, documents: ListDocuments, owner: str, references: int) -> None:
        self._documents = documents
        self._owner = owner
        self._left = references
        self._seen: set[str] = set()

    def service(self, service: Service) -> Iterator[Member]:
        self._seen.add(service.uri)
        if service.element.tag == REFERENCE:
            return self.list_at(text_of(service.element))
        return self._list(service.element)

    def list_at(self, reference: str) -> Iterator[Member]:
        return self._reference(reference, "list")

    def _list(self, element: Element) -> Iterator[Member]:
        """Walk a <list>; how deep is bounded by what a document may nest and by references."""
        for child in element.iterchildren(f"{_RL}*"):
            name = str(etree.QName(child).localname)
            if name == "list":
                yield from self._list(child)
            elif name == "entry":
                yield from self._entry(child)
            elif name == "entry-ref":
                yield from self._reference(child.get("ref", ""), "entry")
            elif name == "external":
                yield from self._reference(child.get("anchor", ""), "list")

    def _entry(self, element: Element) -> Iterator[Member]:
        uri = element.get("uri", "").strip()
        key = canonical(uri)
        service = self._documents.service(key) if key else None
        if service is not None and service.owner == self._owner:
            if key not in self._seen and self._take():
                yield from self.service(service)
        elif key:
            yield Member(uri, key, text_of(element.find(f"{_RL}display-name")))

    def _reference(self, reference: str, kind: str) -> Iterator[Member]:
        # White space is where a document was folded, never part of a URI.
        reference = "".join(reference.split())
        if not reference or reference in self._seen or not self._take():
            return
        self._seen.add(reference)
        element = self._documents.element(reference, self._owner)
        if element is not None and element.tag == _RL + kind:
            yield from self._entry(element) if kind == "entry" else self._list(element)

    def _take(self) -> bool:
        self._left -= 1
        return self._left >= 0
