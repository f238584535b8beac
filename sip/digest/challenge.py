# SPDX-License-Identifier: Apache-2.0
"""Challenges: printed by a server, read and answered by a client."""

from __future__ import annotations

from collections.abc import Container, Sequence

from .algorithms import ALGORITHMS, algorithm_name, response_hex
from .credentials import Credentials
from .fields import FieldTable, escape, scheme_rest, unescape

_TABLE = FieldTable(
    "WWW-Authenticate", (b"realm", b"nonce", b"algorithm", b"qop", b"stale", b"opaque")
)
_REALM = 1


class Challenge:
    """One challenge of the Digest scheme.

    ``algorithm`` is the canonical name (with -sess where asked), ``qop`` the offered values as
    they stand on the wire (b"auth", b"auth,auth-int", b"" when the server is of RFC 2069).
    """

    __slots__ = ("algorithm", "nonce", "opaque", "qop", "realm", "stale")

    def __init__(
        self,
        realm: str,
        nonce: bytes,
        algorithm: str,
        qop: bytes = b"auth",
        stale: bool = False,
        opaque: bytes = b"",
    ) -> None:
        self.realm = realm
        self.nonce = nonce
        self.algorithm = algorithm
        self.qop = qop
        self.stale = stale
        self.opaque = opaque

    def line(self, proxy: bool) -> bytes:
        """Print the header line, without CRLF: Proxy-Authenticate or WWW-Authenticate."""
        head, tail = challenge_frame(self.realm, self.algorithm, self.qop, self.stale, proxy)
        if self.opaque:
            tail += b', opaque="%b"' % escape(self.opaque)
        return head + self.nonce + tail


def challenge_frame(
    realm: str, algorithm: str, qop: bytes, stale: bool, proxy: bool
) -> tuple[bytes, bytes]:
    """Text in front of and behind the nonce of a challenge line, for a server to keep."""
    name = b"Proxy-Authenticate" if proxy else b"WWW-Authenticate"
    head = b'%b: Digest realm="%b", nonce="' % (name, escape(realm.encode()))
    tail = b'"'
    if stale:
        tail += b", stale=true"
    tail += b", algorithm=" + algorithm.encode()
    if qop:
        tail += b', qop="%b"' % qop
    return head, tail


def parse_challenge(value: bytes) -> Challenge | None:
    """Parse the value of one WWW-Authenticate or Proxy-Authenticate header.

    Returns: None when the scheme is not Digest, the algorithm is unknown, or neither qop=auth nor
             the form without qop is possible: RFC 8760 2.4 has a client ignore those.
    Raises:  ParseError for bad syntax.
    """
    rest = scheme_rest(value)
    if rest is None:
        return None
    (realm, nonce, token, qop, stale, opaque), seen = _TABLE.split(rest)
    algorithm = algorithm_name(token)
    if not seen & _REALM or not nonce or not algorithm:
        return None
    if qop and b"auth" not in [part.strip(b" \t").lower() for part in qop.split(b",")]:
        return None
    return Challenge(
        unescape(realm).decode("utf-8", "surrogateescape"),
        nonce,
        algorithm,
        qop,
        stale.lower() == b"true",
        unescape(opaque),
    )


def choose(
    challenges: Sequence[Challenge],
    realms: Container[str],
    algorithms: Container[str] = ALGORITHMS,
) -> Challenge | None:
    """Pick the challenge a client should answer: the topmost it supports and holds a key for.

    A realm without a key is never answered, so that no digest leaks to whoever asks for one.
    Spec: RFC 8760 section 2.4.
    """
    for challenge in challenges:
        if challenge.realm in realms and challenge.algorithm.removesuffix("-sess") in algorithms:
            return challenge
    return None


def answer(
    challenge: Challenge,
    user: str,
    secret: bytes,
    method: str,
    uri: bytes,
    cnonce: bytes,
    count: int,
) -> bytes:
    """Build the header value that answers ``challenge``.

    Args: secret: HA1 of the user for the challenge's base algorithm. uri: Request-URI as sent.
          cnonce: token fresh per nonce; count: requests sent with this nonce, this one included.
    Spec: RFC 7616 section 3.4, RFC 3261 section 22.4.
    """
    realm = challenge.realm.encode("utf-8", "surrogateescape")
    credentials = Credentials(user.encode(), realm, challenge.nonce, uri, b"")
    if challenge.qop:
        credentials.qop = b"auth"
        credentials.nc = b"%08x" % count
        credentials.cnonce = cnonce
    elif challenge.algorithm.endswith("-sess"):
        credentials.cnonce = cnonce
    response = response_hex(challenge.algorithm, secret, method.encode(), credentials)
    value = (
        b'Digest username="%b", realm="%b", nonce="%b", uri="%b", response="%b", algorithm=%b'
        % (
            escape(credentials.username),
            escape(realm),
            challenge.nonce,
            uri,
            response,
            challenge.algorithm.encode(),
        )
    )
    if credentials.cnonce:
        value += b', cnonce="%b"' % cnonce
    if challenge.qop:
        value += b", qop=auth, nc=" + credentials.nc
    if challenge.opaque:
        value += b', opaque="%b"' % escape(challenge.opaque)
    return value
