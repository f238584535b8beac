# SPDX-License-Identifier: Apache-2.0
"""Where identifiers come from: chance enters the core only through an ``IdSource``."""

from __future__ import annotations

from hashlib import blake2b
from typing import Protocol

__all__ = ["MAGIC_COOKIE", "IdSource", "SeededIds"]

MAGIC_COOKIE = b"z9hG4bK"


class IdSource(Protocol):
    """Source of names that nobody can guess and that never repeat.

    Spec: RFC 3261 sections 8.1.1.7 (branch), 19.3 (tag: 32 random bits or more), 8.1.1.4.
    """

    def branch(self) -> bytes:
        """Return the magic cookie followed by at least 64 random bits."""

    def tag(self) -> bytes:
        """Return a From or To tag."""

    def call_id(self) -> bytes:
        """Return a Call-ID."""

    def token(self, n: int) -> str:
        """Return ``n`` lower-case hexadecimal characters."""


class SeededIds:
    """The same identifiers in the same order for the same seed: simulations and tests only."""

    __slots__ = ("_count", "_seed")

    def __init__(self, seed: int) -> None:
        self._seed = seed.to_bytes(16, "big", signed=True)
        self._count = 0

    def _next(self, size: int) -> str:
        self._count += 1
        counter = self._count.to_bytes(8, "big")
        return blake2b(counter, digest_size=size, key=self._seed).hexdigest()

    def branch(self) -> bytes:
        return MAGIC_COOKIE + self._next(10).encode("ascii")

    def tag(self) -> bytes:
        return self._next(6).encode("ascii")

    def call_id(self) -> bytes:
        return self._next(12).encode("ascii")

    def token(self, n: int) -> str:
        text = ""
        while len(text) < n:
            text += self._next(32)
        return text[:n]
