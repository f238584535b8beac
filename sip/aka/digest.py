# SPDX-License-Identifier: Apache-2.0
"""Digest whose password is made by AKA: RFC 3310 (AKAv1), RFC 4169 (AKAv2).

RFC 3310 takes RES itself for the password, with whatever hash follows the version. RFC 4169 takes
the base64 of HMAC(RES || IK || CK, "http-digest-akav2-password") with the digest's own hash, so
AKAv2-SHA-256 follows from it and RFC 7616. 3GPP uses AKAv1-MD5 and AKAv2-SHA-256.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error
from hmac import digest
from typing import Final

from ..digest.algorithms import AKA_V1_MD5, AKA_V2_MD5, AKA_V2_SHA_256, secret_of

__all__ = [
    "AKA_ALGORITHMS",
    "AKA_V1_MD5",
    "AKA_V2_MD5",
    "AKA_V2_SHA_256",
    "aka_nonce",
    "aka_secret",
    "is_one_time",
    "split_nonce",
]

AKA_ALGORITHMS: Final[tuple[str, ...]] = (AKA_V2_SHA_256, AKA_V2_MD5, AKA_V1_MD5)
"""Strongest first."""

_RAND = 16
_AUTN = 16
_LABEL = b"http-digest-akav2-password"
_PRF = {AKA_V2_MD5: "md5", AKA_V2_SHA_256: "sha256"}  # of the HMAC: the digest's own hash


def is_one_time(algorithm: str) -> bool:
    """Say whether a challenge is good for one request: RES is short (RFC 3310 3.1)."""
    return algorithm.startswith("AKAv1")


def aka_secret(
    algorithm: str, user: bytes, realm: bytes, res: bytes, ck: bytes = b"", ik: bytes = b""
) -> bytes:
    """HA1 for what a challenge made; with RES empty that of an answer with AUTS (RFC 3310 3.4)."""
    password = res
    if res and not is_one_time(algorithm):
        password = b64encode(digest(res + ik + ck, _LABEL, _PRF[algorithm]))
    return secret_of(algorithm, user, realm, password)


def aka_nonce(rand: bytes, autn: bytes, data: bytes) -> bytes:
    """Return the nonce of a challenge; data: the server's own, any octets (RFC 3310 3.2)."""
    return b64encode(rand + autn + data)


def split_nonce(nonce: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return RAND, AUTN and the server's data of a nonce; None when it is too short or no base64.

    Only the one spelling that `aka_nonce` writes is read.
    """
    try:
        octets = b64decode(nonce, validate=True)
    except Error:
        return None
    if len(octets) < _RAND + _AUTN or b64encode(octets) != nonce:
        return None
    return octets[:_RAND], octets[_RAND : _RAND + _AUTN], octets[_RAND + _AUTN :]
