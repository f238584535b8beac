# SPDX-License-Identifier: Apache-2.0
"""Node selectors: the grammar of RFC 4825 6.3 and the prefixes of 6.4, by hand.

They look like XPath and are none: a step names one element by name, position and one attribute.
Nothing of a request ever reaches an XPath engine (threats.md X5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from .errors import Refusal

__all__ = ["ANY", "Attribute", "Namespaces", "NodeSelector", "Step", "decode", "parse_selector"]

ANY: Final = "*"

_MOST_STEPS: Final = 65
_MOST_PREFIXES: Final = 64
_XML: Final = "http://www.w3.org/XML/1998/namespace"
_XMLNS: Final = "http://www.w3.org/2000/xmlns/"

# QName of Namespaces in XML 1.0: two NCNames, here by the ranges of XML 1.0 2.3.
_START: Final = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d"
    "\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NCNAME: Final = f"[{_START}][{_START}\\-.0-9\u00b7\u0300-\u036f\u203f\u2040]*"
_QNAME: Final = f"(?:{_NCNAME}:)?{_NCNAME}"
_STEP: Final = re.compile(
    rf"(?P<name>\*|{_QNAME})"
    r"(?:\[(?P<position>[0-9]{1,9})\])?"
    rf"(?:\[@(?P<attribute>{_QNAME})=(?P<value>\"[^\"<]*\"|'[^'<]*')\])?"
)
_ATTRIBUTE: Final = re.compile(f"@(?P<name>{_QNAME})")
_REFERENCE: Final = re.compile(r"&(?:(lt|gt|amp|quot|apos)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));|&")
_PREDEFINED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_ESCAPES: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# Octets of a raw path that matter for cutting it into segments.
_CUT: Final = re.compile(rb"(/)|(\"|%22)|('|%27)")
_POINTER: Final = re.compile(rf"({_QNAME})\(")
_BINDING: Final = re.compile(rf"\s*({_NCNAME})\s*=\s*(\S*)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """One step. name: "{uri}local", "local" or ``ANY``; position: 0 for none; attribute: its name,
    "" for none.
    """

    name: str
    position: int = 0
    attribute: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Attribute:
    """Terminal selector of an attribute; name as in `Step`."""

    name: str


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Terminal selector ``namespace::*``."""


@dataclass(frozen=True, slots=True)
class NodeSelector:
    """Steps to an element, and what of it is meant: None for the element itself.

    segments: the raw path segments, one for each step and one for the terminal selector.
    prefixes: what the query bound.
    """

    steps: tuple[Step, ...]
    terminal: Attribute | Namespaces | None
    segments: tuple[bytes, ...]
    prefixes: Mapping[str, str]


def parse_selector(path: bytes, query: bytes, default: str) -> NodeSelector:
    """Read a node selector.

    Args: path: what follows ``~~/``, as it came. query: of the URI. default: default document name
        space of the application usage.
    Raises: Refusal: 400 for what breaks the grammar, 404 for an extension nobody knows.
    """
    segments = _segments(path)
    if len(segments) > _MOST_STEPS:
        raise Refusal(400, f"more than {_MOST_STEPS} steps")
    prefixes = _prefixes(query)
    steps: list[Step] = []
    terminal: Attribute | Namespaces | None = None
    for index, segment in enumerate(segments):
        text = decode(segment)
        last = bool(steps) and index == len(segments) - 1
        if last and text == "namespace::*":
            terminal = Namespaces()
        elif last and (found := _ATTRIBUTE.fullmatch(text)):
            terminal = Attribute(_attribute_name(found["name"], prefixes))
        else:
            steps.append(_step(text, prefixes, default))
    return NodeSelector(tuple(steps), terminal, tuple(segments), prefixes)


def decode(segment: bytes) -> str:
    """Percent-decode a path segment, once (threats.md S5). Raises: Refusal (400)."""
    if _ESCAPES.search(segment):
        raise Refusal(400, "a percent sign stands for nothing")
    try:
        text = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(400, "a path segment is not UTF-8") from None
    if "\0" in text:
        raise Refusal(400, "a path segment holds NUL")
    return text


