# SPDX-License-Identifier: Apache-2.0
"""The states of a subscription at the subscriber, as one total table (RFC 6665 4.1.2)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = ["ENDING", "TABLE", "SubscriberEvent", "SubscriberState", "next_state"]


class SubscriberState(IntEnum):
    """Where a subscription of ours stands."""

    INIT = 0
    NOTIFY_WAIT = 1
    PENDING = 2
    ACTIVE = 3
    TERMINATED = 4


class SubscriberEvent(IntEnum):
    """What happens to it.

    SUBSCRIBE is sent outside a dialog. NOTIFY_* bear their Subscription-State. REFUSED: a final
    response that ends it. TIMER_N: no NOTIFY in 64*T1 after a SUBSCRIBE. EXPIRED: never refreshed.
    RETRY: the time came to begin anew.
    """

    SUBSCRIBE = 0
    NOTIFY_PENDING = 1
    NOTIFY_ACTIVE = 2
    NOTIFY_TERMINATED = 3
    REFUSED = 4
    TIMER_N = 5
    EXPIRED = 6
    RETRY = 7


#: Responses to a refresh that end the subscription; after others it is valid until it expires
#: (RFC 6665 4.1.2.2).
ENDING: Final = frozenset({404, 405, 410, 416, *range(480, 486), 489, 501, 604})

_S = SubscriberState
_E = SubscriberEvent

_ENDS: Final = {
    _E.NOTIFY_TERMINATED: _S.TERMINATED,
    _E.REFUSED: _S.TERMINATED,
    _E.TIMER_N: _S.TERMINATED,
    _E.EXPIRED: _S.TERMINATED,
}
# A notifier may take a confirmation back: the figure has no arrow from active to pending, but
# "pending" has a meaning at any time (RFC 6665 4.1.3).
_LIVES: Final = {_E.NOTIFY_PENDING: _S.PENDING, _E.NOTIFY_ACTIVE: _S.ACTIVE, **_ENDS}

#: (state, event) to the next state; the state itself where the event changes nothing.
TABLE: Final[dict[SubscriberState, dict[SubscriberEvent, SubscriberState]]] = {
    _S.INIT: {**dict.fromkeys(_E, _S.INIT), _E.SUBSCRIBE: _S.NOTIFY_WAIT},
    _S.NOTIFY_WAIT: {**dict.fromkeys(_E, _S.NOTIFY_WAIT), **_LIVES},
    _S.PENDING: {**dict.fromkeys(_E, _S.PENDING), **_LIVES},
    _S.ACTIVE: {**dict.fromkeys(_E, _S.ACTIVE), **_LIVES},
    _S.TERMINATED: {**dict.fromkeys(_E, _S.TERMINATED), _E.RETRY: _S.INIT},
}


def next_state(state: SubscriberState, event: SubscriberEvent) -> SubscriberState:
    """Return the state after an event."""
    return TABLE[state][event]
