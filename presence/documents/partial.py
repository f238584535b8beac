# SPDX-License-Identifier: Apache-2.0
"""Partial presence: application/pidf-diff+xml (RFC 5262, 5263, 5264).

A body is built once for all watchers of a view. Each of them counts its own versions, so it comes
in two pieces, with the number to be put between them.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Final

from lxml import etree

from sip.bodies.schema import validate
from sip.bodies.xml import Element, parse_xml, write_xml
from sip.errors import ParseError

from ..patch import PatchError, apply_operations, make_operations
from .names import DIFF, pidf
from .pidf import Document, check_entity

__all__ = ["MEDIA_TYPE", "diff", "full", "patch"]

MEDIA_TYPE: Final = b"application/pidf-diff+xml"

_WHERE: Final = "pidf-diff"
_VERSION: Final = b' version="0"'


def patch(document: Document, body: bytes) -> Document:
    """Return a published document changed as a <pidf-diff> says (RFC 5264 4.3.2).

    Raises: ParseError; PatchError, whose ``document()`` may go into the 400. ``document`` stays as
        it is.
    """
    root = parse_xml(body, _WHERE, comments=True)
    if root.tag != f"{{{DIFF}}}pidf-diff":
        raise ParseError(_WHERE, "partial presence document has another root element")
    check_entity(root, document.entity)
    _check(root)
    changed = apply_operations(document.root, list(root.iterchildren("*")))
    if changed.tag != pidf("presence") or changed.get("entity") != document.entity:
        raise PatchError("invalid-diff-format", "patch changes whom the document is about")
    _check(changed)
    return Document(changed)


def full(document: Document) -> tuple[bytes, bytes]:
    """Return the <pidf-full> of a document, before and after the number of its version."""
    root = document.root
    copy = etree.Element(f"{{{DIFF}}}pidf-full", nsmap=_namespaces(root))  # type: ignore[arg-type]
    copy.set("entity", document.entity)
    copy.set("version", "0")
    for element in root:
        copy.append(deepcopy(element))
    return _split(write_xml(copy))


def diff(old: Document, new: Document) -> tuple[bytes, bytes]:
    """Return what changed as <pidf-diff>, or <pidf-full> where that is shorter, in two pieces."""
    whole = full(new)
    root = etree.Element(f"{{{DIFF}}}pidf-diff", nsmap=_namespaces(new.root))  # type: ignore[arg-type]
    root.set("entity", new.entity)
    root.set("version", "0")
    if old.entity != new.entity or not make_operations(old.root, new.root, root):
        return whole
    pieces = _split(write_xml(root))
    return pieces if len(b"".join(pieces)) < len(b"".join(whole)) else whole


def _check(root: Element) -> None:
    try:
        validate(root, _WHERE)
    except ParseError as error:
        raise PatchError("invalid-diff-format", error.reason) from None


def _split(body: bytes) -> tuple[bytes, bytes]:
    """Cut a body where the number of its version stands."""
    before, attribute, after = body.partition(_VERSION)
    return before + attribute[:-2], attribute[-1:] + after


def _namespaces(root: Element) -> dict[str | None, str]:
    return {**root.nsmap, "p": DIFF}
