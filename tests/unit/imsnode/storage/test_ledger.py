# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import zlib
from contextlib import nullcontext

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from imsnode.storage.cdr import Record
from imsnode.storage.ledger import BLOCK, LedgerWriter
from imsnode.storage.ledger_text import BlockText, open_block, read_entries, seal_block
from imsnode.storage.stats import StorageStats
from pager.values import Notice, Step
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
    packed = block.seal()
    for name in (noted.message_id, call_id.decode("utf-8", "surrogateescape")):
        (kept,) = read_entries(packed, name)
        assert (kept.message_id, kept.call_id, kept.sender) == (noted.message_id, call_id, sender)
        assert kept.at == noted.at
        assert [step[1:] for step in kept.steps] == [step[1:] for step in made]
        for one, other in zip(kept.steps, made, strict=True):
            assert one[0] == pytest.approx(other[0], abs=0.001)


@given(st.binary(max_size=20), st.text(), st.text(), st.sampled_from([None, "", "n1"]))
def test_a_line_is_what_its_record_is_encoded_as(
    call_id: bytes, sender: str, outcome: str, imdn: str | None
) -> None:
    notice = None if imdn is None else Notice("", imdn.encode())
    block = BlockText()
    block.add(entry(1, call_id=call_id, sender=sender, outcome=outcome, notice=notice))
    block.seal()
    line = block.records()[1]
    assert msgspec.json.encode(msgspec.json.decode(line, type=Record)) + b"\n" == line


def test_an_entry_without_sense_leaves_nothing_behind() -> None:
    block = BlockText()
    for number in range(3):
        wrong = {"outcome": "x", "steps": [None]} if number == 1 else {}
        with pytest.raises(TypeError) if wrong else nullcontext():
            block.add(entry(number, **wrong))
    assert block.count == 2
    assert len(block.checksums()) == 2 * 8
    block.seal()
    assert block.records()[0] == 2


def test_octets_that_are_no_text_are_shown() -> None:
    block = BlockText()
    odd = "sip:b\udcff@ims.test"
    block.add(entry(1, recipient=odd, sender="sip:\xe4@ims.test", steps=[(WALL, "a", odd, 0, "")]))
    (kept,) = read_entries(block.seal(), entry(1).message_id)
    assert (kept.sender, kept.recipient) == ("sip:\xe4@ims.test", "sip:b\\xff@ims.test")
    assert kept.steps[0][1:] == ("a", "sip:b\\xff@ims.test", 0, "")


def test_only_what_has_ended_is_charged() -> None:
    block = BlockText()
    for number in range(4):
        block.add(entry(number, final=number % 2 == 1))
    block.seal()
    count, lines = block.records()
    assert (count, [json.loads(line)["id"] for line in lines.splitlines()]) == (
        2,
        [entry(1).message_id, entry(3).message_id],
    )


OLD = (
    b'{"time":"2025-06-15T15:06:40.000Z","ended":"2025-06-15T15:06:40.250Z","id":"m1",'
    b'"call_id":"\\\\xff@host","from":"sip:\\u00e4@ims.test","to":"sip:bob@ims.test","size":12,'
    b'"outcome":"relayed","status":200,"kind":"imdn","steps":[[0,"received",0,"forwarded",""],'
    b'[250,"answered",200,"device-accepted","<a>"]],"octets":"ff40686f7374","about":"n1"}\n'
)


@pytest.mark.parametrize("name", ["m1", "\udcff@host", "n1"])
def test_blocks_of_earlier_releases_are_read(name: str) -> None:
    packed = zlib.compress(OLD.replace(b"m1", b"m0") + OLD, 1)
    kept = list(read_entries(packed, name))[-1]
    assert (kept.message_id, kept.call_id, kept.sender) == ("m1", b"\xff@host", "sip:\xe4@ims.test")
    assert (kept.kind, kept.about, kept.at) == ("imdn", "n1", WALL)
    assert kept.steps == [
        (WALL, "received", "", 0, "forwarded"),
        (WALL + 0.25, "answered", "<a>", 200, "device-accepted"),
    ]
    assert list(read_entries(seal_block(*open_block(packed)), name))[-1] == kept


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
