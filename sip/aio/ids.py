# SPDX-License-Identifier: Apache-2.0
"""Identifiers from the operating system's random generator."""

from __future__ import annotations

import os

_BLOCK_OCTETS = 8160  # branches and tags come out even
_COOKIE = b"z9hG4bK"
_BRANCH_OCTETS = 12
_BRANCH_LENGTH = len(_COOKIE) + 2 * _BRANCH_OCTETS
_TAG_DIGITS = 16
_CALL_ID_DIGITS = 32


class SystemIds:
    """The `IdSource` of a running node.

    Random octets are drawn in blocks: one system call serves several hundred identifiers. An
    octet is handed out once only. Branches lie ready with their cookies in a block of their own.
    Not for use across a fork.

    Spec: RFC 3261 8.1.1.7 (branch), 19.3 (tag: at least 32 random bits).
    """

    __slots__ = ("_at", "_branch_at", "_branches", "_digits")

    def __init__(self) -> None:
        self._digits = b""
        self._at = 0
        self._branches = b""
        self._branch_at = 0

    def _take(self, digits: int) -> bytes:
        start = self._at
        if start + digits > len(self._digits):
            self._digits = os.urandom(max(_BLOCK_OCTETS, digits)).hex().encode("ascii")
            start = 0
        self._at = start + digits
        block = self._digits
        return block[start : start + digits]

    def branch(self) -> bytes:
        """Return a new branch: the magic cookie and 96 random bits."""
        start = self._branch_at
        if start == len(self._branches):
            self._branches = _cut_branches()
            start = 0
        self._branch_at = start + _BRANCH_LENGTH
        block = self._branches
        return block[start : start + _BRANCH_LENGTH]

    def tag(self) -> bytes:
        """Return a new From or To tag of 64 random bits."""
        return self._take(_TAG_DIGITS)

    def call_id(self) -> bytes:
        """Return a new Call-ID of 128 random bits; it names no host."""
        return self._take(_CALL_ID_DIGITS)

    def token(self, n: int) -> str:
        """Return `n` random lower-case hexadecimal characters."""
        return self._take(n).decode("ascii")


def _cut_branches() -> bytes:
    digits = os.urandom(_BLOCK_OCTETS).hex(",", _BRANCH_OCTETS)
    return _COOKIE + digits.encode("ascii").replace(b",", _COOKIE)
