# SPDX-License-Identifier: Apache-2.0
"""Where in a document something stands, as the node selectors of conflict reports say it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from lxml import etree

from sip.bodies.xml import Element

from .errors import Conflict

__all__ = ["REPORTED", "field_of", "refuse_repeats"]

#: Failures that one conflict report tells of: each takes a walk along the siblings.
REPORTED: Final = 10


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
    named = [(one, value) for one in elements if (value := one.get(attribute)) is not None]
    if len(named) == len({value for _, value in named}):
        return
    seen: set[str] = set()
    failures: list[tuple[str, tuple[str, ...]]] = []
    for one, value in named:
        if value in seen and len(failures) < REPORTED:
            failures.append((field_of(one, attribute, namespace), ()))
        seen.add(value)
    raise Conflict("uniqueness-failure", phrase, exists=failures)


def _step(element: Element, namespace: str) -> str:
    parent = element.getparent()
    name = etree.QName(element)
    named = (name.namespace or "") == namespace
    if parent is None:
        return name.localname if named else "*"
    siblings = list(parent.iterchildren(element.tag)) if named else list(parent)
    shown = name.localname if named else "*"
    return shown if len(siblings) == 1 else f"{shown}[{siblings.index(element) + 1}]"
