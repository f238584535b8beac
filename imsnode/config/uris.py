# SPDX-License-Identifier: Apache-2.0
"""SIP URIs as settings."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

__all__ = ["RouteUri", "parse_route_uri"]

_ROUTE = re.compile(
    r"sips?:(?:[A-Za-z0-9_.!~*'()&=+$,;?/%-]+@)?(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:;[A-Za-z0-9_.!~*'()\[\]/:&+$%-]+(?:=[A-Za-z0-9_.!~*'()\[\]/:&+$%-]+)?)+"
)


def parse_route_uri(value: object) -> str:
    """Read a URI for a Route: that of a loose router (RFC 3261 16.12)."""
    text = str(value)
    if not _ROUTE.fullmatch(text) or "lr" not in text.lower().split(";")[1:]:
        raise ValueError('is not a URI for a route: write one such as "sip:scscf.example.com;lr"')
    return text


RouteUri = Annotated[str, BeforeValidator(parse_route_uri), WithJsonSchema({"type": "URI"})]
