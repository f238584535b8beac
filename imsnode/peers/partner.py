# SPDX-License-Identifier: Apache-2.0
"""One other server as requests are sent to it, and how it does at the moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Hop", "Partner", "PartnerStats"]


@dataclass(frozen=True, slots=True)
class Hop:
    """One address of a partner. server_name: what its certificate must say, "" for the host."""

    transport: str
    host: str
    port: int
    server_name: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport.lower()}:{host}:{self.port}"


class PartnerStats:
    """Counters of one partner, plain ints."""

    __slots__ = ("failed", "requests", "skipped", "throttled")

    def __init__(self) -> None:
        self.requests = 0  # sent there
        self.failed = 0  # no answer, 503, or no way
        self.throttled = 0  # not sent there because of its capacity
        self.skipped = 0  # not sent there because it is down


class HopState:
    """Whether one address answers. rtt_s: of the last OPTIONS that was answered, 0.0 for none.

    shunned_until: an address that nobody asks how it is rests that long after a failure: it is
    tried after all others.
    """

    __slots__ = ("asked", "reason", "rtt_s", "shunned_until", "up")

    def __init__(self) -> None:
        self.up = True
        self.asked = False
        self.reason = ""
        self.rtt_s = 0.0
        self.shunned_until = 0.0


@dataclass(eq=False, slots=True)
class Partner:
    """Another server that takes requests.

    domains, numbers: its ranges as they are written in the configuration. rate: requests a second
    and concurrent: at a time; 0 is no limit. ping_s: pause between two OPTIONS, 0.0 for none.
    waiting: requests there without an answer.
    """

    name: str
    hops: tuple[Hop, ...]
    domains: Sequence[str] = ()
    numbers: Sequence[str] = ()
    priority: int = 10
    weight: int = 10
    rate: float = 0.0
    concurrent: int = 0
    ping_s: float = 0.0
    waiting: int = 0
    states: dict[Hop, HopState] = field(default_factory=dict)
    stats: PartnerStats = field(default_factory=PartnerStats)
    _full_at: float = 0.0  # generic cell rate algorithm, as in identity.rates

    def __post_init__(self) -> None:
        for hop in self.hops:
            self.states.setdefault(hop, HopState())

    def take_over(self, before: Partner) -> None:
        """Go on where the same partner stood before its settings were changed."""
        self.stats = before.stats
        self.waiting = before.waiting
        for hop in self.hops:
            if hop in before.states:
                self.states[hop] = before.states[hop]

    def usable(self, now: float) -> list[Hop]:
        """Return the addresses that may be tried, in the configured order."""
        if self.ping_s:
            return [hop for hop in self.hops if self.states[hop].up]
        return [hop for hop in self.hops if now >= self.states[hop].shunned_until]

    def resting(self, now: float) -> list[Hop]:
        """Return those that are tried only when nothing else is left."""
        if self.ping_s:
            return []
        return [hop for hop in self.hops if now < self.states[hop].shunned_until]

    @property
    def up(self) -> bool:
        """True when one of its addresses answers, as far as is known."""
        return any(state.up for state in self.states.values())

    def has_room(self, now: float) -> bool:
        """Say whether one more request may be sent there, and count it against the rate."""
        if self.concurrent and self.waiting >= self.concurrent:
            return False
        if not self.rate:
            return True
        # As many as one second allows may come at once.
        if self._full_at - now > 1.0 - 1.0 / self.rate + 1e-6:
            return False
        self._full_at = max(self._full_at, now) + 1.0 / self.rate
        return True
