# SPDX-License-Identifier: Apache-2.0
"""The URIs by which users, lists and members of lists are found."""

from __future__ import annotations

from sip.errors import ParseError
from sip.uri import parse_uri

__all__ = ["canonical"]


def canonical(uri: str) -> str:
    """Return the URI under which a user or a list is looked up.

    pres and im URIs stand for the SIP URIs of the same users.
    """
    uri = uri.strip()
    scheme, _, rest = uri.partition(":")
    if scheme.lower() in ("pres", "im"):
        uri = f"sip:{rest}"
    try:
        return parse_uri(uri.encode("ascii")).aor
    except (ParseError, UnicodeEncodeError):
        return uri
