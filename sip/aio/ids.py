# SPDX-License-Identifier: Apache-2.0
"""Identifiers from the operating system's random generator."""

from __future__ import annotations

import os

_BLOCK_OCTETS = 8192
_BRANCH_DIGITS = 24
_TAG_DIGITS = 16
_CALL_ID_DIGITS = 32


class SystemIds:
    """The `IdSource` of a running node.

    Random octets are drawn in blocks: one system call serves several hundred identifiers. An
    octet is handed out once only. Not for use across a fork.

    Spec: RFC 3261 8.1.1.7 (branch), 19.3 (tag: at least 32 random bits).
    """

    __slots__ = ("_at", "_digits")

    def __init__(self) -> None:
        self._digits = b""
        self._at = 0

    def _take(self, digits: int) -> bytes:
        start = self._at
        end = start + digits
        if end > len(self._digits):
            self._digits = os.urandom(max(_BLOCK_OCTETS, digits)).hex().encode("ascii")
            start, end = 0, digits
        self._at = end
        return self._digits[start:end]

    def branch(self) -> bytes:
        """Return a new branch: the magic cookie and 96 random bits."""
        return b"z9hG4bK" + self._take(_BRANCH_DIGITS)

    def tag(self) -> bytes:
        """Return a new From or To tag of 64 random bits."""
        return self._take(_TAG_DIGITS)

    def call_id(self) -> bytes:
        """Return a new Call-ID of 128 random bits; it names no host."""
        return self._take(_CALL_ID_DIGITS)

    def token(self, n: int) -> str:
        """Return `n` random lower-case hexadecimal characters."""
        return self._take(n).decode("ascii")
