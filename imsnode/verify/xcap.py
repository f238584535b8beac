# SPDX-License-Identifier: Apache-2.0
"""Documents, as the flows of XCAP put them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx

__all__ = ["LISTS", "put"]

#: A document of resource-lists (RFC 4826 3), with a place for the name of its list.
LISTS: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists '
    b'xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="%b">'
    b'<entry uri="sip:x@example.test"/></list></resource-lists>'
)


async def put(
    http: httpx.AsyncClient,
    url: str,
    body: bytes,
    kind: str = "application/resource-lists+xml",
    condition: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Put a document, or a part of one."""
    headers = {"Content-Type": kind, **(condition or {})}
    return await http.put(url, content=body, headers=headers)
