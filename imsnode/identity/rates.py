# SPDX-License-Identifier: Apache-2.0
"""How often strangers and users may ask: token buckets in tables that never grow.

A bucket is one number, the moment at which it would be full again (generic cell rate algorithm),
and a bucket that is full again is the same as none at all. So a table is two generations: what was
not touched for a whole generation is full and is forgotten without a search.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sip.sources import source_of

from .peers import Network, PeerTable

OnBan = Callable[[str, float], None]

_ROUNDING_S = 1e-6  # what sums of floating-point seconds may be off
_KEYS = 4096  # IPv6 sources and exempt addresses whose key is kept; emptied when full


@dataclass(frozen=True, slots=True)
class Rate:
    """``per_s`` requests a second, ``burst`` at once."""

    per_s: float
    burst: int


@dataclass(frozen=True, slots=True)
class RateSettings:
    """Limits of the node; ``exempt`` are networks the limit for strangers leaves alone.

    sources, users, bans: places in the tables. With all of them taken, a newcomer is refused. The
    place of a user costs memory only while that user sends.
    """

    unauthenticated: Rate = Rate(20.0, 40)
    ban_s: float = 60.0
    message: Rate = Rate(10.0, 50)
    register: Rate = Rate(1.0, 5)
    subscribe: Rate = Rate(1.0, 20)
    invite: Rate = Rate(5.0, 100)
    refer: Rate = Rate(1.0, 20)
    nickname: Rate = Rate(1.0, 10)
    sources: int = 65536
    users: int = 1 << 20
    bans: int = 4096
    exempt: tuple[str, ...] = ("127.0.0.0/8", "::1/128")


class Buckets:
    """Token buckets of one rate; at most ``places`` are used in one generation."""

    __slots__ = ("_full_s", "_horizon_s", "_interval_s", "_new", "_old", "_places", "_turn_at")

    def __init__(self, rate: Rate, places: int) -> None:
        self._interval_s = 1.0 / rate.per_s
        self._full_s = (rate.burst - 1) * self._interval_s
        self._horizon_s = rate.burst * self._interval_s
        self._places = places
        self._new: dict[str, float] = {}
        self._old: dict[str, float] = {}
        self._turn_at = 0.0

    def take(self, key: str, now: float) -> float:
        """Take one token: 0.0, or the seconds until there is one; nothing is taken then."""
        if now >= self._turn_at:
            self._old = self._new if now < self._turn_at + self._horizon_s else {}
            self._new = {}
            self._turn_at = now + self._horizon_s
        full_at = self._new.get(key)
        if full_at is None:
            full_at = self._old.get(key, now)
            if len(self._new) >= self._places:
                return self._turn_at - now
        wait = full_at - now - self._full_s
        if wait > _ROUNDING_S:
            return wait
        self._new[key] = (full_at if full_at > now else now) + self._interval_s
        return 0.0


class SourceLimiter:
    """The limit on requests that carry no valid credentials, and the ban that follows it.

    A source is an IPv4 address or an IPv6 /64. Peers and exempt networks are never limited.
    ``on_ban`` is told a host and the monotonic second its ban ends, so that a transport can drop
    what it sends unread.
    """

    __slots__ = ("_bans", "_buckets", "_exempt", "_keys", "_on_ban", "_peers", "_settings",
                 "dropped")  # fmt: skip

    def __init__(
        self,
        settings: RateSettings | None = None,
        peers: PeerTable | None = None,
        on_ban: OnBan | None = None,
    ) -> None:
        self._peers = peers if peers is not None else PeerTable()
        self._on_ban = on_ban
        self._bans: dict[str, float] = {}
        self._keys: dict[str, str] = {}
        self.dropped = 0
        self.configure(settings or RateSettings())

    def configure(self, settings: RateSettings) -> None:
        """Take new settings, also after the peers have changed; bans go on."""
        self._settings = settings
        self._buckets = Buckets(settings.unauthenticated, settings.sources)
        self._exempt: list[Network] = [
            ipaddress.ip_network(text, strict=False) for text in settings.exempt
        ]
        self._keys.clear()

    def allow(self, host: str, now: float) -> bool:
        """Count one request without valid credentials; False: drop it and answer nothing."""
        key = self._key(host)
        if not key:
            return True
        if self._bans and self._banned(key, now):
            self.dropped += 1
            return False
        if self._buckets.take(key, now) == 0.0:
            return True
        self.dropped += 1
        self._ban(host, key, now)
        return False

    def banned(self, host: str, now: float) -> bool:
        """Say whether the source is banned at the moment."""
        return bool(self._bans) and self._banned(self._key(host), now)

    def exempt(self, host: str) -> bool:
        """Say whether the source is never limited."""
        return not self._key(host)

    def _banned(self, key: str, now: float) -> bool:
        until = self._bans.get(key)
        if until is None:
            return False
        if now < until:
            return True
        del self._bans[key]
        return False

    def _ban(self, host: str, key: str, now: float) -> None:
        bans = self._bans
        if len(bans) >= self._settings.bans:
            # Bans have one length, so the oldest is the first to end.
            oldest = next(iter(bans))
            if bans[oldest] > now:
                return
            del bans[oldest]
        until = now + self._settings.ban_s
        bans[key] = until
        if self._on_ban is not None:
            self._on_ban(host, until)

    def _key(self, host: str) -> str:
        """The name of the bucket of a source, "" for an exempt one."""
        key = self._keys.get(host)
        if key is None:
            if len(self._keys) >= _KEYS:
                self._keys.clear()
            key = self._keys[host] = self._work_out_key(host)
        return key

    def _work_out_key(self, host: str) -> str:
        if _within(host, self._exempt) or self._peers.covers(host):
            return ""
        return source_of(host)


class UserLimiter:
    """Limits on what one authenticated user may send."""

    __slots__ = ("_buckets",)

    def __init__(self, settings: RateSettings | None = None) -> None:
        self.configure(settings or RateSettings())

    def configure(self, settings: RateSettings) -> None:
        """Take new settings; every user starts with a full bucket."""
        self._buckets = {
            "MESSAGE": Buckets(settings.message, settings.users),
            "REGISTER": Buckets(settings.register, settings.users),
            "SUBSCRIBE": Buckets(settings.subscribe, settings.users),
            "INVITE": Buckets(settings.invite, settings.users),
            "REFER": Buckets(settings.refer, settings.users),
            "NICKNAME": Buckets(settings.nickname, settings.users),  # of MSRP (RFC 7701)
        }

    def allow(self, method: str, aor: str, now: float) -> float:
        """Count one request: 0.0, or the seconds after which it may be tried again (503)."""
        buckets = self._buckets.get(method)
        return 0.0 if buckets is None else buckets.take(aor, now)


def _within(host: str, networks: Iterable[Network]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in networks)