def _segments(path: bytes) -> list[bytes]:
    """Cut at slashes, but not at one that somebody left bare inside an attribute value."""
    segments = []
    start, quote = 0, 0
    for mark in _CUT.finditer(path):
        kind = mark.lastindex or 0
        if kind == 1 and not quote:
            segments.append(path[start : mark.start()])
            start = mark.end()
        elif kind > 1 and quote in (0, kind):
            quote = 0 if quote else kind
    segments.append(path[start:])
    return segments


def _step(text: str, prefixes: Mapping[str, str], default: str) -> Step:
    found = _STEP.fullmatch(text)
    if found is None:
        # What begins like a step and goes on otherwise is a mistake; all else may be an extension.
        if not text or "[" in text or text.startswith("@"):
            raise Refusal(400, "a step of the node selector is none")
        raise Refusal(404, "no such extension of node selectors")
    position = int(found["position"]) if found["position"] else 0
    if found["position"] and not position:
        raise Refusal(400, "positions begin with 1")
    attribute, value = "", ""
    if found["attribute"]:
        attribute = _attribute_name(found["attribute"], prefixes)
        value = _attribute_value(found["value"][1:-1])
    return Step(_element_name(found["name"], prefixes, default), position, attribute, value)


def _element_name(name: str, prefixes: Mapping[str, str], default: str) -> str:
    if name == ANY:
        return name
    prefix, colon, local = name.rpartition(":")
    uri = _bound(prefix, prefixes) if colon else default
    return f"{{{uri}}}{local}" if uri else local


def _attribute_name(name: str, prefixes: Mapping[str, str]) -> str:
    prefix, colon, local = name.rpartition(":")
    if name == "xmlns" or prefix == "xmlns":
        # A declaration is no attribute: this name is that of none (RFC 4825 6.3).
        return f"{{{_XMLNS}}}{local}"
    return f"{{{_bound(prefix, prefixes)}}}{local}" if colon else local


def _bound(prefix: str, prefixes: Mapping[str, str]) -> str:
    uri = _XML if prefix == "xml" else prefixes.get(prefix)
    if not uri:
        raise Refusal(400, f"the query binds no prefix {prefix}")
    return uri


def _attribute_value(text: str) -> str:
    """Expand references and normalise white space as XML does with attribute values."""

    def expand(found: re.Match[str]) -> str:
        name, number, hexadecimal = found.groups()
        if name:
            return _PREDEFINED[name]
        code = int(number) if number else int(hexadecimal, 16) if hexadecimal else 0
        if not 0 < code < 0x110000:
            raise Refusal(400, "an attribute value refers to no character")
        return chr(code)

    spaced = text.replace("\r\n", " ").translate({9: " ", 10: " ", 13: " "})
    return _REFERENCE.sub(expand, spaced)


def _prefixes(query: bytes) -> dict[str, str]:
    """Read the xmlns() parts of an XPointer expression; other schemes are passed over."""
    text = decode(query)
    prefixes: dict[str, str] = {}
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        head = _POINTER.match(text, at)
        if head is None:
            raise Refusal(400, "the query is no XPointer expression")
        data, at = _pointer_data(text, head.end())
        if head[1] == "xmlns":
            binding = _BINDING.fullmatch(data)
            if binding is None:
                raise Refusal(400, "the query has an xmlns() without prefix=uri")
            prefixes[binding[1]] = binding[2]
            if len(prefixes) > _MOST_PREFIXES:
                raise Refusal(400, f"the query binds more than {_MOST_PREFIXES} prefixes")
    return prefixes


def _pointer_data(text: str, at: int) -> tuple[str, int]:
    """Return what stands in balanced parentheses; ``^`` takes the meaning from what follows."""
    out: list[str] = []
    depth = 1
    while at < len(text):
        char = text[at]
        at += 1
        if char == "^":
            if text[at : at + 1] not in ("(", ")", "^"):
                raise Refusal(400, "the query has a ^ that escapes nothing")
            char = text[at]
            at += 1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if not depth:
                return "".join(out), at
        out.append(char)
    raise Refusal(400, "the query has an unbalanced parenthesis")
