# SPDX-License-Identifier: Apache-2.0
"""What a message centre says became of a short message.

Spec: SMPP 3.4 5.2.12 (esm_class), 5.2.28 (message_state), 5.3.2.12, 5.3.2.35; appendix B (the
text that most centres put into a receipt).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .pdu import ShortMessage, Tag

__all__ = ["Outcome", "is_receipt", "read_receipt"]

_KIND: Final = 0x3C
_RECEIPT: Final = 0x04
_DELIVERED: Final = 2
_STATES: Final = {
    b"DELIVRD": _DELIVERED, b"EXPIRED": 3, b"DELETED": 4, b"UNDELIV": 5, b"ACCEPTD": 6,
    b"UNKNOWN": 7, b"REJECTD": 8,
}  # fmt: skip
_OVER: Final = frozenset((_DELIVERED, 3, 4, 5, 8))
_ID = re.compile(rb"\bid:(\S+)", re.IGNORECASE)
_STAT = re.compile(rb"\bstat:(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One receipt. ids: spellings of the message's own. final: nothing follows."""

    ids: tuple[str, ...]
    delivered: bool
    final: bool
    word: str


def is_receipt(message: ShortMessage) -> bool:
    """Tell a receipt from a message of a phone."""
    return message.esm_class & _KIND == _RECEIPT


def read_receipt(message: ShortMessage) -> Outcome | None:
    """Return what a receipt says; None when it does not name its message."""
    optional = message.optional
    identity = optional.get(Tag.RECEIPTED_MESSAGE_ID, b"").rstrip(b"\0")
    if not identity:
        found = _ID.search(message.text)
        if found is None:
            return None
        identity = found.group(1)
    word = _STAT.search(message.text)
    if Tag.MESSAGE_STATE in optional:
        state = int.from_bytes(optional[Tag.MESSAGE_STATE], "big")
    else:
        state = _STATES.get(word.group(1).upper()[:7], 7) if word else 7
    text = word.group(1).decode() if word else str(state)
    return Outcome(
        _spellings(identity.decode("latin-1")), state == _DELIVERED, state in _OVER, text
    )


def _spellings(identity: str) -> tuple[str, ...]:
    """Return an id as it came, and as centres write it that count in hex in one place only."""
    found = [identity]
    if re.fullmatch(r"[0-9]{1,20}", identity):
        found.append(f"{int(identity):x}")
        found.append(f"{int(identity):X}")
        found.append(identity.lstrip("0") or "0")
    elif re.fullmatch(r"[0-9A-Fa-f]{1,16}", identity):
        found.append(str(int(identity, 16)))
    return tuple(dict.fromkeys(found))
