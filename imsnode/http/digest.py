# SPDX-License-Identifier: Apache-2.0
"""HTTP digest authentication with the accounts of the node (RFC 7616).

The realm is the domain of the user, so the HA1s that SIP needs serve here too. Nonces need no
memory until they are used; a nonce count is accepted once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha512
from math import ceil

from starlette.requests import Request

from sip.digest import (
    FRESH,
    Challenge,
    Credentials,
    NonceCounter,
    NonceSource,
    algorithm_name,
    nonce_count,
    parse_credentials,
    verify,
)
from sip.errors import ParseError

from ..identity import Directory, FailureThrottle
from ..identity.accounts import Account

__all__ = ["Digest", "DigestRefused"]

_NONCES = 1 << 16  # whose count is remembered


class DigestRefused(Exception):
    """The request is not let in. status: 400, 401, 403 or 429; headers: of the answer."""

    def __init__(self, status: int, detail: str, headers: list[tuple[str, str]]) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


class Digest:
    """Tells whose request it is.

    Args:
        secret: 16 octets or more, not those of another listener. start: 64 random bits, fresh in
            every run. offer: the algorithms for an account, None for a stranger, and its realm.
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
        self._directory = directory
        self.nonces = NonceSource(secret, start, lifetime_s)
        self._counter = NonceCounter(_NONCES)
        self._offer = offer
        self._throttle = throttle
        self._now = now
        self._wall = wall
        noise = sha512(b"nobody" + secret).hexdigest()
        # Stands for an unknown user, who costs the same work and gets the same answers (A7).
        self._nobody = Account("", "", "", noise[:32], noise[:64], noise[64:])

    def check(self, request: Request, realm: str, claimed: str) -> Account:
        """Return the account whose credentials a request carries.

        Args: claimed: AoR of the user who may have algorithms of its own.
        Raises: DigestRefused.
        """
        try:
            credentials = _credentials(request, realm)
        except ParseError as error:
            raise DigestRefused(400, f"Authorization: {error}", []) from None
        if credentials is None or credentials.blank:
            raise self._challenge(realm, claimed, False)
        source = request.client.host if request.client else ""
        account = self._directory.login(realm, credentials.username)
        name = account.aor if account is not None else _name(credentials, realm)
        wait = self._throttle.delay(source, name, self._now())
        if wait > 0:
            after = ("Retry-After", str(ceil(wait)))
            raise DigestRefused(429, "too many failures came from here", [after])
        count = nonce_count(credentials.nc)
        if credentials.qop != b"auth" or not count or not credentials.cnonce:
            raise DigestRefused(400, "Authorization: qop, nc or cnonce not as offered", [])
        if not _is_target(request, credentials.uri):
            raise DigestRefused(400, "Authorization: uri is not the target of the request", [])
        algorithm = algorithm_name(credentials.algorithm)
        secret = (account or self._nobody).ha1(algorithm)
        right = verify(credentials, request.method.encode(), secret) and bool(secret)
        if account is None or not right or algorithm not in self._offer(account, realm):
            self._throttle.failed(source, name, self._now())
            raise self._challenge(realm, claimed, False)
        nonce = credentials.nonce
        if self.nonces.check(nonce, realm.encode(), self._wall()) != FRESH or not (
            self._counter.claim(self.nonces.sequence(nonce), count)
        ):
            raise self._challenge(realm, claimed, True)
        self._throttle.succeeded(source, account.aor)
        if not account.enabled:
            raise DigestRefused(403, "the account is switched off", [])
        return account

    def check_any(self, request: Request, realms: Sequence[str]) -> Account:
        """Return the account, of one of some realms, whose credentials a request carries.

        Raises: DigestRefused.
        """
        for realm in realms:
            try:
                if _credentials(request, realm) is not None:
                    return self.check(request, realm, "")
            except ParseError as error:
                raise DigestRefused(400, f"Authorization: {error}", []) from None
        refused = [self._challenge(realm, "", False) for realm in realms]
        raise DigestRefused(
            401, refused[0].detail, [header for one in refused for header in one.headers]
        )

    def _challenge(self, realm: str, claimed: str, stale: bool) -> DigestRefused:
        """Ask for credentials: one challenge for each algorithm, strongest first (RFC 7616 3.7)."""
        nonce = self.nonces.make(self._wall(), realm.encode())
        account = self._directory.get(claimed)
        lines = [
            Challenge(realm, nonce, algorithm, stale=stale).line(proxy=False)
            for algorithm in self._offer(account, realm)
        ]
        headers = [("WWW-Authenticate", line.partition(b": ")[2].decode()) for line in lines]
        return DigestRefused(401, "send the digest credentials of the user", headers)


def _credentials(request: Request, realm: str) -> Credentials | None:
    for value in request.headers.getlist("authorization"):
        credentials = parse_credentials(value.encode("latin-1"))
        if credentials is not None and credentials.realm == realm.encode():
            return credentials
    return None


def _name(credentials: Credentials, realm: str) -> str:
    return f"sip:{credentials.username.decode('utf-8', 'replace')}@{realm}"


def _is_target(request: Request, uri: bytes) -> bool:
    """Say whether a digest uri is what was asked for, as a path or as an absolute URI."""
    target: bytes = request.scope["raw_path"]
    if request.scope["query_string"]:
        target += b"?" + request.scope["query_string"]
    if not uri.startswith(b"/"):
        _, separator, rest = uri.partition(b"://")
        uri = b"/" + rest.partition(b"/")[2] if separator else b""
    return uri == target
