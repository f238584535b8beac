# SPDX-License-Identifier: Apache-2.0
"""Keys of the node, and the seal on what it lets others carry for it (AES-SIV, RFC 5297)."""

from __future__ import annotations

from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

__all__ = ["Seal", "derived_key"]


def derived_key(secret: bytes, purpose: bytes) -> bytes:
    """Return a key of 64 octets for one purpose, always the same for one secret."""
    return blake2b(purpose, key=secret[:64]).digest()


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
