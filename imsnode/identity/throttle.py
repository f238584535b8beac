# SPDX-License-Identifier: Apache-2.0
"""Delays after failed log-ins, by source first and then by user.

A source that keeps failing waits. A user at whom several sources fail waits too: one source alone
counts for half of what that takes, and a source that proved to be the user's own lately is let
through. So strangers cannot lock a user out of the user's own devices.
"""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass

from sip.sources import source_of

_FRIENDS = 1 << 17  # places in the table of log-ins that worked, 8 octets each


@dataclass(frozen=True, slots=True)
class ThrottleSettings:
    """``failures`` within ``window_s`` bring ``first_delay_s``, doubled up to ``max_delay_s``.

    table: sources, and users, that are watched at a time.
    """

    failures: int = 10
    window_s: float = 300.0
    first_delay_s: float = 60.0
    max_delay_s: float = 900.0
    table: int = 16384


class _Record:
    """The last failures of one source or user, as (time, source), and the delay they brought."""

    __slots__ = ("delay_s", "failures", "until")

    def __init__(self, failures: int) -> None:
        self.failures: deque[tuple[float, str]] = deque(maxlen=failures)
        self.until = 0.0
        self.delay_s = 0.0


class _Table:
    """Records by key, in a table that never grows.

    When all places are taken and none can be freed, newcomers share one record: a flood of
    strangers then makes further strangers wait, and nobody who is watched is let go for it.
    ``per_source``: how many failures of one source count, of those that bring a delay.
    """

    __slots__ = ("_per_source", "_records", "_settings", "_shared")

    def __init__(self, settings: ThrottleSettings, per_source: int) -> None:
        self._settings = settings
        self._per_source = per_source
        self._records: dict[str, _Record] = {}
        self._shared: _Record | None = None

    def delay(self, key: str, now: float) -> float:
        record = self._records.get(key, self._shared)
        return 0.0 if record is None or record.until <= now else record.until - now

    def failed(self, key: str, source: str, now: float) -> None:
        settings = self._settings
        record = self._record(key, now)
        failures = record.failures
        since = now - settings.window_s
        if sum(at >= since and who == source for at, who in failures) >= self._per_source:
            return
        failures.append((now, source))
        if now < record.until:
            return
        if record.delay_s and now - record.until < settings.window_s + record.delay_s:
            # Failing again soon after a delay: the next one is longer at once.
            record.delay_s = min(2 * record.delay_s, settings.max_delay_s)
        elif len(failures) == settings.failures and failures[0][0] >= since:
            record.delay_s = settings.first_delay_s
        else:
            record.delay_s = 0.0
            return
        record.until = now + record.delay_s

    def _record(self, key: str, now: float) -> _Record:
        records = self._records
        record = records.get(key)
        if record is not None:
            return record
        if len(records) >= self._settings.table and not self._free(now):
            if self._shared is None:
                self._shared = _Record(self._settings.failures)
            return self._shared
        record = records[key] = _Record(self._settings.failures)
        return record

    def _free(self, now: float) -> bool:
        """Forget a few of the oldest records that no longer matter; True when a place is free."""
        records = self._records
        for _ in range(4):
            key, record = next(iter(records.items()))
            del records[key]
            if not self._matters(record, now):
                self._shared = None
                return True
            records[key] = record  # to the end of the line
        return False

    def _matters(self, record: _Record, now: float) -> bool:
        last = max(record.failures[-1][0], record.until)
        return now - last < self._settings.window_s + record.delay_s


class FailureThrottle:
    """Watches failed log-ins. ``source`` is a host address, ``user`` a name within a realm.

    idle: no failure is on record, there is nothing to ask.
    """

    __slots__ = ("_friends", "_sources", "_users", "idle")

    def __init__(self, settings: ThrottleSettings | None = None) -> None:
        self._friends = array("q", bytes(8 * _FRIENDS))
        self.configure(settings or ThrottleSettings())

    def configure(self, settings: ThrottleSettings) -> None:
        """Take new settings; what was noted so far is forgotten."""
        self._sources = _Table(settings, settings.failures + 1)
        self._users = _Table(settings, max(1, settings.failures // 2))
        self.idle = True

    def delay(self, source: str, user: str, now: float) -> float:
        """Seconds this user from this source still has to wait; 0.0: go on."""
        if self.idle or self._is_friend(source, user):
            return 0.0
        delay = self._sources.delay(source_of(source), now)
        return delay or self._users.delay(user, now)

    def failed(self, source: str, user: str, now: float) -> None:
        """Note that credentials were wrong."""
        self.idle = False
        key = source_of(source)
        self._sources.failed(key, key, now)
        self._users.failed(user, key, now)
        if self._is_friend(source, user):
            # Known, but guessing now: from here on the delays apply to it as to anybody.
            mark = hash((source, user))
            self._friends[mark & (_FRIENDS - 1)] = 0

    def succeeded(self, source: str, user: str) -> None:
        """Note that credentials were right."""
        mark = hash((source, user))
        self._friends[mark & (_FRIENDS - 1)] = mark

    def _is_friend(self, source: str, user: str) -> bool:
        mark = hash((source, user))
        known: int = self._friends[mark & (_FRIENDS - 1)]
        return known == mark
