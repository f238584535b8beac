# SPDX-License-Identifier: Apache-2.0
"""rls-services: URIs that stand for a list of resources (RFC 4826 4)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Final
from urllib.parse import unquote, urlsplit

from lxml import etree

from sip.bodies.xml import Element, new_root, write_xml

from ..errors import Conflict
from ..uris import canonical
from ..usage import GLOBAL, Claim, Library, Own, Usage
from . import resource_lists

__all__ = ["USAGE"]

_URN: Final = "urn:ietf:params:xml:ns:rls-services"
_SERVICE: Final = f"{{{_URN}}}service"
_LISTS: Final = "resource-lists"


def _claims(root: Element, _own: Own) -> Sequence[Claim]:
    """Return the service URIs (RFC 4826 4.4.5). Raises: Conflict for what is no SIP URI."""
    return [Claim(_service_aor(one), one, "uri") for one in root.iterchildren(_SERVICE)]


def _service_aor(service: Element) -> str:
    aor = canonical(service.get("uri", ""))
    if not aor:
        raise Conflict("constraint-failure", "uri of a service is no SIP URI")
    return aor


def _check(root: Element, own: Own) -> None:
    for service in root.iterchildren(_SERVICE):
        for reference in service.iterchildren(f"{{{_URN}}}resource-list"):
            _check_reference(reference.text or "", own)
        for listed in service.iterchildren(f"{{{_URN}}}list"):
            resource_lists.check_list(listed, _URN)


def _check_reference(text: str, own: Own) -> None:
    """Check that a list is referred to by a URI, and that it is the user's own."""
    if not resource_lists.is_http(text):
        raise Conflict("constraint-failure", "resource-list of a service is no HTTP URI")
    segments = urlsplit(text.strip()).path.split("/")
    place = segments.index(_LISTS) if _LISTS in segments else -1
    tree = segments[place + 1 : place + 3] if place >= 0 else []
    if len(tree) < 2 or tree[0] not in ("users", "global"):
        raise Conflict("constraint-failure", "resource-list of a service leads to no resource list")
    if own.owner == GLOBAL or tree[0] == "global":
        return
    if canonical(unquote(tree[1])) != own.owner:
        raise Conflict("constraint-failure", "resource-list of a service leads to another user")


def _index(_own: Own, library: Library) -> bytes:
    """Merge the services of all users, those from their documents named index (4.4.8)."""
    root = new_root(_URN, "rls-services", rl=resource_lists.URN)
    for _, octets in library.documents("rls-services", "index"):
        parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
        document = etree.fromstring(octets, parser)
        root.extend(deepcopy(service) for service in document.iterchildren(_SERVICE))
    return write_xml(root)


USAGE: Final = Usage(
    "rls-services",
    namespace=_URN,
    media_type="application/rls-services+xml",
    root=f"{{{_URN}}}rls-services",
    check=_check,
    claims=_claims,
    computed=_index,
    computed_globally=("index",),
    # It tells of all users' lists, so it is for the node alone (RFC 4826 4.4.9).
    globally_read=False,
    understood=(resource_lists.URN,),
)
