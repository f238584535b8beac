# SPDX-License-Identifier: Apache-2.0
"""The authentication centre's side: vectors made, AUTS read (TS 33.102 sections 6.3.2, 6.3.5)."""

from __future__ import annotations

from hmac import compare_digest
from typing import Final, NamedTuple

from .functions import AkaFunctions

__all__ = ["AMF_RESYNC", "Vector", "hidden", "make_vector", "read_auts"]

AMF_RESYNC: Final = bytes(2)
"""What stands for AMF in MAC-S (TS 33.102 section 6.3.3)."""

_AUTS = 14


class Vector(NamedTuple):
    """One authentication vector: RAND and AUTN go out, the others stay."""

    rand: bytes
    autn: bytes
    xres: bytes
    ck: bytes
    ik: bytes


def make_vector(functions: AkaFunctions, rand: bytes, sqn: bytes, amf: bytes) -> Vector:
    """Make a vector of 16 random octets and a sequence number that was never used before."""
    xres, ck, ik, ak = functions.f2345(rand)
    autn = hidden(sqn, ak) + amf + functions.f1(rand, sqn, amf)
    return Vector(rand, autn, xres, ck, ik)


def read_auts(functions: AkaFunctions, rand: bytes, auts: bytes) -> bytes | None:
    """Return SQN-MS; None when the USIM did not write this AUTS for a challenge with this RAND."""
    if len(auts) != _AUTS:
        return None
    sqn = hidden(auts[:6], functions.f5_star(rand))
    wanted = functions.f1_star(rand, sqn, AMF_RESYNC)
    return sqn if compare_digest(wanted, auts[6:]) else None


def hidden(sqn: bytes, key: bytes) -> bytes:
    """Hide a sequence number under an anonymity key, or uncover it."""
    return bytes(one ^ two for one, two in zip(sqn, key, strict=True))
