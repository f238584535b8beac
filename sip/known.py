# SPDX-License-Identifier: Apache-2.0
"""What was worked out from a text, for texts that come again and again."""

from __future__ import annotations

from typing import Any

from . import octets


class Known:
    """Values by text, in a table that never grows.

    A text has two places, which it shares with others. It takes the first over when it is kept,
    and who had that moves to its second: who fills the table costs others a second look at their
    texts and nothing else.
    """

    __slots__ = ("_keys", "_mask", "_values")

    def __init__(self, places: int) -> None:
        """Make an empty table; ``places`` is a power of two."""
        self._mask = places - 1
        self._keys: list[bytes | None] = [None] * places
        self._values: list[Any] = [None] * places

    def find(self, text: bytes, start: int, stop: int) -> Any:
        """Return the value kept for what stands from ``start`` to ``stop``, or None."""
        place = octets.mix(text, start, stop) & self._mask
        key = self._keys[place]
        if key is not None and octets.same(text, start, stop, key):
            return self._values[place]
        place ^= 1
        key = self._keys[place]
        if key is not None and octets.same(text, start, stop, key):
            return self._values[place]
        return None

    def keep(self, key: bytes, value: Any) -> None:
        """Keep a value that is not None."""
        place = octets.mix(key, 0, len(key)) & self._mask
        known = self._keys[place]
        if known is not None and known != key:
            self._keys[place ^ 1] = known
            self._values[place ^ 1] = self._values[place]
        self._keys[place] = key
        self._values[place] = value
