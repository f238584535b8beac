# SPDX-License-Identifier: Apache-2.0
"""Checks of headers that decide something and stand in some requests only.

A request that has none of them pays nothing. Headers that this node only carries on are not here:
they pass as they came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .. import octets
from ..errors import ParseError
from ..grammar import is_token, parse_params
from .address import parse_addresses

if TYPE_CHECKING:
    from ..message import Request

_TYPES_ITEMS: Final = 512
_TYPES_BYTES: Final = 128
GOOD_TYPES: Final[set[bytes]] = set()


def check_header(request: Request, name: str) -> None:
    """Check all lines of one header; Contact and Route stay parsed on the request.

    Raises: ParseError.
    """
    if name == "contact":
        request.contacts()
    elif name == "route":
        if not request.routes():
            raise ParseError("Route", "Route is empty")
    elif name in ("expires", "min-expires"):
        # Too large or malformed means the default, negative is an error (RFC 3261 20.19).
        value = request.get(name)
        if value is not None and octets.starts(value, b"-", 0):
            raise ParseError("Expires", "Expires is negative")
    elif name in ("require", "proxy-require"):
        for item in request.items(name):
            if not is_token(item):
                raise ParseError("Require", "Require has a malformed option tag")
    elif name == "event":
        package, semicolon, params = (request.get(name) or b"").partition(b";")
        if not is_token(package.rstrip(b" \t")):
            raise ParseError("Event", "Event has no package name")
        parse_params(semicolon + params, "Event")
    elif name == "max-breadth":
        if not (request.get(name) or b"").isdigit():
            raise ParseError("Max-Breadth", "Max-Breadth is not a number")
    else:
        printed = name.title()
        if not parse_addresses(request.get_all(name), printed):
            raise ParseError(printed, f"{printed} is empty")


def check_content_type(value: bytes) -> None:
    """Raise ParseError unless the value is ``type/subtype`` with well-formed parameters.

    Values that passed are remembered in ``GOOD_TYPES``, where callers look first.
    """
    media, semicolon, params = value.partition(b";")
    kind, _, subtype = media.partition(b"/")
    if not is_token(kind.strip(b" \t")) or not is_token(subtype.strip(b" \t")):
        raise ParseError("Content-Type", "Content-Type is not type/subtype")
    parse_params(semicolon + params, "Content-Type")
    if len(value) <= _TYPES_BYTES:
        if len(GOOD_TYPES) >= _TYPES_ITEMS:
            GOOD_TYPES.clear()
        GOOD_TYPES.add(value)
