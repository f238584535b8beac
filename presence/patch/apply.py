# SPDX-License-Identifier: Apache-2.0
"""Patch operations carried out on a document (RFC 5261 section 4).

lxml keeps the characters between nodes with the nodes, so two text nodes never stand side by side
and what RFC 5261 4.3.5 says of combining them holds by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Final, TypeGuard

from lxml import etree

from sip.bodies.xml import OCTETS, Element

from ..work import TooMuchWork, Work
from .errors import PatchError
from .locate import Attribute, Namespace, Target, Text, get_text, locate, set_text
from .selector import SelectorError, parse_selector, qualified

__all__ = ["OPERATIONS", "apply_operations"]

#: Operations of one patch: each of them walks the document.
OPERATIONS: Final = 100

# Nodes that the selectors of one patch may look at.
_WORK: Final = 20_000

_AXIS: Final = "namespace::"
_SPACE: Final = " \t\r\n"


def apply_operations(root: Element, operations: Sequence[Element]) -> Element:
    """Return a new document: a copy of ``root`` with the operations carried out in order.

    Args: operations: elements named add, replace and remove of any name space.
    Raises: PatchError, also when the document would become too large; ``root`` never changes.
    """
    if len(operations) > OPERATIONS:
        raise PatchError("invalid-diff-format", "patch has too many operations")
    root, work = deepcopy(root), Work(_WORK)
    for operation in operations:
        try:
            root = _carry_out(root, operation, work)
        except TooMuchWork:
            reason = "patch has to look at too many nodes"
            raise PatchError("invalid-diff-format", reason, operation) from None
        except SelectorError as error:
            raise PatchError(error.condition, error.reason, operation) from None
    if len(etree.tostring(root)) > OCTETS:
        raise PatchError("invalid-diff-format", "patched document is too large")
    return root


def _carry_out(root: Element, operation: Element, work: Work) -> Element:
    verb = _VERBS.get(etree.QName(operation).localname)
    if verb is None:
        raise PatchError("invalid-patch-directive", "operation is not known", operation)
    selector = parse_selector(operation.get("sel", ""), operation.nsmap)
    target = locate(root, selector, work)
    if target is None:
        raise PatchError("unlocated-node", "selector does not name exactly one node", operation)
    return verb(root, target, operation)


def _add(root: Element, target: Target, operation: Element) -> Element:
    what, where = operation.get("type"), operation.get("pos")
    if what is not None:
        if not _is_element(target) or where is not None or len(operation):
            raise PatchError("invalid-node-types", "only an element takes this text", operation)
        if what.startswith(_AXIS):
            return _declare(root, target, what.removeprefix(_AXIS), operation)
        return _add_attribute(root, target, what, operation)
    if where in ("before", "after"):
        parent, slot = _beside(target, where, operation)
        _insert(parent, slot, operation, at_end=(where == "before") != isinstance(target, Text))
    elif where in (None, "prepend") and _is_element(target):
        slot = 0 if where else len(target)
        _insert(target, slot, operation, at_end=where is None)
    else:
        raise PatchError("invalid-attribute-value", "nothing can be added there", operation)
    return root


def _replace(root: Element, target: Target, operation: Element) -> Element:
    if isinstance(target, Namespace):
        return _redeclare(root, target, operation.text or "", operation)
    if isinstance(target, Text | Attribute):
        if len(operation):
            raise PatchError("invalid-node-types", "only text can stand there", operation)
        if isinstance(target, Text):
            set_text(target, operation.text or "")
        else:
            target.parent.set(target.name, operation.text or "")
        return root
    # White space around the new node is the patch's, not the document's.
    around = (operation.text or "") + "".join([one.tail or "" for one in operation])
    if len(operation) != 1 or around.strip(_SPACE) or _kind(operation[0]) is not _kind(target):
        raise PatchError("invalid-node-types", "a node is replaced by one of its kind", operation)
    new = deepcopy(operation[0])
    new.tail = target.tail
    parent = target.getparent()
    if parent is None:
        return new
    parent.replace(target, new)
    return root


def _remove(root: Element, target: Target, operation: Element) -> Element:
    spaces = operation.get("ws")
    if isinstance(target, Namespace):
        return _redeclare(root, target, None, operation)
    if isinstance(target, Text | Attribute):
        if spaces is not None:
            raise PatchError("invalid-whitespace-directive", "no white space there", operation)
        if isinstance(target, Text):
            set_text(target, "")
        else:
            del target.parent.attrib[target.name]
        return root
    parent = target.getparent()
    if parent is None:
        raise PatchError("invalid-root-element-operation", "the root element stays", operation)
    text = Text(parent, parent.index(target))
    before, after = get_text(text), target.tail or ""
    if spaces in ("before", "both"):
        before = _no_space(before, operation)
    if spaces in ("after", "both"):
        after = _no_space(after, operation)
    parent.remove(target)
    set_text(text, before + after)
    return root


_VERBS: Final = {"add": _add, "replace": _replace, "remove": _remove}


def _add_attribute(root: Element, target: Element, what: str, operation: Element) -> Element:
    if not what.startswith("@"):
        raise PatchError("invalid-attribute-value", "type names no attribute", operation)
    name = qualified(what[1:], operation.nsmap, default=False)
    if name in target.attrib:
        raise PatchError("invalid-patch-directive", "the attribute is there already", operation)
    try:
        target.set(name, operation.text or "")
    except ValueError:
        raise PatchError("invalid-attribute-value", "no name of an attribute", operation) from None
    return root


def _declare(root: Element, target: Element, prefix: str, operation: Element) -> Element:
    uri = operation.text or ""
    if prefix in target.nsmap or not uri:
        raise PatchError("invalid-namespace-uri", "name space cannot be declared", operation)
    return _with_namespaces(root, target, {**target.nsmap, prefix: uri}, operation)


def _redeclare(root: Element, target: Namespace, uri: str | None, operation: Element) -> Element:
    """Give a prefix another URI, or none, where it is declared and nothing uses it."""
    element, prefix = target.parent, target.prefix
    above = element.getparent()
    old = element.nsmap[prefix]
    if above is not None and above.nsmap.get(prefix) == old:
        raise PatchError("invalid-namespace-prefix", "prefix is declared elsewhere", operation)
    if any(_uses(one, prefix, old) for one in element.iter("*")):
        raise PatchError("invalid-namespace-prefix", "prefix is in use", operation)
    namespaces = dict(element.nsmap)
    del namespaces[prefix]
    if uri == "":
        raise PatchError("invalid-namespace-uri", "name space has no URI", operation)
    if uri is not None:
        namespaces[prefix] = uri
    return _with_namespaces(root, element, namespaces, operation)


def _uses(element: Element, prefix: str, uri: str) -> bool:
    return element.prefix == prefix or any(
        str(name).startswith(f"{{{uri}}}") for name in element.attrib
    )


def _with_namespaces(
    root: Element, old: Element, namespaces: dict[str | None, str], operation: Element
) -> Element:
    """Put an element with other declarations in the place of ``old``."""
    try:
        new = etree.Element(old.tag, nsmap=namespaces)  # type: ignore[arg-type]
    except ValueError:
        raise PatchError("invalid-namespace-uri", "no name of a prefix", operation) from None
    for name, value in old.attrib.items():
        new.set(name, value)
    new.text, new.tail = old.text, old.tail
    new.extend(list(old))
    parent = old.getparent()
    if parent is None:
        return new
    parent.replace(old, new)
    return root


def _beside(target: Target, where: str, operation: Element) -> tuple[Element, int]:
    """Return the element and the slot of its text where siblings of a node are put."""
    if isinstance(target, Text):
        return target.parent, target.slot
    if isinstance(target, Attribute | Namespace):
        raise PatchError("invalid-node-types", "there are no siblings there", operation)
    parent = target.getparent()
    if parent is None:
        raise PatchError("invalid-root-element-operation", "the root stays alone", operation)
    return parent, parent.index(target) + (where == "after")


def _insert(parent: Element, slot: int, operation: Element, at_end: bool) -> None:
    """Copy what an operation holds into a slot, before or after the text that is there."""
    text = Text(parent, slot)
    there = get_text(text)
    before, after = (there, "") if at_end else ("", there)
    nodes = [deepcopy(one) for one in operation]
    set_text(text, before + (operation.text or "") + ("" if nodes else after))
    for offset, node in enumerate(nodes):
        parent.insert(slot + offset, node)
    if nodes:
        last = Text(parent, slot + len(nodes))
        set_text(last, get_text(last) + after)


def _no_space(text: str, operation: Element) -> str:
    """Return "", what a text of white space alone becomes when it is removed."""
    if not text or text.strip(_SPACE):
        raise PatchError("invalid-whitespace-directive", "no white space there", operation)
    return ""


def _kind(node: Element) -> object:
    """Return str for elements, else the factory of comments or processing instructions."""
    return str if isinstance(node.tag, str) else node.tag


def _is_element(target: Target) -> TypeGuard[Element]:
    return isinstance(target, etree._Element) and isinstance(target.tag, str)
