# SPDX-License-Identifier: Apache-2.0
"""Elements that the schemas of the server declare, by name space."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from lxml import etree

from sip.bodies.xml import Element

from .errors import Conflict

__all__ = ["refuse_unknown"]

_XS: Final = "{http://www.w3.org/2001/XMLSchema}"


def refuse_unknown(root: Element, namespaces: frozenset[str]) -> None:
    """Refuse elements that no schema has although their name space is understood here.

    Where a schema lets in what it does not know, the validator asks for no more; RFC 4825 8.2.5
    does, for the name spaces that xcap-caps tells of.

    Raises: Conflict.
    """
    declared = _declared()
    tags = {element.tag for element in root.iter()}
    for tag in map(str, tags - declared):
        if tag[1:].partition("}")[0] in namespaces:
            raise Conflict("schema-validation-error", f"{tag} is declared in no schema")


@cache
def _declared() -> frozenset[str]:
    """Return the expanded names of all elements in the schemas of `sip.bodies`."""
    names = set()
    parser = etree.XMLParser(no_network=True, resolve_entities=False)
    for file in (files("sip.bodies") / "schemas").iterdir():
        if file.name.endswith(".xsd"):
            schema = etree.fromstring(file.read_bytes(), parser)
            target = schema.get("targetNamespace", "")
            for element in schema.iter(f"{_XS}element"):
                if name := element.get("name"):
                    names.add(f"{{{target}}}{name}")
    return frozenset(names)
