# SPDX-License-Identifier: Apache-2.0
"""Deadlines: the frozen timer values, and the one queue that keeps every deadline of an endpoint.

Nothing here reads a clock: ``now`` is monotonic seconds and comes from the caller. Cancelling is
lazy: an entry stays until it is due and its target decides whether it still means anything, so
arming a timer is one append and disarming costs nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf
from operator import itemgetter
from typing import Protocol

__all__ = ["KeyLane", "KeyOwner", "Lane", "TimerConfig", "TimerQueue", "TimerTarget"]

_KEY_SLACK_S = 0.02
_at = itemgetter(0)


@dataclass(frozen=True, slots=True)
class TimerConfig:
    """Base values of the SIP timers, in seconds.

    ``invite_trying`` is the 200 ms of RFC 3261 17.2.1, ``timer_c`` the proxy's INVITE limit.
    Spec: RFC 3261 sections 16.6 (11) and 17, table 4.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    timer_c: float = 181.0
    invite_trying: float = 0.2

    def __post_init__(self) -> None:
        if not 0.0 < self.t1 <= self.t2 or self.t4 < 0.0:
            raise ValueError("timers need 0 < t1 <= t2 and t4 >= 0")

    @property
    def transaction(self) -> float:
        """64*T1: timers B, F, H, J, L and M."""
        return 64.0 * self.t1

    @property
    def timer_d(self) -> float:
        """At least 32 s whatever T1 is, for unreliable transports (RFC 3261 17.1.1.2)."""
        return max(32.0, 64.0 * self.t1)

    @property
    def resend_delays(self) -> tuple[float, ...]:
        """The values Timer E takes, from T1 doubling up to T2 (RFC 3261 17.1.2.2)."""
        delays = [self.t1]
        while delays[-1] < self.t2:
            delays.append(min(2.0 * delays[-1], self.t2))
        return tuple(delays)

    @property
    def trying(self) -> float:
        """How long a client takes to reset Timer E to T2: 3.5 s (RFC 4320 4.1)."""
        return sum(self.resend_delays[:-1])


class TimerTarget(Protocol):
    """Something that wants to be told of a deadline; ``kind`` is an integer of its own choosing."""

    def on_timer(self, kind: int, now: float) -> None: ...


class KeyOwner(Protocol):
    """Something that finds its objects by key when a batch of keys falls due."""

    def on_keys(self, kind: int, keys: list[bytes], now: float) -> None: ...


Entry = tuple[float, TimerTarget, int]


class Lane:
    """A first-in first-out line of deadlines that all lie the same delay ahead."""

    __slots__ = ("delay", "entries")

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.entries: deque[Entry] = deque()

    def push(self, now: float, target: TimerTarget, kind: int) -> None:
        """Arm ``target`` for ``now + delay``; after a ``now`` that stepped back it fires with the
        entry before it."""
        self.entries.append((now + self.delay, target, kind))


class _Bucket:
    """The keys added to a lane within one slack interval; falls due as a whole."""

    __slots__ = ("closed", "keys", "owner")

    def __init__(self, owner: KeyOwner) -> None:
        self.owner = owner
        self.keys: list[bytes] = []
        self.closed = False

    def on_timer(self, kind: int, now: float) -> None:
        self.closed = True
        self.owner.on_keys(kind, self.keys, now)


class KeyLane:
    """A lane that keeps keys instead of objects, so that what they name can be freed early.

    Keys are bundled: one falls due between ``delay`` and ``delay`` + ``slack`` after it was added,
    never before; without slack those added at the same ``now`` share a bundle. A million waiting
    keys cost eight octets each beside the key itself.
    """

    __slots__ = ("_bucket", "_kind", "_lane", "_owner", "_slack", "_until")

    def __init__(self, lane: Lane, owner: KeyOwner, kind: int, slack: float) -> None:
        self._lane = lane
        self._owner = owner
        self._kind = kind
        self._slack = slack
        self._bucket = _Bucket(owner)
        self._until = -inf

    def add(self, now: float, key: bytes) -> None:
        if now > self._until or self._bucket.closed:
            self._bucket = _Bucket(self._owner)
            self._until = now + self._slack
            self._lane.push(self._until, self._bucket, self._kind)
        self._bucket.keys.append(key)


class TimerQueue:
    """Every deadline of one endpoint: a heap for any time, lanes for constant delays.

    Deadlines that are due come out by time; equal ones heap first in order of scheduling, then
    the lanes in order of their creation, each first in first out.
    """

    __slots__ = ("_heap", "_lanes", "_order", "_sequence")

    def __init__(self, delays: Iterable[float] = ()) -> None:
        self._heap: list[tuple[float, int, TimerTarget, int]] = []
        self._sequence = 0
        self._lanes: dict[float, Lane] = {}
        self._order: list[Lane] = []
        for delay in delays:
            self.lane(delay)

    def __len__(self) -> int:
        """Entries waiting, those that lost their meaning included."""
        return len(self._heap) + sum(len(lane.entries) for lane in self._order)

    def lane(self, delay: float) -> Lane:
        """Return the lane for ``delay`` seconds, made at the first call; keep it, it is shared."""
        lane = self._lanes.get(delay)
        if lane is None:
            lane = self._lanes[delay] = Lane(delay)
            self._order.append(lane)
        return lane

    def key_lane(
        self, delay: float, owner: KeyOwner, kind: int, slack: float = _KEY_SLACK_S
    ) -> KeyLane:
        """Make a lane of keys; ``owner.on_keys(kind, keys, now)`` hears of the ones due."""
        lane = Lane(delay)
        self._order.append(lane)
        return KeyLane(lane, owner, kind, slack)

    def schedule(self, at: float, target: TimerTarget, kind: int) -> None:
        """Arm ``target`` for the monotonic time ``at``; a past ``at`` is due at once."""
        self._sequence += 1
        heappush(self._heap, (at, self._sequence, target, kind))

    def next_deadline(self) -> float | None:
        """Return the earliest deadline, or None when nothing waits."""
        earliest = self._heap[0][0] if self._heap else inf
        for lane in self._order:
            if lane.entries and lane.entries[0][0] < earliest:
                earliest = lane.entries[0][0]
        return None if earliest == inf else earliest

    def pop_due(self, now: float, limit: int = 4096) -> list[Entry]:
        """Take what is due at ``now`` as (deadline, target, kind), in order.

        At most ``limit`` entries per lane come out, so that one call stays short after a stall;
        the rest is still due and ``next_deadline()`` says so.
        """
        due: list[Entry] = []
        heap = self._heap
        while heap and heap[0][0] <= now and len(due) < limit:
            at, _, target, kind = heappop(heap)
            due.append((at, target, kind))
        sources = 1 if due else 0
        for lane in self._order:
            entries = lane.entries
            if not entries or entries[0][0] > now:
                continue
            sources += 1
            end = len(due) + limit
            while entries and entries[0][0] <= now and len(due) < end:
                due.append(entries.popleft())
        if sources > 1:
            due.sort(key=_at)
        return due
