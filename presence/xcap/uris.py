# SPDX-License-Identifier: Apache-2.0
"""Users by the URIs that documents and paths name them with."""

from __future__ import annotations

from sip.errors import ParseError
from sip.uri import parse_uri

__all__ = ["canonical"]


def canonical(text: str) -> str:
    """Return the address of record of a sip, sips or pres URI, with or without its scheme.

    "" for what is none.
    """
    text = text.strip()
    scheme, colon, rest = text.partition(":")
    if not colon or "@" in scheme:
        text = f"sip:{text}"
    elif scheme.lower() == "pres":
        text = f"sip:{rest}"
    try:
        uri = parse_uri(text.encode("ascii"))
    except (ParseError, UnicodeEncodeError):
        return ""
    return uri.aor if uri.is_sip else ""
