# SPDX-License-Identifier: Apache-2.0
"""Extended regular expressions as filter criteria have them, in time linear in the text.

What strangers send is held against expressions of the operator. An engine that tries again and
again (Python's) would let the first stall the node by way of the second; this one follows all
readings of the text at once, and remembers the steps it has taken.

Spec: POSIX 1003.1 chapter 9.4, which TS 29.228 refers to. Back references, which it leaves
undefined, do not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

__all__ = ["BadExpression", "Expression"]

_LONGEST: Final = 1_000  # characters of an expression
_STATES: Final = 5_000  # of one expression: repetitions of repetitions grow fast
_DEPTH: Final = 50  # brackets within brackets
_REPEATS: Final = 255  # RE_DUP_MAX
_REMEMBERED: Final = 1 << 17  # states in the steps of one expression; emptied when full
_BEGIN, _END = 256, 257  # beside the octets: both ends of the text

_CLASSES: Final[dict[str, Iterable[int]]] = {
    "alpha": (*range(65, 91), *range(97, 123)),
    "digit": range(48, 58),
    "alnum": (*range(48, 58), *range(65, 91), *range(97, 123)),
    "upper": range(65, 91),
    "lower": range(97, 123),
    "space": b" \t\r\n\v\f",
    "blank": b" \t",
    "punct": b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "print": range(32, 127),
    "graph": range(33, 127),
    "cntrl": (*range(32), 127),
    "xdigit": b"0123456789abcdefABCDEF",
}
_ALL: Final = frozenset(range(256))


class BadExpression(ValueError):
    """The text is no extended regular expression; says why."""


@dataclass(frozen=True, slots=True)
class _One:
    """One octet out of a set, or an end of the text."""

    takes: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Sequence:
    items: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    items: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Repeat:
    """So many times; most: None without a limit."""

    item: _Node
    least: int
    most: int | None


_Node = _One | _Sequence | _Choice | _Repeat


class Expression:
    """A compiled expression. Raises: BadExpression."""

    def __init__(self, text: str) -> None:
        self._takes: list[frozenset[int] | None] = []
        self._then: list[list[int]] = []
        self._last = self._state(None)
        self._first = self._closure((self._build(_Reader(text).whole(), self._last),))
        self._steps: dict[tuple[frozenset[int], int], frozenset[int]] = {}
        self._remembered = 0

    def found_in(self, text: bytes) -> bool:
        """Say whether the expression fits the text or some part of it."""
        states = self._first | self._step(self._first, _BEGIN)
        for octet in text:
            if self._last in states:
                return True
            states = self._first | self._step(states, octet)
        return self._last in states or self._last in self._step(states, _END)

    def _step(self, states: frozenset[int], octet: int) -> frozenset[int]:
        known = self._steps.get((states, octet))
        if known is None:
            if self._remembered >= _REMEMBERED:
                self._steps.clear()
                self._remembered = 0
            reached = [
                then
                for state in states
                if octet in (self._takes[state] or ())
                for then in self._then[state]
            ]
            known = self._steps[states, octet] = self._closure(reached)
            self._remembered += 1 + len(states) + len(known)
        return known

    def _closure(self, states: Iterable[int]) -> frozenset[int]:
        """Return the states with all that follow them for nothing."""
        waiting = list(states)
        found = set(waiting)
        while waiting:
            state = waiting.pop()
            if self._takes[state] is None:
                new = [then for then in self._then[state] if then not in found]
                found.update(new)
                waiting += new
        return frozenset(found)

    def _state(self, takes: frozenset[int] | None, *then: int) -> int:
        if len(self._takes) >= _STATES:
            raise BadExpression("repeats too much")
        self._takes.append(takes)
        self._then.append(list(then))
        return len(self._takes) - 1

    def _build(self, node: _Node, then: int) -> int:
        """Make the states of a part, which go on to ``then``; returns where it begins."""
        if isinstance(node, _One):
            return self._state(node.takes, then)
        if isinstance(node, _Sequence):
            for item in reversed(node.items):
                then = self._build(item, then)
            return then
        if isinstance(node, _Choice):
            return self._state(None, *[self._build(item, then) for item in node.items])
        if node.most is None:
            loop = self._state(None, then)
            self._then[loop].append(self._build(node.item, loop))
            then = loop
        else:
            end = then
            for _ in range(node.most - node.least):
                then = self._state(None, end, self._build(node.item, then))
        for _ in range(node.least):
            then = self._build(node.item, then)
        return then


class _Reader:
    """Reads the text of an expression."""

    def __init__(self, text: str) -> None:
        if not text.isascii() or len(text) > _LONGEST:
            raise BadExpression("is not ASCII, or too long")
        self._text = text
        self._at = 0
        self._depth = 0

    def whole(self) -> _Node:
        """Read all of it."""
        node = self._choice()
        if self._at < len(self._text):
            raise BadExpression("has a bracket that closes nothing")
        return node

    def _next(self) -> str:
        """Return the next character, "" at the end."""
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        if not self._next():
            raise BadExpression("ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def _accept(self, character: str) -> bool:
        if self._next() != character:
            return False
        self._at += 1
        return True

    def _choice(self) -> _Node:
        branches = [self._branch()]
        while self._accept("|"):
            branches.append(self._branch())
        return branches[0] if len(branches) == 1 else _Choice(tuple(branches))

    def _branch(self) -> _Node:
        items: list[_Node] = []
        while self._next() not in ("", "|", ")"):
            item = self._atom()
            while self._next() in ("*", "+", "?", "{"):
                item = _Repeat(item, *self._bounds())
            items.append(item)
        return _Sequence(tuple(items))

    def _atom(self) -> _Node:
        character = self._take()
        if character == "(":
            return self._group()
        if character == "[":
            return _One(self._set())
        if character in "*+?{":
            raise BadExpression("repeats nothing")
        special = {".": _ALL, "^": frozenset((_BEGIN,)), "$": frozenset((_END,))}
        if character in special:
            return _One(special[character])
        return _One(frozenset((ord(self._take() if character == "\\" else character),)))

    def _group(self) -> _Node:
        self._depth += 1
        if self._depth > _DEPTH:
            raise BadExpression("is nested too deeply")
        node = self._choice()
        if not self._accept(")"):
            raise BadExpression("has a bracket that is not closed")
        self._depth -= 1
        return node

    def _bounds(self) -> tuple[int, int | None]:
        character = self._take()
        if character != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[character]
        least = self._number()
        most: int | None = least
        if self._accept(","):
            most = None if self._next() == "}" else self._number()
        if not self._accept("}") or (most is not None and most < least):
            raise BadExpression("has bounds that are none")
        return least, most

    def _number(self) -> int:
        digits = ""
        while self._next().isdigit():
            digits += self._take()
        if not digits or len(digits) > 3 or int(digits) > _REPEATS:
            raise BadExpression(f"has a bound that is not 0 to {_REPEATS}")
        return int(digits)

    def _set(self) -> frozenset[int]:
        """Read a bracket expression; in it a backslash is itself, as POSIX has it."""
        negated = self._accept("^")
        octets: set[int] = set()
        first = True
        while first or self._next() != "]":
            first = False
            if self._text.startswith("[:", self._at):
                name, closed, _ = self._text[self._at + 2 :].partition(":]")
                if not closed or name not in _CLASSES:
                    raise BadExpression("has an unknown character class")
                octets.update(_CLASSES[name])
                self._at += len(name) + 4
                continue
            low = high = self._take()
            if self._next() == "-" and self._text[self._at + 1 : self._at + 2] not in ("", "]"):
                self._take()
                high = self._take()
            if high < low:
                raise BadExpression("has a range that is none")
            octets.update(range(ord(low), ord(high) + 1))
        self._at += 1
        return _ALL - octets if negated else frozenset(octets)
