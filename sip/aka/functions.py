# SPDX-License-Identifier: Apache-2.0
"""What an algorithm set gives to AKA (TS 33.102 section 6.3)."""

from __future__ import annotations

from typing import Protocol

__all__ = ["AkaFunctions"]


class AkaFunctions(Protocol):
    """The functions f1 to f5* with one subscriber's K and operator constant in them.

    RAND has 16 octets, SQN 6, AMF 2; a MAC has 8, CK and IK 16, AK 6, RES what the set says.
    """

    def f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-A, by which the network proves itself."""
        ...

    def f1_star(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-S, by which the USIM proves its sequence number."""
        ...

    def f2345(self, rand: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        """RES, CK, IK and AK."""
        ...

    def f5_star(self, rand: bytes) -> bytes:
        """AK that hides the sequence number in AUTS."""
        ...
