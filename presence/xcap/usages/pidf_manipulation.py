# SPDX-License-Identifier: Apache-2.0
"""pidf-manipulation: presence that stays when no device publishes it (RFC 4827)."""

from __future__ import annotations

from typing import Final

from sip.bodies.xml import Element

from ...documents.pidf import ELEMENTS
from ..errors import Conflict
from ..uris import canonical
from ..usage import Own, Usage

__all__ = ["USAGE"]

_URN: Final = "urn:ietf:params:xml:ns:pidf"
_PARTS: Final = ("data-model", "rpid", "cipid", "timed-status", "caps")


def _check(root: Element, own: Own) -> None:
    """Nobody speaks for somebody else (threats.md A2), nor longer than on a device."""
    if canonical(root.get("entity", "")) != own.owner:
        raise Conflict("constraint-failure", "entity is not the user whose document it is")
    if sum(1 for _ in root.iter()) > ELEMENTS:
        raise Conflict("constraint-failure", f"the document has more than {ELEMENTS} elements")


USAGE: Final = Usage(
    "pidf-manipulation",
    namespace=_URN,
    media_type="application/pidf+xml",
    root=f"{{{_URN}}}presence",
    names=("index",),
    check=_check,
    understood=tuple(f"{_URN}:{part}" for part in _PARTS),
)
