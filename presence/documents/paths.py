# SPDX-License-Identifier: Apache-2.0
"""Expressions of event filters: the part of XPath that RFC 4661 section 5 allows.

As with selectors of patches, no XPath engine sees the text of a stranger.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from sip.bodies.xml import Element
from sip.errors import ParseError

from ..work import Work

__all__ = ["Path", "number", "parse_path"]

_WHERE: Final = "filter"
_STEPS: Final = 16
# What a comparison costs beside the nodes it looks at, in nodes.
_COMPARED: Final = 4
_TOKEN: Final = re.compile(
    r"\s*(?:(//)|(\.\.)|(\"[^\"]*\"|'[^']*')|(-?[0-9]{1,15}(?:\.[0-9]{1,9})?)"
    r"|(@?(?:[^\W\d][\w.\-]*:)?[^\W\d][\w.\-]*|@?\*)|([/\[\]=<>.]))"
)
# A constant expression, never text of a stranger.
_STRING: Final = etree.XPath("string()")
_Token = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """Elements by tag ("*" for all) below those found so far, or ``..``; each of `tests` holds."""

    tag: str
    deep: bool = False
    tests: tuple[Test, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A path from an element compared with a value; true when one of its nodes meets it."""

    path: Path
    operator: str
    value: str
    numeric: bool


#: Alternatives of comparisons that hold together.
Test = tuple[tuple[Comparison, ...], ...]


@dataclass(frozen=True, slots=True)
class Path:
    """Steps to elements, and to an attribute of them unless it is ""."""

    steps: tuple[Step, ...]
    attribute: str = ""

    def elements(self, root: Element, work: Work) -> list[Element]:
        """Return the elements an absolute path leads to; those with the attribute if it ends so.

        Raises: TooMuchWork.
        """
        first, *others = self.steps
        candidates = list(root.iter("*")) if first.deep else [root]
        return self._follow(_chosen(candidates, first, work), others, work)

    def relative(self, element: Element, work: Work) -> list[str]:
        """Return the values a relative path leads to from an element. Raises: TooMuchWork."""
        return [self.value(one) for one in self._follow([element], self.steps, work)]

    def value(self, element: Element) -> str:
        """Return the value of what the path selects in an element it leads to."""
        return (
            str(element.get(self.attribute, ""))
            if self.attribute
            else str(_STRING(element)).strip()
        )

    def _follow(self, found: list[Element], steps: Iterable[Step], work: Work) -> list[Element]:
        for step in steps:
            below: dict[Element, None] = {}
            for element in found:
                there = list(_below(element, step))
                work.spend(1 + len(there))
                below.update(dict.fromkeys(there))
            found = _chosen(below, step, work)
        return [one for one in found if not self.attribute or self.attribute in one.attrib]


def parse_path(text: str, namespaces: Mapping[str, str]) -> Path:
    """Read an absolute expression.

    A name without prefix is one of no name space (RFC 4661 5).

    Raises: ParseError.
    """
    tokens: list[_Token] = []
    at, text = 0, text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _error()
        tokens.append((_KINDS[found.lastindex or 0], found[found.lastindex or 0]))
        at = found.end()
    return _Reader(tokens, namespaces).absolute()


def number(text: str) -> float | None:
    """Return the number a text is, None when it is none."""
    return float(text) if re.fullmatch(r"\s*-?[0-9]{1,15}(\.[0-9]{1,9})?\s*", text) else None


_KINDS: Final = ("", "//", "..", "literal", "number", "name", "sign")


def _error() -> ParseError:
    return ParseError(_WHERE, "filter has an expression that cannot be read", 488)


def _below(element: Element, step: Step) -> Iterable[Element]:
    if step.tag == "..":
        parent = element.getparent()
        return () if parent is None else (parent,)
    return element.iterdescendants("*") if step.deep else element.iterchildren("*")


def _chosen(candidates: Iterable[Element], step: Step, work: Work) -> list[Element]:
    named = [one for one in candidates if step.tag in ("*", "..") or one.tag == step.tag]
    work.spend(len(named))
    for test in step.tests:
        named = [
            one for one in named if any(all(_holds(c, one, work) for c in each) for each in test)
        ]
    return named


def _holds(comparison: Comparison, element: Element, work: Work) -> bool:
    work.spend(_COMPARED)
    wanted = number(comparison.value)
    return any(
        _meets(value, number(value), comparison, wanted)
        for value in comparison.path.relative(element, work)
    )


def _meets(text: str, have: float | None, comparison: Comparison, wanted: float | None) -> bool:
    if comparison.operator == "=":
        return text == comparison.value or (comparison.numeric and have == wanted)
    if have is None or wanted is None:
        return False
    return have < wanted if comparison.operator == "<" else have > wanted


class _Reader:
    """One pass over the tokens of an expression."""

    def __init__(self, tokens: list[_Token], namespaces: Mapping[str, str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._namespaces = namespaces

    def absolute(self) -> Path:
        if not self._tokens or self._tokens[0][1] not in ("/", "//"):
            raise _error()
        path = self._path(())
        if not path.steps or self._at != len(self._tokens):
            raise _error()
        return path

    def _path(self, steps: tuple[Step, ...]) -> Path:
        """Read steps, each after its slash."""
        while self._next() in ("/", "//"):
            deep = self._take()[1] == "//"
            kind, name = self._take()
            if kind != "name":
                raise _error()
            if name.startswith("@"):
                if deep:
                    steps += (Step("*", deep=True),)
                return Path(steps, self._attribute(name))
            steps += (self._step(name, deep),)
            if len(steps) > _STEPS:
                raise _error()
        return Path(steps)

    def _step(self, name: str, deep: bool) -> Step:
        tests: list[Test] = []
        while self._next() == "[":
            self._take()
            tests.append(self._test())
            if self._take()[1] != "]" or len(tests) > _STEPS:
                raise _error()
        return Step(self._qualified(name), deep, tuple(tests))

    def _test(self) -> Test:
        """Read comparisons; `and` binds more strongly than `or`."""
        alternatives: list[tuple[Comparison, ...]] = []
        together = [self._comparison()]
        while self._next() in ("and", "or"):
            if self._take()[1] == "or":
                alternatives.append(tuple(together))
                together = []
            together.append(self._comparison())
            if len(alternatives) + len(together) > _STEPS:
                raise _error()
        return (*alternatives, tuple(together))

    def _comparison(self) -> Comparison:
        kind, text = self._take()
        if kind == "name" and text.startswith("@"):
            path = Path((), self._attribute(text))
        elif text == ".":
            path = Path(())
        elif text == "..":
            path = self._path((Step(".."),))
        elif kind == "name":
            path = self._path((Step(self._qualified(text)),))
        else:
            raise _error()
        operator = self._take()[1]
        kind, value = self._take()
        if operator not in ("=", "<", ">") or kind not in ("literal", "number"):
            raise _error()
        text = value[1:-1] if kind == "literal" else value
        return Comparison(path, operator, text, kind == "number")

    def _attribute(self, name: str) -> str:
        if name == "@*":
            raise _error()
        return self._qualified(name[1:])

    def _qualified(self, name: str) -> str:
        prefix, colon, local = name.rpartition(":")
        if not colon:
            return local
        if prefix not in self._namespaces:
            raise ParseError(_WHERE, f"filter has a prefix that is not bound: {prefix}", 488)
        return f"{{{self._namespaces[prefix]}}}{local}"

    def _next(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self) -> _Token:
        if self._at >= len(self._tokens):
            raise _error()
        self._at += 1
        return self._tokens[self._at - 1]
