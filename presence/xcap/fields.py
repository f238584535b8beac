# SPDX-License-Identifier: Apache-2.0
"""Where in a document something stands, as the node selectors of conflict reports say it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from lxml import etree

from sip.bodies.xml import Element

from .errors import Conflict

__all__ = ["field_of", "refuse_repeats"]


def field_of(element: Element, attribute: str = "", namespace: str = "") -> str:
    """Return the percent-encoded node selector of an element, or of an attribute of it.

    Elements outside the default document name space are counted instead of named, so that no
    query has to bind a prefix.
    """
    steps = [f"@{attribute}"] if attribute else []
    one: Element | None = element
    while one is not None:
        steps.append(_step(one, namespace))
        one = one.getparent()
    return quote("/".join(reversed(steps)), safe="/@*:=~")


def refuse_repeats(
    elements: Iterable[Element], attribute: str, namespace: str, phrase: str
) -> None:
    """Raise Conflict (uniqueness-failure) when two elements have the same value in an attribute."""
    failures = [(field_of(one, attribute, namespace), ()) for one in _repeats(elements, attribute)]
    if failures:
        raise Conflict("uniqueness-failure", phrase, exists=failures)


def _repeats(elements: Iterable[Element], attribute: str) -> Iterator[Element]:
    seen: set[str] = set()
    for element in elements:
        value = element.get(attribute)
        if value is None:
            continue
        if value in seen:
            yield element
        seen.add(value)


def _step(element: Element, namespace: str) -> str:
    parent = element.getparent()
    name = etree.QName(element)
    named = (name.namespace or "") == namespace
    if parent is None:
        return name.localname if named else "*"
    siblings = list(parent.iterchildren(element.tag)) if named else list(parent)
    shown = name.localname if named else "*"
    return shown if len(siblings) == 1 else f"{shown}[{siblings.index(element) + 1}]"
