# SPDX-License-Identifier: Apache-2.0
"""The table of a subscription's states, and the header fields it is told in."""

from __future__ import annotations

import pytest

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
