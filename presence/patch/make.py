# SPDX-License-Identifier: Apache-2.0
"""Patch operations that turn one document into another (RFC 5261 section 6).

The difference is taken child by child: children that are the same thing before and after (by name
and ``id``) are compared in turn, the others removed and added. Where text stands between children
an element is replaced as a whole. Each operation is carried out on a copy as it is written, so its
selector is right for the moment it is applied.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from copy import deepcopy
from difflib import SequenceMatcher
from typing import Final

from lxml import etree

from sip.bodies.xml import Element

from ..documents.names import XML
from .apply import OPERATIONS

__all__ = ["make_operations", "same"]

# Children of an element that are still compared one by one.
_CHILDREN: Final = 100


def make_operations(old: Element, new: Element, root: Element) -> bool:
    """Append to ``root`` the operations that make ``new`` out of ``old``; neither changes.

    Args: root: of the document of operations; they get its name space, and selectors use the
        prefixes that it declares.
    Returns: False when it takes more operations than a patch may have; what ``root`` holds then
        is of no use.
    """
    try:
        _Differ(deepcopy(old), root).compare_roots(new)
    except _TooMany:
        return False
    return True


def same(one: Element, other: Element) -> bool:
    """Say whether two elements mean the same: names, attributes, text and order of all in them."""
    ours, theirs = list(one.iter()), list(other.iter())
    if len(ours) != len(theirs):
        return False
    for a, b in zip(ours, theirs, strict=True):
        if a.tag != b.tag or (a.text or "") != (b.text or "") or len(a) != len(b):
            return False
        if a.attrib != b.attrib or (a is not one and (a.tail or "") != (b.tail or "")):
            return False
    return True


class _TooMany(Exception):
    """The patch has no room for another operation."""


class _Differ:
    """Writes operations and carries them out on its own copy of the old document."""

    def __init__(self, work: Element, operations: Element) -> None:
        self._work = work
        self._operations = operations
        self._namespace = etree.QName(operations).namespace
        self._elements = {uri: prefix for prefix, uri in operations.nsmap.items()}
        self._attributes = {uri: prefix for prefix, uri in operations.nsmap.items() if prefix}
        self._attributes[XML] = "xml"
        # Without a default name space a name without prefix is one of no name space.
        self._plain = None not in self._elements.values()

    def compare_roots(self, new: Element) -> None:
        if same(self._work, new):
            return
        if self._work.tag != new.tag or not _comparable(self._work, new, self._attributes):
            self._content("replace", "*", new)
            return
        self._compare(self._work, new)

    def _compare(self, old: Element, new: Element) -> None:
        self._compare_attributes(old, new)
        if len(old) or len(new):
            self._children(old, new)
        else:
            self._leaf(old, new)

    def _compare_attributes(self, old: Element, new: Element) -> None:
        ours, theirs = _attributes(old), _attributes(new)
        for name in [name for name in ours if name not in theirs]:
            self._text("remove", f"{self._path(old)}/{self._attribute(name)}", None)
            del old.attrib[name]
        for name, value in theirs.items():
            if name not in ours:
                operation = self._text("add", self._path(old), value)
                operation.set("type", self._attribute(name))
            elif ours[name] != value:
                self._text("replace", f"{self._path(old)}/{self._attribute(name)}", value)
            old.set(name, value)

    def _leaf(self, old: Element, new: Element) -> None:
        before, after = old.text or "", new.text or ""
        if before == after:
            return
        path = self._path(old)
        if not before:
            self._text("add", path, after)
        else:
            self._text("replace" if after else "remove", f"{path}/text()", after or None)
        old.text = new.text

    def _children(self, old: Element, new: Element) -> None:
        """Remove what is gone, add what is new, compare what stays."""
        wanted = list(new)
        before, after = [_key(one) for one in old], [_key(one) for one in wanted]
        pairs: list[tuple[Element, Element]] = []
        at = 0  # where in ``old``, as it is by now, the next child of ``new`` belongs
        for verb, i, i_end, j, j_end in SequenceMatcher(
            None, before, after, autojunk=False
        ).get_opcodes():
            if verb == "equal":
                pairs += zip(list(old)[at : at + i_end - i], wanted[j:j_end], strict=True)
                at += i_end - i
                continue
            for child in list(old)[at : at + i_end - i]:
                self._text("remove", self._path(child), None)
                old.remove(child)
            at = self._insert(old, at, wanted[j:j_end])
        for ours, theirs in pairs:
            self._pair(ours, theirs)

    def _insert(self, parent: Element, at: int, children: Sequence[Element]) -> int:
        if not children:
            return at
        if at == len(parent):
            operation = self._operation("add", self._path(parent))
        else:
            operation = self._operation("add", self._path(parent[at]))
            operation.set("pos", "before")
        for child in children:
            operation.append(_copy(child))
            parent.insert(at, _copy(child))
            at += 1
        return at

    def _pair(self, old: Element, new: Element) -> None:
        if same(old, new):
            return
        if _comparable(old, new, self._attributes):
            self._compare(old, new)
            return
        self._content("replace", self._path(old), new)
        parent = old.getparent()
        assert parent is not None
        parent.replace(old, _copy(new))

    def _content(self, verb: str, path: str, content: Element) -> None:
        self._operation(verb, path).append(_copy(content))

    def _text(self, verb: str, path: str, text: str | None) -> Element:
        operation = self._operation(verb, path)
        operation.text = text
        return operation

    def _operation(self, verb: str, path: str) -> Element:
        if len(self._operations) >= OPERATIONS:
            raise _TooMany
        operation = etree.SubElement(self._operations, etree.QName(self._namespace, verb))
        operation.set("sel", path)
        return operation

    def _path(self, element: Element) -> str:
        """Return the selector of an element in the copy as it is by now."""
        steps: list[str] = []
        parent = element.getparent()
        while parent is not None:
            steps.append(self._step(parent, element))
            element, parent = parent, parent.getparent()
        return "/".join(["*", *reversed(steps)])

    def _step(self, parent: Element, element: Element) -> str:
        """Return a step by name and ``id`` where that is one element, else by position."""
        name = etree.QName(element)
        uri = name.namespace or ""
        if uri in self._elements or (not uri and self._plain):
            prefix = self._elements.get(uri)
            step = f"{prefix}:{name.localname}" if prefix else name.localname
            alike = list(parent.iterchildren(element.tag))
            if len(alike) == 1:
                return step
            ident = element.get("id")
            if ident and "'" not in ident and sum(one.get("id") == ident for one in alike) == 1:
                return f"{step}[@id='{ident}']"
        elements = list(parent.iterchildren("*"))
        return f"*[{elements.index(element) + 1}]"

    def _attribute(self, name: str) -> str:
        """Return the step of an attribute."""
        qname = etree.QName(name)
        if not qname.namespace:
            return f"@{qname.localname}"
        return f"@{self._attributes[qname.namespace]}:{qname.localname}"


def _comparable(old: Element, new: Element, declared: Container[str]) -> bool:
    """Say whether the difference of two elements of one name can be told piece by piece."""
    leaves = not len(old) and not len(new)
    return all(
        (leaves or _regular(one)) and all(_nameable(name, declared) for name in one.attrib)
        for one in (old, new)
    )


def _regular(element: Element) -> bool:
    """Say whether an element holds elements alone, and not too many of them."""
    return (
        len(element) <= _CHILDREN
        and not element.text
        and len(element) == len(list(element.iterchildren("*")))
        and not any(one.tail for one in element)
    )


def _nameable(name: str | bytes, declared: Container[str]) -> bool:
    namespace = etree.QName(name).namespace
    return not namespace or namespace in declared


def _attributes(element: Element) -> dict[str, str]:
    return {str(name): str(value) for name, value in element.attrib.items()}


def _key(element: Element) -> tuple[object, str | None]:
    return element.tag, element.get("id")


def _copy(element: Element) -> Element:
    copy = deepcopy(element)
    copy.tail = None
    return copy
