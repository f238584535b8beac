# SPDX-License-Identifier: Apache-2.0
"""Keys of SIM cards at rest and in use: sealed in the database, opened where a challenge is made.

What is sealed is bound to its account: a row copied to another account does not open there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from sip.aka import AkaFunctions, BlockCipher, Milenage, Tuak, milenage_opc, tuak_topc

from ..seal import Seal
from .accounts import AkaSubscription

__all__ = ["AkaKeys", "Vault", "VaultClosed", "aka_functions", "block_cipher", "derive_opc"]

MILENAGE: Final = "milenage"
TUAK: Final = "tuak"


class VaultClosed(Exception):
    """A key does not open: it was sealed with another node's secret, or for another account."""


@dataclass(frozen=True, slots=True, repr=False)
class AkaKeys:
    """What a SIM card and the authentication centre share.

    key: K, 16 octets, with TUAK 32 also. opc: OPc of 16 octets, with TUAK TOPc of 32. amf: 2.
    """

    algorithm: str
    key: bytes
    opc: bytes
    amf: bytes


class Vault:
    """Seals keys under a key of the node (64 octets) that is not in the database."""

    def __init__(self, key: bytes) -> None:
        self._seal = Seal(key)

    def seal(self, aor: str, keys: AkaKeys) -> AkaSubscription:
        """Make what may be stored for an account."""
        sealed = self._seal.close(keys.key + keys.opc, _scope(aor, keys.algorithm))
        return AkaSubscription(keys.algorithm, keys.amf, sealed)

    def open(self, aor: str, subscription: AkaSubscription) -> AkaKeys:
        """Open what was sealed for an account. Raises: VaultClosed."""
        algorithm = subscription.algorithm
        text = self._seal.open(subscription.sealed, _scope(aor, algorithm))
        if text is None:
            raise VaultClosed(aor)
        size = 32 if algorithm == TUAK else 16
        return AkaKeys(algorithm, text[:-size], text[-size:], subscription.amf)


def derive_opc(algorithm: str, key: bytes, op: bytes) -> bytes:
    """Derive OPc or TOPc from the operator's OP or TOP."""
    return tuak_topc(key, op) if algorithm == TUAK else milenage_opc(block_cipher(key), op)


def aka_functions(keys: AkaKeys) -> AkaFunctions:
    """Return the functions f1 to f5* with these keys in them."""
    if keys.algorithm == TUAK:
        return Tuak(keys.key, keys.opc)
    return Milenage(block_cipher(keys.key), keys.opc)


def block_cipher(key: bytes) -> BlockCipher:
    """AES under a key, a block at a time: what Milenage builds upon (TS 35.206 section 4)."""
    # One block, and another key for every subscriber: nothing that a mode would protect.
    cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305

    def encrypt(block: bytes) -> bytes:
        return cipher.encryptor().update(block)

    return encrypt


def _scope(aor: str, algorithm: str) -> bytes:
    return f"{algorithm} {aor}".encode()
