# SPDX-License-Identifier: Apache-2.0
"""Header names: spellings, compact forms, and which may stand only once (RFC 3261 7.3)."""

from __future__ import annotations

from typing import Final

from ..errors import ParseError
from ..grammar import is_token

_COMPACT: Final[dict[str, str]] = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

_USUAL: Final = (
    "Accept", "Accept-Contact", "Accept-Encoding", "Accept-Language", "Allow", "Allow-Events",
    "Authorization", "Call-ID", "Contact", "Content-Disposition", "Content-Encoding",
    "Content-Length", "Content-Type", "CSeq", "Date", "Event", "Expires", "From", "Max-Breadth",
    "Max-Forwards", "MIME-Version", "Min-Expires", "Organization", "P-Access-Network-Info",
    "P-Asserted-Identity", "P-Asserted-Service", "P-Charging-Vector", "P-Preferred-Identity",
    "P-Preferred-Service", "P-Served-User", "P-Visited-Network-ID", "Path", "Priority", "Privacy",
    "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Require", "RAck", "Reason", "Record-Route",
    "Refer-To", "Referred-By", "Remote-Party-ID", "Reply-To", "Require", "Retry-After", "Route",
    "RSeq", "Server", "Service-Route", "Session-Expires", "SIP-ETag", "SIP-If-Match", "Subject",
    "Subscription-State", "Supported", "Timestamp", "To", "Unsupported", "User-Agent", "Via",
    "Warning", "WWW-Authenticate",
)  # fmt: skip

# Headers whose second appearance makes the message ambiguous, with the name to print.
SINGLE: Final[dict[str, str]] = {
    name.lower(): name
    for name in (
        "Call-ID", "Content-Disposition", "Content-Length", "Content-Type", "CSeq", "Date", "Event",
        "Expires", "From", "Max-Breadth", "Max-Forwards", "Min-Expires", "Refer-To", "Reply-To",
        "Session-Expires", "SIP-ETag", "SIP-If-Match", "Subscription-State", "To",
    )
}  # fmt: skip


def _spellings() -> dict[bytes, str]:
    known: dict[bytes, str] = {}
    for name in _USUAL:
        for spelling in (name, name.lower(), name.upper(), name.title()):
            known[spelling.encode()] = name.lower()
    for letter, long in _COMPACT.items():
        known[letter.encode()] = long
        known[letter.upper().encode()] = long
    return known


# Usual spellings on the wire -> canonical name.
KNOWN: Final[dict[bytes, str]] = _spellings()

# Headers that `structure` looks into.
CHECKED: Final = frozenset(
    ("contact", "route", "record-route", "path", "service-route", "require", "proxy-require",
     "expires", "min-expires", "event", "max-breadth")
)  # fmt: skip


def known_name(raw: bytes) -> str | None:
    """Return the canonical form of one of the usual header names in any spelling, else None."""
    return KNOWN.get(raw) or KNOWN.get(raw.rstrip(b" \t").lower())


def canonical_name(raw: bytes) -> str:
    """Return the lower-case long form of a header name, given as it stands before the colon.

    Raises: ParseError. White space before the colon is legal (RFC 3261 7.3.1, HCOLON).
    """
    name = raw.rstrip(b" \t")
    if not is_token(name):
        raise ParseError("header", "Header name is malformed")
    lower = name.lower().decode("ascii")
    return _COMPACT.get(lower, lower)
