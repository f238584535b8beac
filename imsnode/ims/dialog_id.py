# SPDX-License-Identifier: Apache-2.0
"""Original dialog identifiers: where an S-CSCF stood when it asked an application server.

It goes along in the Route value by which the request comes back, whatever the server made of the
request meanwhile (Call-ID and all, as a B2BUA does), and carries a MAC: nobody but this S-CSCF says
who is served and whom it has asked. Nothing is kept for it, so it outlives a restart.

Spec: TS 24.229 5.4.3.2 and 5.4.3.3 (original dialog identifier).
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Final

from .criteria import SptCase

__all__ = ["DialogId", "DialogIds"]

_MAC_OCTETS: Final = 10
_LONGEST: Final = 400  # characters; an AoR has at most 255
_FIELDS: Final = 4


@dataclass(frozen=True, slots=True)
class DialogId:
    """Who is served, in which case, and the priority of the criterion that was met last.

    mark: tells one asking from another.
    """

    aor: str
    case: SptCase
    priority: int
    mark: str = "-"


class DialogIds:
    """Makes and reads identifiers under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, dialog: DialogId) -> bytes:
        """Return the text, of characters that a URI parameter may have."""
        content = f"{dialog.case:d} {dialog.priority} {dialog.mark} {dialog.aor}".encode()
        return urlsafe_b64encode(self._mac(content) + content).rstrip(b"=")

    def read(self, text: bytes) -> DialogId | None:
        """Return what the text says, None when this node did not make it."""
        if len(text) > _LONGEST:
            return None
        try:
            raw = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        except (Base64Error, ValueError):
            return None
        content = raw[_MAC_OCTETS:]
        if not hmac.compare_digest(raw[:_MAC_OCTETS], self._mac(content)):
            return None
        case, priority, mark, aor = content.decode().split(" ", _FIELDS - 1)
        return DialogId(aor, SptCase(int(case)), int(priority), mark)

    def _mac(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, "sha256")[:_MAC_OCTETS]
