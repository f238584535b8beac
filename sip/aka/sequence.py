# SPDX-License-Identifier: Apache-2.0
"""Sequence numbers of AKA: SQN = SEQ || IND (TS 33.102 annex C, profile 2: not time-based).

IND says which place of the USIM's array a vector uses, so that vectors which overtake each other
are still accepted; it goes round with every vector.
"""

from __future__ import annotations

__all__ = ["DELTA", "SEQ_LIMIT", "SequenceArray", "sequence_of", "sqn_of"]

_IND_BITS = 5
_PLACES = 1 << _IND_BITS
SEQ_LIMIT = 1 << 48 - _IND_BITS
DELTA = 1 << 28
"""The most a USIM lets SEQ rise at once (TS 33.102 C.2.1, C.3.2)."""


def sqn_of(sequence: int) -> bytes:
    """SQN of 6 octets for the vector number ``sequence`` (SEQ)."""
    return (sequence << _IND_BITS | sequence % _PLACES).to_bytes(6, "big")


def sequence_of(sqn: bytes) -> int:
    """SEQ of an SQN."""
    return int.from_bytes(sqn, "big") >> _IND_BITS


class SequenceArray:
    """What a USIM has accepted: the highest SEQ for each IND (TS 33.102 C.2)."""

    __slots__ = ("_seen",)

    def __init__(self, upto: int = 0) -> None:
        """Begin with all numbers up to ``upto`` (SEQ) seen."""
        self._seen = [bytes(6)] * _PLACES
        for sequence in range(max(0, upto - _PLACES) + 1, upto + 1):
            self._seen[sequence % _PLACES] = sqn_of(sequence)

    @property
    def highest(self) -> bytes:
        """SQN-MS: the highest that was accepted anywhere."""
        return max(self._seen)

    def accept(self, sqn: bytes) -> bool:
        """Take an SQN when it is fresh; False when the USIM has to ask for resynchronisation."""
        if sequence_of(sqn) - sequence_of(self.highest) > DELTA:
            return False
        place = sqn[5] % _PLACES
        if sequence_of(sqn) <= sequence_of(self._seen[place]):
            return False
        self._seen[place] = sqn
        return True
