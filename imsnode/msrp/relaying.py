# SPDX-License-Identifier: Apache-2.0
"""What the relay (RFC 4976) needs of a node: who may use it, and what its URIs are called."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Sequence
from hashlib import sha512

from session_msrp.authorizing import RelayLink, Verdict
from session_msrp.uri import MsrpUri, parse_uri
from sip.aio.listener import Bound, local_address
from sip.digest import (
    FRESH,
    Challenge,
    Credentials,
    NonceCounter,
    NonceSource,
    algorithm_name,
    nonce_count,
    parse_credentials,
    response_hex,
    verify,
)
from sip.errors import ParseError

from ..identity import Directory, FailureThrottle
from ..identity.accounts import Account
from .connection import Connection
from .websocket import WebSocketLink

__all__ = ["DigestGuard", "RelayNames"]

_NONCES = 1 << 16  # whose count is remembered


class RelayNames:
    """Names of the relay.

    domains: whose users it serves. advertise: "" without a name. bound: MSRP's own listeners.
    """

    def __init__(self, domains: Sequence[str], advertise: str, bound: Sequence[Bound] = ()) -> None:
        self._domains = tuple(domains)
        self._advertise = advertise
        self._bound = bound

    def domain(self, host: str) -> str:
        """Return the served domain a host is in, "" when it is in none."""
        inside = [each for each in self._domains if host == each or host.endswith("." + each)]
        return max(inside, key=len, default="")

    def realm(self, uri: MsrpUri) -> str:
        """Return whose users may know the relay by a URI."""
        return self.domain(uri.host) or self._domains[0]

    def new_uri(self, link: RelayLink, asked: MsrpUri) -> MsrpUri:
        """Return a URI of 120 random bits: by the name the client knows, else by the address."""
        assert isinstance(link, Connection)
        host, port = self._reached(link) if isinstance(link, WebSocketLink) else link.local
        if self.domain(asked.host):
            host = asked.host
        elif self._advertise:
            host = self._advertise
        name = f"[{host}]" if ":" in host else host
        session = base64.urlsafe_b64encode(secrets.token_bytes(15)).decode()
        scheme = "msrps" if link.secure else "msrp"
        return parse_uri(f"{scheme}://{name}:{port}/{session};tcp".encode())

    def _reached(self, link: WebSocketLink) -> tuple[str, int]:
        """Return where others reach the relay of a WebSocket client: by TCP (RFC 7977 8.1)."""
        wanted = "TLS" if link.secure else "TCP"
        usable = [each for each in self._bound if each.transport == wanted]
        near = next((each for each in usable if each.host == link.local[0]), None)
        if near is None and usable:
            near = usable[0]
        return link.local if near is None else local_address(near, link.remote[0])


class DigestGuard:
    """Digest authentication of AUTH with the accounts of the node (RFC 4976 9.1).

    Args:
        secret: 16 octets or more, not those of another listener. start: 64 random bits, fresh in
            every run. realm: of a URI. algorithms: what is offered, strongest first.
        throttle: makes those wait who guess; shared with SIP.
    """

    def __init__(
        self,
        directory: Directory,
        secret: bytes,
        start: int,
        lifetime_s: float,
        realm: Callable[[MsrpUri], str],
        algorithms: tuple[str, ...],
        throttle: FailureThrottle,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._nonces = NonceSource(secret, start, lifetime_s)
        self._counter = NonceCounter(_NONCES)
        self._realm = realm
        self._algorithms = algorithms
        self._throttle = throttle
        self._now = now
        self._wall = wall
        noise = sha512(b"nobody" + secret).hexdigest()
        # Stands for an unknown user, who costs the same work and gets the same answers (A7).
        self._nobody = Account("", "", "", noise[:32], noise[:64], noise[64:])

    def check(self, authorization: bytes, uri: MsrpUri, source: str) -> Verdict:
        """Judge the credentials of an AUTH request for a URI."""
        realm = self._realm(uri)
        try:
            credentials = parse_credentials(authorization) if authorization else None
        except ParseError:
            return Verdict(400)
        if credentials is None or credentials.blank or credentials.realm != realm.encode():
            return self._challenge(realm)
        account = self._directory.login(realm, credentials.username)
        name = f"sip:{credentials.username.decode('utf-8', 'replace')}@{realm}"
        if account is not None:
            name = account.aor
        if self._throttle.delay(source, name, self._now()) > 0:
            return Verdict(403)
        count = nonce_count(credentials.nc)
        if credentials.qop != b"auth" or not count or not credentials.cnonce:
            return Verdict(400)
        # 9.1: whatever the client wrote as uri, this is what it had to hash.
        credentials.uri = uri.raw
        algorithm = algorithm_name(credentials.algorithm)
        secret = (account or self._nobody).ha1(algorithm)
        right = verify(credentials, b"AUTH", secret) and bool(secret)
        if account is None or not right or algorithm not in self._algorithms:
            self._throttle.failed(source, name, self._now())
            return self._challenge(realm, failed=True)
        nonce = credentials.nonce
        if self._nonces.check(nonce, realm.encode(), self._wall()) != FRESH or not (
            self._counter.claim(self._nonces.sequence(nonce), count)
        ):
            return self._challenge(realm, stale=True)
        self._throttle.succeeded(source, account.aor)
        if not account.enabled:
            return Verdict(403)
        return Verdict(200, account.aor, (_proof(algorithm, secret, credentials),))

    def _challenge(self, realm: str, stale: bool = False, failed: bool = False) -> Verdict:
        """Ask for credentials: one challenge for each algorithm, strongest first."""
        nonce = self._nonces.make(self._wall(), realm.encode())
        lines = tuple(
            Challenge(realm, nonce, algorithm, stale=stale).line(proxy=False)
            for algorithm in self._algorithms
        )
        return Verdict(401, "", lines, failed)


def _proof(algorithm: str, secret: bytes, credentials: Credentials) -> bytes:
    """Return the Authentication-Info that shows the relay knows the secret too (9.1)."""
    return b'Authentication-Info: rspauth="%b", cnonce="%b", nc=%b, qop=auth' % (
        response_hex(algorithm, secret, b"", credentials),
        credentials.cnonce,
        credentials.nc,
    )
