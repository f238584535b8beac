# SPDX-License-Identifier: Apache-2.0
"""Validation of documents by the schemas of their RFCs, chosen by the root's name space."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from typing import Final

from lxml import etree

from ..errors import ParseError
from .xml import Element, plain

__all__ = ["validate"]

_PRESENCE: Final = ("pidf", "pidf-diff")
_EVENTS: Final = (
    "watcherinfo", "rlmi", "conference-info", "reginfo", "gruuinfo", "dialog-info",
    "im-iscomposing", "simple-filter", "patch-ops-error",
)  # fmt: skip
_XCAP: Final = (
    "resource-lists", "rls-services", "copycontrol", "common-policy", "pres-rules", "xcap-caps",
    "xcap-error", "xcap-diff",
)  # fmt: skip
_OMA: Final = ("urn:oma:xml:xdm:user-profile", "urn:oma:xml:xdm:xcap-directory")
_SCHEMAS: Final = dict.fromkeys(_OMA, "driver-xcap.xsd") | {
    f"urn:ietf:params:xml:ns:{name}": file
    for file, names in (
        ("driver-presence.xsd", _PRESENCE),
        ("driver-events.xsd", _EVENTS),
        ("driver-xcap.xsd", _XCAP),
        ("imdn.rng", ("imdn",)),
    )
    for name in names
}


def validate(root: Element, where: str) -> None:
    """Raise ParseError with the first fault unless a schema knows the document and it is valid."""
    file = _SCHEMAS.get(etree.QName(root).namespace or "")
    if file is None:
        raise ParseError(where, f"{where} document has an unknown root element")
    try:
        _schema(file).assertValid(root)
    except etree.XMLSchemaValidateError:
        raise ParseError(where, f"{where} document is too much for its schema") from None
    except etree.DocumentInvalid as error:
        raise ParseError(where, f"{where} document is invalid: {plain(str(error))}") from None


@cache
def _schema(file: str) -> etree.XMLSchema | etree.RelaxNG:
    with as_file(files(__package__) / "schemas") as folder:
        parser = etree.XMLParser(no_network=True, resolve_entities=False)
        tree = etree.parse(str(folder / file), parser)
        return etree.RelaxNG(tree) if file.endswith(".rng") else etree.XMLSchema(tree)
