# SPDX-License-Identifier: Apache-2.0
"""Digest credentials outside SIP: what HTTP (RFC 7616) and AUTH of MSRP (RFC 4976 9.1) share.

The realm is the domain of the user, so the HA1s that SIP needs serve here too. Nonces need no
memory until they are used; a nonce count is accepted once.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from hashlib import sha512
from typing import NamedTuple

from sip.digest import (
    FRESH,
    Challenge,
    Credentials,
    NonceCounter,
    NonceSource,
    algorithm_name,
    nonce_count,
    response_hex,
    verify,
)

from .accounts import Account, Directory
from .throttle import FailureThrottle

__all__ = ["Finding", "Judgement", "Verifier"]

_NONCES = 1 << 16  # whose count is remembered


class Finding(Enum):
    """What credentials come to."""

    RIGHT = auto()
    WRONG = auto()
    STALE = auto()  # they are right, but made for a nonce that has had its day
    UNUSABLE = auto()  # qop, nc or cnonce are not as offered
    THROTTLED = auto()  # too many failures before
    DISABLED = auto()


class Judgement(NamedTuple):
    """account: of Finding.RIGHT, who it is. wait_s: of THROTTLED, how long."""

    finding: Finding
    account: Account | None = None
    wait_s: float = 0.0


class Verifier:
    """Makes challenges, and tells whose credentials answer them.

    Args:
        secret: 16 octets or more, not those of another listener. start: 64 random bits, fresh in
            every run. offer: the algorithms for an account, None for a stranger, and its realm;
            strongest first.
        throttle: makes those wait who guess; may be shared with SIP.
        now, wall: monotonic and epoch seconds.
    """

    def __init__(
        self,
        directory: Directory,
        secret: bytes,
        start: int,
        lifetime_s: float,
        offer: Callable[[Account | None, str], tuple[str, ...]],
        throttle: FailureThrottle,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.directory = directory
        self.nonces = NonceSource(secret, start, lifetime_s)
        self._counter = NonceCounter(_NONCES)
        self._offer = offer
        self._throttle = throttle
        self._now = now
        self._wall = wall
        noise = sha512(b"nobody" + secret).hexdigest()
        # Stands for an unknown user, who costs the same work and gets the same answers (A7).
        self._nobody = Account("", "", "", noise[:32], noise[:64], noise[64:])

    def judge(self, credentials: Credentials, realm: str, method: bytes, source: str) -> Judgement:
        """Say what credentials for a realm are worth; source: as the throttle counts it."""
        account = self.directory.login(realm, credentials.username)
        name = f"sip:{credentials.username.decode('utf-8', 'replace')}@{realm}"
        if account is not None:
            name = account.aor
        wait = self._throttle.delay(source, name, self._now())
        if wait > 0:
            return Judgement(Finding.THROTTLED, wait_s=wait)
        count = nonce_count(credentials.nc)
        if credentials.qop != b"auth" or not count or not credentials.cnonce:
            return Judgement(Finding.UNUSABLE)
        algorithm = algorithm_name(credentials.algorithm)
        secret = (account or self._nobody).ha1(algorithm)
        right = verify(credentials, method, secret) and bool(secret)
        if account is None or not right or algorithm not in self._offer(account, realm):
            self._throttle.failed(source, name, self._now())
            return Judgement(Finding.WRONG)
        nonce = credentials.nonce
        if self.nonces.check(nonce, realm.encode(), self._wall()) != FRESH or not (
            self._counter.claim(self.nonces.sequence(nonce), count)
        ):
            return Judgement(Finding.STALE)
        self._throttle.succeeded(source, account.aor)
        if not account.enabled:
            return Judgement(Finding.DISABLED)
        return Judgement(Finding.RIGHT, account)

    def challenges(
        self, realm: str, account: Account | None = None, *, stale: bool = False
    ) -> tuple[bytes, ...]:
        """Return a WWW-Authenticate line for each algorithm, strongest first (RFC 7616 3.7)."""
        nonce = self.nonce(realm)
        return tuple(
            Challenge(realm, nonce, algorithm, stale=stale).line(proxy=False)
            for algorithm in self._offer(account, realm)
        )

    def nonce(self, realm: str) -> bytes:
        """Return a new nonce."""
        return self.nonces.make(self._wall(), realm.encode())

    def proof(self, account: Account, credentials: Credentials) -> bytes:
        """Return the rspauth that shows that we know the secret of RIGHT credentials too."""
        algorithm = algorithm_name(credentials.algorithm)
        return response_hex(algorithm, account.ha1(algorithm), b"", credentials)
