# SPDX-License-Identifier: Apache-2.0
"""Digest challenges that a SIM card answers (RFC 3310, RFC 4169).

A nonce carries RAND, AUTN and, as the server's own data, one of the nonces that other users get
and a keyed hash over all of it. So nothing is remembered between challenge and answer, and nobody
can put an old RAND, whose RES may be known, into a new nonce.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from hmac import compare_digest
from typing import NamedTuple

from sip.aka import AKA_ALGORITHMS, Vector, aka_nonce, split_nonce
from sip.digest.challenge import challenge_frame
from sip.digest.nonce import NonceSource
from sip.flow import Flow
from sip.message import Request
from sip.routing import Refusal

from .accounts import Account
from .auc import AuthenticationCentre

__all__ = ["AkaDigest", "Asked", "uses_aka"]

_PLAIN = 20  # octets of a nonce of `sip.digest`, which prints them as hexadecimal digits
_MAC = 8
_UNAVAILABLE = Refusal(503, b"No authentication vector can be made now", (b"Retry-After: 5",))

Answer = Callable[[Request, Flow, Refusal], None]


class Asked(NamedTuple):
    """What a nonce of ours asked: RAND, and the nonce of `sip.digest` that was in it."""

    rand: bytes
    nonce: bytes


class AkaDigest:
    """Makes challenges for SIM cards and knows them again.

    Args:
        secret: 16 octets or more, the same in every run. answer: sends a refusal, now or later.
    """

    def __init__(
        self, auc: AuthenticationCentre, nonces: NonceSource, secret: bytes, answer: Answer
    ) -> None:
        self.auc = auc
        self._nonces = nonces
        self._secret = secret[:64]
        self._answer = answer

    def challenge(
        self,
        request: Request,
        flow: Flow,
        account: Account,
        realm: str,
        status: int,
        stale: bool,
        offer: Sequence[str],
        wall: float,
    ) -> None:
        """Answer a request with a challenge for each algorithm, once its vector is made."""
        made = partial(self._made, request, flow, account, realm, status, stale, offer, wall)
        self.auc.vector(account, made)

    def asked(self, account: Account, nonce: bytes, realm: bytes) -> Asked | None:
        """Read a nonce; None when it was not made here for this account and realm."""
        parts = split_nonce(nonce)
        if parts is None or len(parts[2]) != _PLAIN + _MAC:
            return None
        rand, autn, data = parts
        plain, mac = data[:_PLAIN], data[_PLAIN:]
        if not compare_digest(mac, self._mac(account, realm, rand, autn, plain)):
            return None
        return Asked(rand, plain.hex().encode())

    def resynchronise(self, account: Account, asked: Asked, auts: bytes) -> bool:
        """Go on from where a card is; False when this base64 is not its AUTS."""
        try:
            octets = b64decode(auts, validate=True)
        except Error:
            return False
        return self.auc.resynchronise(account, asked.rand, octets)

    def _made(
        self,
        request: Request,
        flow: Flow,
        account: Account,
        realm: str,
        status: int,
        stale: bool,
        offer: Sequence[str],
        wall: float,
        vector: Vector | None,
    ) -> None:
        if vector is None:
            self._answer(request, flow, _UNAVAILABLE)
            return
        octets = realm.encode()
        plain = self._nonces.make(wall, octets, flow.remote[0])
        nonce = self._nonce(account, octets, vector, bytes.fromhex(plain.decode()))
        lines = []
        for algorithm in offer:
            head, tail = challenge_frame(realm, algorithm, b"auth", stale, status == 407)
            lines.append(head + (nonce if algorithm in AKA_ALGORITHMS else plain) + tail)
        self._answer(request, flow, Refusal(status, None, tuple(lines)))

    def _nonce(self, account: Account, realm: bytes, vector: Vector, plain: bytes) -> bytes:
        mac = self._mac(account, realm, vector.rand, vector.autn, plain)
        return aka_nonce(vector.rand, vector.autn, plain + mac)

    def _mac(self, account: Account, realm: bytes, rand: bytes, autn: bytes, plain: bytes) -> bytes:
        hashed = blake2b(
            rand + autn + plain, key=self._secret, digest_size=_MAC, person=b"aka nonce"
        )
        hashed.update(b"%d %b %b" % (len(realm), realm, account.aor.encode()))
        return hashed.digest()


def uses_aka(offer: Sequence[str]) -> bool:
    """Say whether one of these algorithms needs a SIM card."""
    return any(algorithm in AKA_ALGORITHMS for algorithm in offer)
