# SPDX-License-Identifier: Apache-2.0
"""URIs a relay has handed out: to whom, over which connection, and until when (RFC 4976 6.3)."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from .uri import MsrpUri

__all__ = ["Grant", "Grants"]

#: Connections of peers that are remembered for one URI; a session needs one.
_PEERS = 8


class _Closes(Protocol):
    @property
    def closing(self) -> bool: ...


LinkT = TypeVar("LinkT", bound=_Closes)
Key = tuple[bool, str, int | None, bytes, bytes]


class Grant(Generic[LinkT]):
    """One URI. link: the connection whose AUTH asked for it, it is good over no other.

    toward: key of the next hop back to the client. ends: seconds on the clock of the caller.
    """

    __slots__ = ("_peers", "ends", "link", "toward", "uri", "user")

    def __init__(self, uri: MsrpUri, user: str, link: LinkT, toward: Key, ends: float) -> None:
        self.uri = uri
        self.user = user
        self.link = link
        self.toward = toward
        self.ends = ends
        self._peers: dict[Key, LinkT] = {}

    def met(self, peer: Key, link: LinkT) -> None:
        """Remember over which connection a peer came; the first one keeps the name."""
        known = self.peer(peer)
        if known is None and len(self._peers) < _PEERS:
            self._peers[peer] = link

    def peer(self, key: Key) -> LinkT | None:
        """Return the connection a peer came over, None when there is none any more."""
        link = self._peers.get(key)
        if link is not None and link.closing:
            del self._peers[key]
            return None
        return link


class Grants(Generic[LinkT]):
    """All URIs that are good, at most `most`, and `per_user` for one user."""

    def __init__(self, most: int, per_user: int) -> None:
        self._most = most
        self._per_user = per_user
        self._by_session: dict[bytes, Grant[LinkT]] = {}
        self._by_link: dict[LinkT, set[Grant[LinkT]]] = {}
        self._by_user: dict[str, set[Grant[LinkT]]] = {}

    def __len__(self) -> int:
        return len(self._by_session)

    def room(self, user: str) -> bool:
        """Say whether a user may have one more."""
        mine = len(self._by_user.get(user, ()))
        return mine < self._per_user and len(self._by_session) < self._most

    def add(self, grant: Grant[LinkT]) -> None:
        """Hand out a URI; its session part is unique because it is random."""
        self._by_session[grant.uri.session] = grant
        self._by_link.setdefault(grant.link, set()).add(grant)
        self._by_user.setdefault(grant.user, set()).add(grant)

    def find(self, uri: MsrpUri, now: float) -> Grant[LinkT] | None:
        """Return what was handed out, None when it never was or is not good any more."""
        grant = self._by_session.get(uri.session)
        return grant if grant is not None and grant.ends > now else None

    def used_by(self, link: LinkT) -> bool:
        """Say whether a connection has any."""
        return link in self._by_link

    def lost(self, link: LinkT) -> None:
        """Take back what a connection has (6.3: a new one needs new URIs)."""
        for grant in list(self._by_link.get(link, ())):
            self._remove(grant)

    def revoke(self, user: str) -> None:
        """Take back what a user has."""
        for grant in list(self._by_user.get(user, ())):
            self._remove(grant)

    def expire(self, now: float) -> None:
        """Forget those whose time is over."""
        for grant in [each for each in self._by_session.values() if each.ends <= now]:
            self._remove(grant)

    def _remove(self, grant: Grant[LinkT]) -> None:
        del self._by_session[grant.uri.session]
        _discard(self._by_link, grant.link, grant)
        _discard(self._by_user, grant.user, grant)


K = TypeVar("K")
V = TypeVar("V")


def _discard(table: dict[K, set[V]], key: K, value: V) -> None:
    values = table[key]
    values.discard(value)
    if not values:
        del table[key]
