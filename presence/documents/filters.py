# SPDX-License-Identifier: Apache-2.0
"""Event filters: application/simple-filter+xml (RFC 4661) and what they leave of a document.

A filter of a watcher says what goes into a NOTIFY (<what>) and which changes are worth one
(<trigger>). It is a value, so watchers with equal filters share what is made by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

from lxml import etree

from sip.bodies.schema import validate
from sip.bodies.xml import Element, parse_xml, text_of
from sip.errors import ParseError

from ..uris import canonical
from ..work import TooMuchWork, Work
from .names import dm, pidf
from .paths import Path, number, parse_path
from .pidf import Document

__all__ = ["MEDIA_TYPE", "Filter", "FilterSet", "apply_filter", "parse_filters"]

MEDIA_TYPE: Final = b"application/simple-filter+xml"

_WHERE: Final = "filter"
_NS: Final = "{urn:ietf:params:xml:ns:simple-filter}"
# Filters of one set, and expressions of one filter.
_FILTERS: Final = 32
_EXPRESSIONS: Final = 32
# Nodes that are looked at for one filter; who asks for more gets the document as it is.
_WORK: Final = 20_000
# What an element cannot be without when it is in a document at all.
_NEEDED: Final = {pidf("tuple"): pidf("status"), dm("device"): dm("deviceID")}


@dataclass(frozen=True, slots=True)
class Change:
    """<changed>, <added> or <removed>: kind, and what else a <changed> asks."""

    kind: str
    path: Path
    before: str | None = None
    after: str | None = None
    by: float = 0.0


@dataclass(frozen=True, slots=True)
class Filter:
    """One <filter>. includes, excludes: paths, or URIs of name spaces.

    triggers: one of them must be met, all of its changes together; () for any change.
    """

    id: str
    uri: str = ""
    domain: str = ""
    enabled: bool = True
    removed: bool = False
    includes: tuple[Path | str, ...] = ()
    excludes: tuple[Path | str, ...] = ()
    triggers: tuple[tuple[Change, ...], ...] = ()

    def triggered(self, old: Document | None, new: Document) -> bool:
        """Tell whether a change is one the watcher wants to hear of.

        Args: old: what the watcher knows, before it was filtered; None when that is nothing.
        """
        if not self.triggers or old is None:
            return True
        work = Work(_WORK)
        try:
            return any(
                all(_happened(change, old.root, new.root, work) for change in trigger)
                for trigger in self.triggers
            )
        except TooMuchWork:
            return True


@dataclass(frozen=True, slots=True)
class FilterSet:
    """The filters of one subscription."""

    filters: tuple[Filter, ...] = ()

    def updated(self, newer: FilterSet) -> FilterSet:
        """Return the filters after another SUBSCRIBE in the dialog (RFC 4660 4.1.3)."""
        kept = {one.id: one for one in self.filters}
        for one in newer.filters:
            known = kept.get(one.id)
            if one.removed:
                kept.pop(one.id, None)
            elif known is not None and not (one.includes or one.excludes or one.triggers):
                # Switched on or off, without saying again what it filters.
                kept[one.id] = Filter(
                    one.id, known.uri, known.domain, one.enabled, False,
                    known.includes, known.excludes, known.triggers,
                )  # fmt: skip
            else:
                kept[one.id] = one
        return FilterSet(tuple(kept.values()))

    def about(self, resource: str, subscribed: str) -> Filter | None:
        """Return the filter for a resource: the one with its URI, with its domain, or for all.

        Args: subscribed: the resource of the subscription, which may be a list with this on it.
        """
        domain = resource.rpartition("@")[2]
        ranks: list[list[Filter]] = [[], [], []]
        for one in self.filters:
            if not one.enabled:
                continue
            if one.uri == resource:
                ranks[0].append(one)
            elif one.domain:
                ranks[1] += [one] if one.domain == domain else []
            elif one.uri in ("", subscribed):
                ranks[2].append(one)
        return next((one for rank in ranks for one in rank), None)


def parse_filters(body: bytes) -> FilterSet:
    """Read the body of a SUBSCRIBE.

    Raises: ParseError; status_hint 488 for a filter that is valid but not understood.
    """
    root = parse_xml(body, _WHERE)
    if root.tag != _NS + "filter-set":
        raise ParseError(_WHERE, "filter document has another root element")
    validate(root, _WHERE)
    bindings = root.iterfind(f"{_NS}ns-bindings/{_NS}ns-binding")
    namespaces = {one.get("prefix", ""): one.get("urn", "") for one in bindings}
    elements = list(root.iterchildren(_NS + "filter"))
    if len(elements) > _FILTERS:
        raise ParseError(_WHERE, "filter document has too many filters", 413)
    filters = tuple(_filter(one, namespaces) for one in elements)
    if len({one.id for one in filters}) != len(filters):
        raise ParseError(_WHERE, "two filters have one id")
    return FilterSet(filters)


def apply_filter(document: Document, wanted: Filter) -> Document:
    """Return what a filter leaves of a document; it stays valid (RFC 4661 3.5).

    What would be too much work is left undone: a filter saves octets, it hides nothing.
    """
    if not wanted.includes and not wanted.excludes:
        return document
    try:
        return Document(_filtered(document.root, wanted, Work(_WORK)))
    except TooMuchWork:
        return document


def _filtered(root: Element, wanted: Filter, work: Work) -> Element:
    root = deepcopy(root)
    if wanted.includes:
        _include(root, wanted.includes, work)
    for exclude in wanted.excludes:
        work.spend(sum(1 for _ in root.iter()))
        changed = deepcopy(root)
        _exclude(changed, exclude, work)
        try:
            validate(changed, _WHERE)
        except ParseError:
            continue  # it would take away what must be there
        root = changed
    return root


def _filter(element: Element, namespaces: dict[str, str]) -> Filter:
    if sum(1 for _ in element.iter("*")) > _EXPRESSIONS:
        raise ParseError(_WHERE, "filter has too many expressions", 413)
    uri, domain = element.get("uri", ""), element.get("domain", "")
    if uri and domain:
        raise ParseError(_WHERE, "filter is for a URI and for a domain")
    return Filter(
        element.get("id", ""),
        canonical(uri) if uri else "",
        domain.lower(),
        _true(element.get("enabled", "true")),
        _true(element.get("remove", "false")),
        tuple(_content(one, namespaces) for one in element.iterfind(f"{_NS}what/{_NS}include")),
        tuple(_content(one, namespaces) for one in element.iterfind(f"{_NS}what/{_NS}exclude")),
        tuple(
            tuple(_change(change, namespaces) for change in one.iterchildren(f"{_NS}*"))
            for one in element.iterchildren(f"{_NS}trigger")
        ),
    )


def _content(element: Element, namespaces: dict[str, str]) -> Path | str:
    if element.get("type") == "namespace":
        return text_of(element)
    return parse_path(text_of(element), namespaces)


def _change(element: Element, namespaces: dict[str, str]) -> Change:
    by = element.get("by", "").strip()
    return Change(
        str(etree.QName(element).localname),
        parse_path(text_of(element), namespaces),
        element.get("from"),
        element.get("to"),
        abs(float(by)) if by else 0.0,
    )


def _true(text: str) -> bool:
    return text.strip() in ("true", "1")


# ---------------------------------------------------------------- <what>


def _include(root: Element, includes: Iterable[Path | str], work: Work) -> None:
    """Leave what is included, what it stands in, and what that cannot be without."""
    whole: set[Element] = set()
    shells: set[Element] = {root}
    for include in includes:
        if isinstance(include, str):
            shells.update(root.iter(f"{{{include}}}*"))
            continue
        found = include.elements(root, work)
        (shells if include.attribute else whole).update(found)
    for element in [*whole, *shells]:
        shells.update(element.iterancestors())
    for element in list(shells - whole):
        needed = _NEEDED.get(str(element.tag))
        if needed is not None:
            whole.update(element.iterchildren(needed))
    _prune(root, whole, shells)


def _prune(root: Element, whole: set[Element], shells: set[Element]) -> None:
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if element in whole:
            continue
        for child in list(element):
            if child in whole or child in shells:
                waiting.append(child)
            else:
                element.remove(child)


def _exclude(root: Element, exclude: Path | str, work: Work) -> None:
    if isinstance(exclude, str):
        found = list(root.iter(f"{{{exclude}}}*"))
    else:
        found = exclude.elements(root, work)
    for element in found:
        if isinstance(exclude, Path) and exclude.attribute:
            del element.attrib[exclude.attribute]
            continue
        parent = element.getparent()
        if parent is not None:
            parent.remove(element)


# ------------------------------------------------------------- <trigger>


def _happened(change: Change, old: Element, new: Element, work: Work) -> bool:
    before, after = _values(change.path, old, work), _values(change.path, new, work)
    if change.kind == "added":
        return bool(after.keys() - before.keys())
    if change.kind == "removed":
        return bool(before.keys() - after.keys())
    return any(_changed(change, before.get(key), value) for key, value in after.items())


def _changed(change: Change, before: str | None, after: str) -> bool:
    """Tell whether one value has changed as asked; one that was not there has no value before."""
    if before == after or (before is None and change.after is None):
        return False
    if change.before is not None and before != change.before:
        return False
    if change.after is not None and after != change.after:
        return False
    if change.by:
        have, had = number(after), number(before or "")
        return have is not None and had is not None and abs(have - had) >= change.by
    return True


def _values(path: Path, root: Element, work: Work) -> dict[tuple[object, ...], str]:
    """Return the values a path leads to, by where they stand."""
    return {tuple(_place(one, work)): path.value(one) for one in path.elements(root, work)}


def _place(element: Element, work: Work) -> Iterator[object]:
    """Give what tells an element from others: names and ``id`` from it up to the root."""
    above: Element | None = element
    while above is not None:
        ident = above.get("id")
        if ident is None:
            before = sum(1 for _ in above.itersiblings(above.tag, preceding=True))
            work.spend(1 + before)
            ident = str(before)
        yield (above.tag, ident)
        above = above.getparent()
