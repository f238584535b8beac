# SPDX-License-Identifier: Apache-2.0
"""Messages that come again: answered as they were, and said once.

Whoever got no answer sends a message again, over another connection or in another transaction
(RFC 4975 5.4, RFC 3261 17.1.2): it has the same name and the same content.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from .values import RoomMessage

__all__ = ["Kept", "Repeats", "repeat_key"]

#: Called with a message and its number once it is kept, with None where it could not be.
Kept = Callable[[RoomMessage | None, float], None]

_MOST: Final = 4096


def repeat_key(room: str, sender: str, name: bytes, body: bytes) -> bytes:
    """Return what all copies of one message share. Args: name: what its client calls it."""
    who = f"{len(room)}:{room}{len(sender)}:{sender}{len(name)}:".encode()
    return blake2b(who + name + body, digest_size=16).digest()


class _Fate:
    """What becomes of one message, and who waits to hear it."""

    __slots__ = ("kept", "waiting")

    def __init__(self) -> None:
        self.kept: tuple[RoomMessage, float] | None = None
        self.waiting: list[Kept] = []


class Repeats:
    """The messages that were taken last, of all rooms."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._fates: OrderedDict[bytes, _Fate] = OrderedDict()

    def first(self, key: bytes, done: Kept) -> Kept | None:
        """Return what to tell of a message that is new; None: it was here, and ``done`` is told.

        One that could not be kept is new when it comes again.
        """
        known = self._fates.get(key)
        if known is not None:
            if known.kept is None:
                known.waiting.append(done)
            else:
                done(*known.kept)
            return None
        fate = self._fates[key] = _Fate()
        fate.waiting.append(done)
        if len(self._fates) > self._most:
            self._fates.popitem(last=False)

        def settled(message: RoomMessage | None, now: float) -> None:
            if message is None:
                self.forget(key)
            else:
                fate.kept = (message, now)
            waiting, fate.waiting = fate.waiting, []
            for each in waiting:
                each(message, now)

        return settled

    def forget(self, key: bytes) -> None:
        """Take a message for new when it comes again: it was refused."""
        self._fates.pop(key, None)
