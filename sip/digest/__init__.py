# SPDX-License-Identifier: Apache-2.0
"""Digest authentication, both sides: RFC 3261 section 22 with RFC 7616 and RFC 8760."""

from __future__ import annotations

from .algorithms import (
    AKA_V1_MD5,
    AKA_V2_MD5,
    AKA_V2_SHA_256,
    ALGORITHMS,
    MD5,
    SHA_256,
    SHA_512_256,
    algorithm_name,
    ha1,
    response_hex,
    secret_of,
    verify,
)
from .challenge import Challenge, answer, challenge_frame, choose, parse_challenge
from .credentials import Credentials, nonce_count, parse_credentials
from .nonce import FOREIGN, FRESH, STALE, NonceCounter, NonceSource

__all__ = [
    "AKA_V1_MD5",
    "AKA_V2_MD5",
    "AKA_V2_SHA_256",
    "ALGORITHMS",
    "FOREIGN",
    "FRESH",
    "MD5",
    "SHA_256",
    "SHA_512_256",
    "STALE",
    "Challenge",
    "Credentials",
    "NonceCounter",
    "NonceSource",
    "algorithm_name",
    "answer",
    "challenge_frame",
    "choose",
    "ha1",
    "nonce_count",
    "parse_challenge",
    "parse_credentials",
    "response_hex",
    "secret_of",
    "verify",
]
