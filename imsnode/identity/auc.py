# SPDX-License-Identifier: Apache-2.0
"""The authentication centre: vectors for SIM cards, each with a sequence number of its own.

Sequence numbers are set aside in the store a block at a time, so that none leaves twice whatever
happens to the node, and strangers who ask for challenges cannot make it write for each.
Spec: TS 33.102 section 6.3 and annex C.1.1, C.3.2.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from sip.aka import (
    DELTA,
    SEQ_LIMIT,
    Vector,
    aka_secret,
    make_vector,
    read_auts,
    sequence_of,
    sqn_of,
)

from .accounts import Account, AkaSubscription
from .vault import AkaKeys, Vault, VaultClosed, aka_functions

__all__ = ["AuthenticationCentre", "Sequences"]

_log = logging.getLogger(__name__)

_BLOCK: Final = 32  # sequence numbers set aside at a time
_WAITING: Final = 16  # challenges of one user that wait for the store

Made = Callable[[Vector | None], None]


class Sequences(Protocol):
    """Keeps how far the sequence numbers of each user are set aside."""

    def keep(self, aor: str, reserved: int, done: Callable[[bool], None]) -> None:
        """Set aside up to ``reserved``; ``done(True)`` after the commit."""
        ...


class _Count:
    """last: SEQ used last. reserved: up to which SEQ is set aside. busy: more is being."""

    __slots__ = ("busy", "last", "reserved", "waiting")

    def __init__(self, reserved: int) -> None:
        # Whether those set aside in the last run were used is not known: they are left out.
        self.last = self.reserved = reserved
        self.busy = False
        self.waiting: list[Callable[[bool], None]] = []


class AuthenticationCentre:
    """Makes vectors and checks what cards answer.

    Args: random: gives so many octets that nobody can foretell.
    """

    def __init__(self, vault: Vault, sequences: Sequences, random: Callable[[int], bytes]) -> None:
        self._vault = vault
        self._sequences = sequences
        self._random = random
        self._counts: dict[str, _Count] = {}
        self.vectors = 0
        self.resynchronised = 0
        self.failed = 0

    def vector(self, account: Account, made: Made) -> None:
        """Make a vector; ``made(None)`` when that is not possible now.

        It is called at once while numbers are set aside, else after the commit of the next block.
        """
        keys = self._keys(account)
        if account.aka is None or keys is None:
            self.failed += 1
            made(None)
            return
        count = self._count(account.aor, account.aka)

        def numbered(granted: bool) -> None:
            if not granted:
                self.failed += 1
                made(None)
                return
            count.last += 1
            self.vectors += 1
            sqn = sqn_of(count.last)
            made(make_vector(aka_functions(keys), self._random(16), sqn, keys.amf))

        if len(count.waiting) >= _WAITING:
            numbered(False)
            return
        count.waiting.append(numbered)
        self._serve(account.aor, count)

    def secret(self, account: Account, algorithm: str, realm: bytes, rand: bytes) -> bytes:
        """HA1 that an answer to a challenge with this RAND has to prove; b"" without keys."""
        keys = self._keys(account)
        if keys is None:
            return b""
        res, ck, ik, _ = aka_functions(keys).f2345(rand)
        return aka_secret(algorithm, account.user.encode(), realm, res, ck, ik)

    def resynchronise(self, account: Account, rand: bytes, auts: bytes) -> bool:
        """Go on from the number that a card is at; False when no card of ours wrote this AUTS.

        A number of ours that the card would accept stays (TS 33.102 section 6.3.5).
        """
        keys = self._keys(account)
        sqn = read_auts(aka_functions(keys), rand, auts) if keys is not None else None
        if account.aka is None or sqn is None:
            return False
        card = sequence_of(sqn)
        count = self._count(account.aor, account.aka)
        if not card <= count.last < card + DELTA and card < SEQ_LIMIT - DELTA:
            count.last = count.reserved = card
            self.resynchronised += 1
        return True

    def _count(self, aor: str, subscription: AkaSubscription) -> _Count:
        count = self._counts.get(aor)
        if count is None:
            count = self._counts[aor] = _Count(subscription.reserved)
        return count

    def _keys(self, account: Account) -> AkaKeys | None:
        if account.aka is None:
            return None
        try:
            return self._vault.open(account.aor, account.aka)
        except VaultClosed:
            _log.error(
                "the key of a SIM card does not open: is imsnode.key the one it was sealed with?",
                extra={"user": account.aor},
            )
            return None

    def _serve(self, aor: str, count: _Count) -> None:
        """Hand out numbers to those who wait, or set more aside first."""
        while count.waiting and not count.busy:
            if count.last < count.reserved:
                count.waiting.pop(0)(True)
                continue
            count.busy = True
            reserved = count.last + _BLOCK
            self._sequences.keep(aor, reserved, partial(self._kept, aor, count, reserved))

    def _kept(self, aor: str, count: _Count, reserved: int, kept: bool) -> None:
        count.busy = False
        if kept:
            # A card may have asked for another place meanwhile; then more is set aside there.
            if count.last < reserved <= count.last + _BLOCK:
                count.reserved = reserved
            self._serve(aor, count)
            return
        waiting, count.waiting = count.waiting, []
        for one in waiting:
            one(False)
