# SPDX-License-Identifier: Apache-2.0
"""Name spaces of presence documents and the prefixes they are written with."""

from __future__ import annotations

from typing import Final

__all__ = [
    "CAPS",
    "CIPID",
    "DATA_MODEL",
    "DIFF",
    "PIDF",
    "PREFIXES",
    "RPID",
    "TIMED_STATUS",
    "XML",
    "dm",
    "pidf",
    "rpid",
]

#: RFC 3863, 4479, 4480, 4482, 4481, 5196 and 5262.
PIDF: Final = "urn:ietf:params:xml:ns:pidf"
DATA_MODEL: Final = "urn:ietf:params:xml:ns:pidf:data-model"
RPID: Final = "urn:ietf:params:xml:ns:pidf:rpid"
CIPID: Final = "urn:ietf:params:xml:ns:pidf:cipid"
TIMED_STATUS: Final = "urn:ietf:params:xml:ns:pidf:timed-status"
CAPS: Final = "urn:ietf:params:xml:ns:pidf:caps"
DIFF: Final = "urn:ietf:params:xml:ns:pidf-diff"
XML: Final = "http://www.w3.org/XML/1998/namespace"

#: What the root of a document that we write declares.
PREFIXES: Final[dict[str | None, str]] = {None: PIDF, "dm": DATA_MODEL, "rpid": RPID}


def pidf(name: str) -> str:
    """Return the tag of an element of RFC 3863."""
    return f"{{{PIDF}}}{name}"


def dm(name: str) -> str:
    """Return the tag of an element of RFC 4479."""
    return f"{{{DATA_MODEL}}}{name}"


def rpid(name: str) -> str:
    """Return the tag of an element of RFC 4480."""
    return f"{{{RPID}}}{name}"
