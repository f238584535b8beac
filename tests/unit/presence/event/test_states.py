# SPDX-License-Identifier: Apache-2.0
"""The table of a subscription's states, and the header fields it is told in."""

from __future__ import annotations

import pytest

from presence.event import subscriber
from presence.event.fields import Event, parse_event, parse_state
from presence.event.states import TABLE, WatcherEvent, WatcherState, next_state
from sip.errors import ParseError


def test_the_table_is_total_and_nothing_leaves_the_end() -> None:
    assert set(TABLE) == set(WatcherState)
    for state, row in TABLE.items():
        assert set(row) == set(WatcherEvent)
        assert WatcherState.INIT not in row.values()
        if state is WatcherState.TERMINATED:
            assert set(row.values()) == {WatcherState.TERMINATED}


def test_only_the_undecided_wait() -> None:
    """RFC 3857 4.7.1."""
    leading = {
        (state, event)
        for state in WatcherState
        for event in WatcherEvent
        if next_state(state, event) is WatcherState.WAITING
    }
    assert leading == {
        (WatcherState.PENDING, WatcherEvent.TIMEOUT),
        (WatcherState.PENDING, WatcherEvent.GIVEUP),
        (WatcherState.WAITING, WatcherEvent.TIMEOUT),
    }


def test_the_subscribers_table_is_total() -> None:
    """RFC 6665 4.1.2: from the end a way leads to the beginning only."""
    states, events = subscriber.SubscriberState, subscriber.SubscriberEvent
    assert set(subscriber.TABLE) == set(states)
    for state, row in subscriber.TABLE.items():
        assert set(row) == set(events)
        changes = {event: after for event, after in row.items() if after is not state}
        if state is states.TERMINATED:
            assert changes == {events.RETRY: states.INIT}
        elif state is states.INIT:
            assert changes == {events.SUBSCRIBE: states.NOTIFY_WAIT}
        else:
            ended = {event for event, after in changes.items() if after is states.TERMINATED}
            assert ended == {
                events.NOTIFY_TERMINATED,
                events.REFUSED,
                events.TIMER_N,
                events.EXPIRED,
            }


@pytest.mark.parametrize(
    ("value", "event"),
    [
        (b"presence", Event("presence")),
        (b"Presence.WInfo ; id=7", Event("presence.winfo", b"7")),
        (b"x;max-rate=0.5;min-rate=.5;adaptive-min-rate=1", Event("x", b"", 0.5, 0.0, 1.0)),
        (b"x;max-rate=" + b"9" * 40, Event("x")),
        (b"x;max-rate=1e3;min-rate=nan", Event("x")),
    ],
)
def test_event_values(value: bytes, event: Event) -> None:
    assert parse_event(value) == event


@pytest.mark.parametrize("value", [b"", b";id=1", b"a b", b"a;id=1;id=2"])
def test_event_values_that_are_none(value: bytes) -> None:
    with pytest.raises(ParseError):
        parse_event(value)


def test_subscription_state_values() -> None:
    state = parse_state(b"terminated;reason=Probation;retry-after=9999999999999")
    assert (state.state, state.reason, state.expires) == ("terminated", "probation", -1)
    assert state.retry_after == 2**32 - 1
