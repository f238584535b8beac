# SPDX-License-Identifier: Apache-2.0
"""The one node that a selector names in a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from sip.bodies.xml import Element

from ..documents.names import XML
from ..work import Work
from .selector import (
    ANY,
    AttributeStep,
    Equals,
    IdStep,
    NamespaceStep,
    NameStep,
    NodeStep,
    Position,
    Selector,
)

__all__ = ["Attribute", "Namespace", "Target", "Text", "get_text", "locate", "set_text"]

_XML_ID: Final = f"{{{XML}}}id"
# A constant expression, never text of a stranger.
_STRING: Final = etree.XPath("string()")


@dataclass(frozen=True, slots=True)
class Text:
    """The text between two children of an element: before child ``slot``, or after the last."""

    parent: Element
    slot: int


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute that an element has."""

    parent: Element
    name: str


@dataclass(frozen=True, slots=True)
class Namespace:
    """A prefix that is in scope of an element."""

    parent: Element
    prefix: str


#: An element, comment or processing instruction is itself.
Target = Element | Text | Attribute | Namespace


def locate(root: Element, selector: Selector, work: Work) -> Target | None:
    """Return what a selector names; None when that is nothing or more than one node.

    Raises: TooMuchWork.
    """
    elements: list[Element | None] = [None]  # None stands for the root node above the root element
    for step in selector.steps:
        if isinstance(step, IdStep):
            every = list(root.iter("*"))
            work.spend(len(every))
            elements = [one for one in every if step.value in _ids(one)]
        else:
            elements = [
                found for parent in elements for found in _children(root, parent, step, work)
            ]
        if not elements:
            return None
    last = selector.last
    targets: list[Target]
    if last is None:
        targets = [one for one in elements if one is not None]
    else:
        work.spend(sum([1 + len(one) for one in elements if one is not None]))
        targets = [found for one in elements if one is not None for found in _nodes(one, last)]
    return targets[0] if len(targets) == 1 else None


def get_text(text: Text) -> str:
    """Return the characters of a text node; "" where there is none."""
    parent, slot = text.parent, text.slot
    return (parent.text if slot == 0 else parent[slot - 1].tail) or ""


def set_text(text: Text, characters: str) -> None:
    """Set the characters of a text node; "" removes it."""
    if text.slot == 0:
        text.parent.text = characters or None
    else:
        text.parent[text.slot - 1].tail = characters or None


def _ids(element: Element) -> tuple[str | None, str | None]:
    """Return what may be the ID of an element: in our formats every ``id`` is of type ID."""
    return element.get("id"), element.get(_XML_ID)


def _children(root: Element, parent: Element | None, step: NameStep, work: Work) -> list[Element]:
    name = None if step.name == ANY else step.name
    found: list[Element]
    if parent is None:
        found = [root] if name in (None, root.tag) else []
    else:
        found = list(parent.iterchildren(name or "*"))
        work.spend(1 + len(found))
    for predicate in step.predicates:
        work.spend(len(found))
        if isinstance(predicate, Position):
            found = found[predicate.number - 1 : predicate.number] if predicate.number else []
        else:
            found = [one for one in found if _meets(one, predicate)]
    return found


def _meets(element: Element, test: Equals) -> bool:
    if test.kind == "@":
        return element.get(test.name) == test.value
    if test.kind == ".":
        return _STRING(element) == test.value
    return any(_STRING(one) == test.value for one in element.iterchildren(test.name))


def _nodes(element: Element, step: NodeStep | AttributeStep | NamespaceStep) -> Iterable[Target]:
    if isinstance(step, AttributeStep):
        return [Attribute(element, step.name)] if step.name in element.attrib else []
    if isinstance(step, NamespaceStep):
        return [Namespace(element, step.prefix)] if step.prefix in element.nsmap else []
    found = list(_of_kind(element, step))
    return found[step.number - 1 : step.number] if step.number else found


def _of_kind(element: Element, step: NodeStep) -> Iterator[Target]:
    if step.kind == "text":
        slots = (Text(element, slot) for slot in range(len(element) + 1))
        yield from (one for one in slots if get_text(one))
    elif step.kind == "comment":
        yield from element.iterchildren(etree.Comment)
    else:
        for one in element.iterchildren(etree.ProcessingInstruction):
            if step.target in ("", one.target):  # type: ignore[attr-defined]
                yield one
