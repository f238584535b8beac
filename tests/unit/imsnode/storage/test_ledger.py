# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from imsnode.storage import ledger
from imsnode.storage.ledger import BATCH, LedgerWriter, read_steps, write_steps
from imsnode.storage.stats import StorageStats
from pager.values import Step
from tests.support.stores import WALL, entry

word = st.from_regex(r"[a-z-]{0,12}", fullmatch=True)
device = st.text(st.characters(blacklist_characters="\n", blacklist_categories=("Cs",)))
steps = st.tuples(
    st.integers(0, 10**9).map(lambda ms: WALL + ms / 1000), word, device, st.integers(0, 699), word
)


@given(st.lists(steps, max_size=5))
def test_steps_come_back(made: list[Step]) -> None:
    read = read_steps(WALL, write_steps(WALL, made))
    assert [step[1:] for step in read] == [step[1:] for step in made]
    for one, other in zip(read, made, strict=True):
        assert one[0] == pytest.approx(other[0], abs=0.001)


def writer() -> LedgerWriter:
    return LedgerWriter(sqlite.dialect(), StorageStats(), None)


def test_entries_wait_for_company_but_not_for_long() -> None:
    waiting = writer()
    assert not waiting.due(0.0, True)
    waiting.note(entry(1))
    assert not waiting.due(10.0, False)
    assert waiting.due(10.0, True)
    assert not waiting.due(10.6, False)
    assert waiting.due(10.75, False)


def test_a_full_batch_waits_for_nothing() -> None:
    waiting = writer()
    for number in range(BATCH):
        assert not waiting.due(1.0, False)
        waiting.note(entry(number))
    assert waiting.due(1.0, False)


def test_what_is_too_much_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_WAITING_LIMIT", 3)
    waiting = writer()
    for number in range(5):
        waiting.note(entry(number))
    assert (waiting.waiting, waiting.dropped) == (3, 2)
