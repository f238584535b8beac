# SPDX-License-Identifier: Apache-2.0
"""AUTH at the relay it is for: who asks, for how long, and the URI that is handed out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from .chunk import Body, Chunk
from .errors import BadChunk
from .grants import Grant, Grants
from .printing import print_response
from .uri import MsrpUri

__all__ = ["Authorizing", "Guard", "Peer", "RelayLimits", "RelayLink", "Verdict"]

#: Wrong credentials on one connection, here or further on; then it is closed (RFC 4976 6.3).
_MOST_FAILURES: Final = 5


class RelayLink(Protocol):
    """A connection, as the relay needs it.

    choked_since: seconds, 0 while what is written can leave. secure: TLS. names: hosts that the
    peer's certificate names, none when it showed none.
    """

    choked_since: float
    names: frozenset[str]

    @property
    def closing(self) -> bool:
        """True when nothing can be sent any more."""
        ...

    @property
    def secure(self) -> bool:
        """True over TLS."""
        ...

    @property
    def source(self) -> str:
        """Where it comes from, as limits count it."""
        ...

    def write(self, data: bytes) -> None:
        """Send octets, or keep them until there is room."""
        ...

    def write_large(self, head: bytes, body: Body, end: bytes) -> None:
        """Send one chunk whose parts need not be put together."""
        ...

    def hold(self, whom: object) -> None:
        """Read nothing more until ``release`` is called with the same."""
        ...

    def release(self, whom: object) -> None:
        """Read on unless somebody else has to be waited for."""
        ...

    def close(self, reason: str) -> None:
        """Close after the output has left."""
        ...


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """Bounds: counts and seconds (`_s`).

    uris: handed out at a time. auths: AUTH requests of one connection in a minute. pending: SENDs
    one next hop may leave unanswered; then those who send to it are not read. plain: AUTH without
    TLS is taken, for laboratories. proven: relays have to show certificates.
    """

    uris: int = 10_000
    user_uris: int = 100
    auths: int = 60
    pending: int = 1024
    min_expires_s: int = 60
    max_expires_s: int = 3600
    plain: bool = False
    proven: bool = False


class Verdict(NamedTuple):
    """What a guard says. headers: of the answer, without line ends. failed: credentials are wrong.

    status: 200, or that of the refusal. user: of status 200, who it is.
    """

    status: int
    user: str = ""
    headers: tuple[bytes, ...] = ()
    failed: bool = False


class Guard(Protocol):
    """Checks the credentials of an AUTH request."""

    def check(self, authorization: bytes, uri: MsrpUri, source: str) -> Verdict:
        """Judge an Authorization value, empty without one; uri: what it was made for (9.1)."""
        ...


class Peer:
    """What is counted of one connection."""

    __slots__ = ("auths", "failures", "minute")

    def __init__(self) -> None:
        self.auths = 0
        self.minute = 0.0
        self.failures = 0

    def failed(self, link: RelayLink) -> None:
        """Count wrong credentials; whoever goes on guessing is cut off."""
        self.failures += 1
        if self.failures >= _MOST_FAILURES:
            link.close("wrong credentials")


class Authorizing:
    """Answers AUTH. new_uri(link, asked): makes an unguessable URI of this relay."""

    def __init__(
        self,
        limits: RelayLimits,
        grants: Grants[RelayLink],
        guard: Guard,
        new_uri: Callable[[RelayLink, MsrpUri], MsrpUri],
    ) -> None:
        self._limits = limits
        self._grants = grants
        self._guard = guard
        self._new_uri = new_uri
        self.granted = 0
        self.refused = 0

    def answer(
        self, chunk: Chunk, asked: MsrpUri, came: list[MsrpUri], link: RelayLink, peer: Peer,
        now: float,
    ) -> None:  # fmt: skip
        """Answer a request whose To-Path has nobody but this relay."""
        try:
            verdict = self._judge(chunk, asked, came, link, peer, now)
        except BadChunk as error:
            verdict = Verdict(error.status)
        if verdict.status == 200:
            self.granted += 1
        else:
            self.refused += 1
        link.write(
            print_response(
                chunk.tid, verdict.status, chunk.from_path, chunk.to_path, verdict.headers
            )
        )
        if verdict.failed:
            peer.failed(link)

    def _judge(
        self, chunk: Chunk, asked: MsrpUri, came: list[MsrpUri], link: RelayLink, peer: Peer,
        now: float,
    ) -> Verdict:  # fmt: skip
        """Raises: BadChunk."""
        limits = self._limits
        # 9.2: client and relay must use TLS for AUTH.
        if not (link.secure or limits.plain) or self._too_many(peer, now):
            return Verdict(403)
        if len(came) > 1 and not self._is_named(came[0], link):
            return Verdict(403)
        fields = chunk.fields
        verdict = self._guard.check(fields.get(b"authorization", b""), asked, link.source)
        if verdict.status != 200:
            return verdict
        wanted = fields.get(b"expires")
        if wanted is not None and not (wanted.isdigit() and len(wanted) <= 10):
            raise BadChunk("not a number of seconds")
        seconds = limits.max_expires_s if wanted is None else int(wanted)
        if seconds < limits.min_expires_s:
            return Verdict(423, headers=(b"Min-Expires: %d" % limits.min_expires_s,))
        if seconds > limits.max_expires_s:
            return Verdict(423, headers=(b"Max-Expires: %d" % limits.max_expires_s,))
        if not self._grants.room(verdict.user):
            return Verdict(403)
        uri = self._new_uri(link, asked)
        self._grants.add(Grant(uri, verdict.user, link, came[0].key, now + seconds))
        # 5.1: from the relay nearest to the client to this one.
        path = [each.raw for each in reversed(came[:-1])] + [uri.raw]
        headers = (b"Use-Path: " + b" ".join(path), b"Expires: %d" % seconds, *verdict.headers)
        return Verdict(200, verdict.user, headers)

    def _is_named(self, relay: MsrpUri, link: RelayLink) -> bool:
        """Tell whether a relay on the way is the one its certificate names (6.3, 9.2)."""
        return relay.host in link.names if link.names else not self._limits.proven

    def _too_many(self, peer: Peer, now: float) -> bool:
        if now - peer.minute >= 60:
            peer.minute = now
            peer.auths = 0
        peer.auths += 1
        return peer.auths > self._limits.auths
