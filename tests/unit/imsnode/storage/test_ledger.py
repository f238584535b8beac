# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from imsnode.storage.ledger import BLOCK, LedgerWriter
from imsnode.storage.ledger_text import BlockText, read_entries
from imsnode.storage.stats import StorageStats
from pager.values import Step
from tests.support.stores import WALL, entry

word = st.from_regex(r"[a-z-]{0,12}", fullmatch=True)
device = st.text()
steps = st.tuples(
    st.integers(0, 10**9).map(lambda ms: WALL + ms / 1000), word, device, st.integers(0, 699), word
)


@given(st.lists(steps, max_size=5), st.binary(max_size=20), st.text(), st.integers(0, 10**12))
def test_an_entry_comes_back(made: list[Step], call_id: bytes, sender: str, at_ms: int) -> None:
    noted = entry(1, steps=made, call_id=call_id, sender=sender, at=at_ms / 1000)
    block = BlockText()
    block.add(entry(2))
    block.add(noted)
    for name in (noted.message_id, call_id.decode("utf-8", "surrogateescape")):
        (kept,) = read_entries(block.lines(), name)
        assert (kept.message_id, kept.call_id, kept.sender) == (noted.message_id, call_id, sender)
        assert kept.at == noted.at
        assert [step[1:] for step in kept.steps] == [step[1:] for step in made]
        for one, other in zip(kept.steps, made, strict=True):
            assert one[0] == pytest.approx(other[0], abs=0.001)


def test_an_entry_without_sense_leaves_nothing_behind() -> None:
    block = BlockText()
    for number in range(3):
        wrong = {"outcome": "x", "steps": [None]} if number == 1 else {}
        with pytest.raises(TypeError) if wrong else nullcontext():
            block.add(entry(number, **wrong))
    assert block.count == 2
    assert len(block.checksums()) == 2 * 8
    assert block.records()[0] == 2


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
    for number in range(BLOCK):
        assert not waiting.due(1.0, False)
        waiting.note(entry(number))
    assert waiting.due(1.0, False)


def test_what_is_too_much_is_dropped_and_counted() -> None:
    waiting = writer()
    waiting.limit = 3
    for number in range(5):
        waiting.note(entry(number))
    assert (waiting.waiting, waiting.dropped) == (3, 2)
