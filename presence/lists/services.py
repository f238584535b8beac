# SPDX-License-Identifier: Apache-2.0
"""List services as documents: application/rls-services+xml (RFC 4826 section 4)."""

from __future__ import annotations

from typing import Final

from sip.bodies.schema import validate
from sip.bodies.xml import parse_xml, text_of
from sip.errors import ParseError

from ..uris import canonical
from .ports import Service

__all__ = ["REFERENCE", "read_services"]

_WHERE: Final = "rls-services"
_NS: Final = "{urn:ietf:params:xml:ns:rls-services}"
#: The element by which a <service> names a list that is kept elsewhere.
REFERENCE: Final = _NS + "resource-list"


def read_services(body: bytes, owner: str) -> tuple[Service, ...]:
    """Return the services of a user's index document.

    Raises: ParseError.
    """
    root = parse_xml(body, _WHERE)
    if root.tag != _NS + "rls-services":
        raise ParseError(_WHERE, "rls-services document has another root element")
    validate(root, _WHERE)
    services: list[Service] = []
    for element in root.iterchildren(_NS + "service"):
        names = element.iterfind(f"{_NS}packages/{_NS}package")
        packages = tuple(text_of(one).lower() for one in names)
        services.append(Service(canonical(element.get("uri", "")), owner, packages, element[0]))
    return tuple(services)
