# SPDX-License-Identifier: Apache-2.0
"""Selectors of patch operations: the part of XPath that RFC 5261 section 8 allows.

No XPath engine sees a selector of a stranger: it is read into steps here and walked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..documents.names import XML

__all__ = [
    "ANY",
    "AttributeStep",
    "Equals",
    "IdStep",
    "NameStep",
    "NamespaceStep",
    "NodeStep",
    "Position",
    "Selector",
    "SelectorError",
    "parse_selector",
    "qualified",
]

#: The name test of every element.
ANY: Final = "*"

#: Predicates of one step.
_PREDICATES: Final = 8

_NCNAME: Final = r"[^\W\d][\w.\-·]*"
_QNAME: Final = rf"(?:{_NCNAME}:)?{_NCNAME}"
_LITERAL: Final = r"'[^']*'|\"[^\"]*\""
_STEP: Final = re.compile(rf"\*|{_QNAME}")
_POSITION: Final = re.compile(r"\[([0-9]{1,9})\]")
_EQUALS: Final = re.compile(rf"\[(@?{_QNAME}|\.)=({_LITERAL})\]")
_NODE: Final = re.compile(
    rf"(text|comment|processing-instruction)\(((?:'{_NCNAME}'|\"{_NCNAME}\")?)\)"
)
_ID: Final = re.compile(rf"id\(('{_NCNAME}'|\"{_NCNAME}\")\)")
_ATTRIBUTE: Final = re.compile(rf"@({_QNAME})")
_NAMESPACE: Final = re.compile(rf"namespace::({_NCNAME})")


class SelectorError(Exception):
    """A selector cannot be read: ``condition`` as in RFC 5261 5.1, ``reason`` in words."""

    def __init__(self, condition: str, reason: str) -> None:
        super().__init__(condition, reason)
        self.condition = condition
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Position:
    """``[n]``: the n-th of what the step has found so far."""

    number: int


@dataclass(frozen=True, slots=True)
class Equals:
    """``[@name='value']``, ``[name='value']`` or ``[.='value']``.

    kind: "@" for an attribute, "" for a child, "." for the text of the element itself.
    """

    kind: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class IdStep:
    """``id('value')``: the element with that ID."""

    value: str


@dataclass(frozen=True, slots=True)
class NameStep:
    """Children by qualified name (``ANY`` for all of them) that meet every predicate."""

    name: str
    predicates: tuple[Position | Equals, ...]


@dataclass(frozen=True, slots=True)
class NodeStep:
    """``text()``, ``comment()`` or ``processing-instruction('target')``; number 0: no position."""

    kind: str
    target: str
    number: int


@dataclass(frozen=True, slots=True)
class AttributeStep:
    """``@name``."""

    name: str


@dataclass(frozen=True, slots=True)
class NamespaceStep:
    """``namespace::prefix``."""

    prefix: str


Last = NodeStep | AttributeStep | NamespaceStep


@dataclass(frozen=True, slots=True)
class Selector:
    """Steps from the root node of a document to elements, and to a node of them if ``last``."""

    steps: tuple[IdStep | NameStep, ...]
    last: Last | None


def parse_selector(text: str, namespaces: Mapping[str | None, str]) -> Selector:
    """Read a selector.

    Args: namespaces: the declarations in scope of the operation; also the default one counts for
        names of elements (RFC 5261 4.2.1).
    Raises: SelectorError.
    """
    return _Reader(text, namespaces).selector()


def qualified(name: str, namespaces: Mapping[str | None, str], default: bool) -> str:
    """Return a prefixed name as lxml writes it.

    Args: default: whether the default name space counts for a name without prefix.
    Raises: SelectorError for a prefix that nobody declared.
    """
    prefix, colon, local = name.rpartition(":")
    if not colon:
        uri = namespaces.get(None) if default else None
        return f"{{{uri}}}{local}" if uri else local
    uri = XML if prefix == "xml" else namespaces.get(prefix)
    if uri is None:
        raise SelectorError("invalid-namespace-prefix", f"prefix {prefix} is not declared")
    return f"{{{uri}}}{local}"


class _Reader:
    """One pass over a selector."""

    def __init__(self, text: str, namespaces: Mapping[str | None, str]) -> None:
        self._text = text
        self._at = 0
        self._namespaces = namespaces

    def selector(self) -> Selector:
        self._skip("/")
        steps: list[IdStep | NameStep] = []
        last: Last | None = None
        if found := self._match(_ID):
            steps.append(IdStep(found[1][1:-1]))
            if self._at == len(self._text):
                return Selector(tuple(steps), None)
            self._expect("/")
        while True:
            last = self._last()
            if last is not None:
                break
            steps.append(self._step())
            if self._at == len(self._text):
                break
            self._expect("/")
        if self._at != len(self._text):
            raise self._error()
        return Selector(tuple(steps), last)

    def _last(self) -> Last | None:
        if found := self._match(_NODE):
            kind, target = found[1], found[2][1:-1]
            if target and kind != "processing-instruction":
                raise self._error()
            position = self._match(_POSITION)
            return NodeStep(kind, target, int(position[1]) if position else 0)
        if found := self._match(_ATTRIBUTE):
            return AttributeStep(qualified(found[1], self._namespaces, default=False))
        if found := self._match(_NAMESPACE):
            return NamespaceStep(found[1])
        return None

    def _step(self) -> NameStep:
        found = self._match(_STEP)
        if found is None:
            raise self._error()
        name = found[0]
        if name != ANY:
            name = qualified(name, self._namespaces, default=True)
        predicates: list[Position | Equals] = []
        while self._text[self._at : self._at + 1] == "[":
            if len(predicates) == _PREDICATES:
                raise self._error()
            predicates.append(self._predicate())
        return NameStep(name, tuple(predicates))

    def _predicate(self) -> Position | Equals:
        if found := self._match(_POSITION):
            return Position(int(found[1]))
        found = self._match(_EQUALS)
        if found is None:
            raise self._error()
        what, value = found[1], found[2][1:-1]
        if what == ".":
            return Equals(".", "", value)
        if what.startswith("@"):
            return Equals("@", qualified(what[1:], self._namespaces, default=False), value)
        return Equals("", qualified(what, self._namespaces, default=True), value)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def _skip(self, text: str) -> bool:
        if self._text.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._skip(text):
            raise self._error()

    def _error(self) -> SelectorError:
        return SelectorError(
            "invalid-attribute-value", f"selector cannot be read at character {self._at + 1}"
        )
