# SPDX-License-Identifier: Apache-2.0
"""The card's side of AKA: what a USIM or ISIM makes of a challenge (TS 33.102 section 6.3.3)."""

from __future__ import annotations

from hmac import compare_digest
from typing import NamedTuple

from .functions import AkaFunctions
from .sequence import SequenceArray
from .vector import AMF_RESYNC, hidden

__all__ = ["MacFailure", "Usim", "UsimAnswer"]


class MacFailure(Exception):
    """The challenge is not of the network that knows our K."""


class UsimAnswer(NamedTuple):
    """auts: set instead of the others when the sequence number was not fresh."""

    res: bytes = b""
    ck: bytes = b""
    ik: bytes = b""
    auts: bytes = b""


class Usim:
    """A card with its key and the sequence numbers it has seen."""

    __slots__ = ("_functions", "sequences")

    def __init__(self, functions: AkaFunctions, sequences: SequenceArray | None = None) -> None:
        self._functions = functions
        self.sequences = sequences or SequenceArray()

    def answer(self, rand: bytes, autn: bytes) -> UsimAnswer:
        """Answer a challenge. Raises: MacFailure."""
        functions = self._functions
        res, ck, ik, ak = functions.f2345(rand)
        sqn = hidden(autn[:6], ak)
        if not compare_digest(functions.f1(rand, sqn, autn[6:8]), autn[8:]):
            raise MacFailure
        if self.sequences.accept(sqn):
            return UsimAnswer(res, ck, ik)
        highest = self.sequences.highest
        mac = functions.f1_star(rand, highest, AMF_RESYNC)
        return UsimAnswer(auts=hidden(highest, functions.f5_star(rand)) + mac)
