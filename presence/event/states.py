# SPDX-License-Identifier: Apache-2.0
"""The states of a subscription at the notifier, as one total table.

The states of RFC 6665 4.2.2 with WAITING of RFC 3857 4.7: a watcher whom nobody decided about and
who is gone, kept so that the resource's owner hears of it. The events bear the names that watcher
information has for them (RFC 3858 4.2), but for INVARIANT of RFC 6665 4.1.3.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = ["EVENTS", "STATES", "TABLE", "WatcherEvent", "WatcherState", "next_state"]


class WatcherState(IntEnum):
    """Where a subscription stands."""

    INIT = 0
    PENDING = 1
    ACTIVE = 2
    WAITING = 3
    TERMINATED = 4


class WatcherEvent(IntEnum):
    """What happened to a subscription last."""

    SUBSCRIBE = 0
    APPROVED = 1
    DEACTIVATED = 2
    PROBATION = 3
    REJECTED = 4
    TIMEOUT = 5
    GIVEUP = 6
    NORESOURCE = 7
    INVARIANT = 8


STATES: Final = tuple(state.name.lower().encode() for state in WatcherState)
EVENTS: Final = tuple(event.name.lower().encode() for event in WatcherEvent)

_S = WatcherState
_E = WatcherEvent

#: (state, event) to the next state; the state itself where the event changes nothing. SUBSCRIBE is
#: one that policy leaves undecided; one that is allowed is followed by APPROVED at once.
TABLE: Final[dict[WatcherState, dict[WatcherEvent, WatcherState]]] = {
    _S.INIT: {
        _E.SUBSCRIBE: _S.PENDING,
        _E.APPROVED: _S.ACTIVE,
        _E.DEACTIVATED: _S.TERMINATED,
        _E.PROBATION: _S.TERMINATED,
        _E.REJECTED: _S.TERMINATED,
        _E.TIMEOUT: _S.TERMINATED,
        _E.GIVEUP: _S.TERMINATED,
        _E.NORESOURCE: _S.TERMINATED,
        _E.INVARIANT: _S.TERMINATED,
    },
    _S.PENDING: {
        _E.SUBSCRIBE: _S.PENDING,
        _E.APPROVED: _S.ACTIVE,
        _E.DEACTIVATED: _S.TERMINATED,
        _E.PROBATION: _S.TERMINATED,
        _E.REJECTED: _S.TERMINATED,
        _E.TIMEOUT: _S.WAITING,
        _E.GIVEUP: _S.WAITING,
        _E.NORESOURCE: _S.TERMINATED,
        _E.INVARIANT: _S.TERMINATED,
    },
    _S.ACTIVE: {
        # A confirmation that was taken back: undecided again, without leave (RFC 5025 3.2.1).
        _E.SUBSCRIBE: _S.PENDING,
        _E.APPROVED: _S.ACTIVE,
        _E.DEACTIVATED: _S.TERMINATED,
        _E.PROBATION: _S.TERMINATED,
        _E.REJECTED: _S.TERMINATED,
        _E.TIMEOUT: _S.TERMINATED,
        _E.GIVEUP: _S.ACTIVE,
        _E.NORESOURCE: _S.TERMINATED,
        _E.INVARIANT: _S.TERMINATED,
    },
    _S.WAITING: {
        _E.SUBSCRIBE: _S.PENDING,
        _E.APPROVED: _S.TERMINATED,
        _E.DEACTIVATED: _S.TERMINATED,
        _E.PROBATION: _S.TERMINATED,
        _E.REJECTED: _S.TERMINATED,
        _E.TIMEOUT: _S.WAITING,
        _E.GIVEUP: _S.TERMINATED,
        _E.NORESOURCE: _S.TERMINATED,
        _E.INVARIANT: _S.TERMINATED,
    },
    _S.TERMINATED: dict.fromkeys(WatcherEvent, _S.TERMINATED),
}


def next_state(state: WatcherState, event: WatcherEvent) -> WatcherState:
    """Return the state after an event."""
    return TABLE[state][event]
