# SPDX-License-Identifier: Apache-2.0
"""The seal on what the node lets others carry for it (AES-SIV, RFC 5297)."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

__all__ = ["Seal"]


class Seal:
    """`sip.gruu.Seal` under one key of 32, 48 or 64 octets.

    Without a nonce: what differs in anything looks different in everything.
    """

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def close(self, content: bytes, scope: bytes) -> bytes:
        """Return the content sealed for one scope, 16 octets longer."""
        return self._cipher.encrypt(content, [scope])

    def open(self, sealed: bytes, scope: bytes) -> bytes | None:
        """Return what was sealed for this scope; None for anything else."""
        try:
            return self._cipher.decrypt(sealed, [scope])
        except InvalidTag:
            return None
