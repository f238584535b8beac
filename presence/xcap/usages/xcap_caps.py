# SPDX-License-Identifier: Apache-2.0
"""xcap-caps: what this server can do (RFC 4825 12)."""

from __future__ import annotations

from typing import Final

from sip.bodies.xml import add, new_root, write_xml

from ..usage import Library, Own, Usage

__all__ = ["USAGE"]

_URN: Final = "urn:ietf:params:xml:ns:xcap-caps"


def _capabilities(_own: Own, library: Library) -> bytes:
    root = new_root(_URN, "xcap-caps")
    usages = list(library.usages())
    auids = add(root, "auids")
    for usage in usages:
        add(auids, "auid", usage.auid)
    add(root, "extensions")
    namespaces = add(root, "namespaces")
    known = {name for usage in usages for name in (usage.namespace, *usage.understood)}
    for name in sorted(known):
        add(namespaces, "namespace", name)
    return write_xml(root)


USAGE: Final = Usage(
    "xcap-caps",
    namespace=_URN,
    media_type="application/xcap-caps+xml",
    root=f"{{{_URN}}}xcap-caps",
    in_home=False,
    computed=_capabilities,
    computed_globally=("index",),
)
