# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from imsnode.storage.cdr import CdrFile, CdrSettings
from imsnode.storage.ledger_text import BlockText
from imsnode.storage.stats import StorageStats
from pager.values import LedgerEntry
from tests.support.stores import entry


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cdr.jsonl"


def records(*entries: LedgerEntry) -> tuple[int, bytes]:
    block = BlockText()
    for one in entries:
        block.add(one)
    block.seal()
    return block.records()


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text("ascii").splitlines()]


def test_a_file_is_renamed_when_it_is_full(path: Path) -> None:
    size = _line_size(path)
    stats = StorageStats()
    file = CdrFile(CdrSettings(path, rotate_bytes=2 * size, keep=2), stats)
    for number in range(9):
        file.write(*records(entry(number)))
    file.close()
    assert ids(path) == [entry(8).message_id]
    assert ids(path.with_name("cdr.jsonl.1")) == [entry(6).message_id, entry(7).message_id]
    assert ids(path.with_name("cdr.jsonl.2")) == [entry(4).message_id, entry(5).message_id]
    assert not path.with_name("cdr.jsonl.3").exists()
    assert stats.cdr_lines == 9


def _line_size(path: Path) -> int:
    probe = path.with_name("probe")
    file = CdrFile(CdrSettings(probe), StorageStats())
    file.write(*records(entry(1)))
    file.close()
    return probe.stat().st_size


def test_no_older_file_may_be_kept(path: Path) -> None:
    file = CdrFile(CdrSettings(path, rotate_bytes=10, keep=0), StorageStats())
    file.write(*records(entry(1)))
    file.write(*records(entry(2)))
    file.close()
    assert ids(path) == [entry(2).message_id]
    assert list(path.parent.iterdir()) == [path]


def test_writing_goes_on_in_a_file_that_is_there(path: Path) -> None:
    for number in range(2):
        file = CdrFile(CdrSettings(path), StorageStats())
        file.write(*records(entry(number)))
        file.close()
    assert ids(path) == [entry(0).message_id, entry(1).message_id]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_cut_off_by_a_crash_stays_alone(path: Path) -> None:
    path.write_bytes(b'{"time":"20')
    file = CdrFile(CdrSettings(path), StorageStats())
    file.write(*records(entry(1)))
    file.close()
    cut, whole = path.read_text("ascii").splitlines()
    assert cut == '{"time":"20'
    assert json.loads(whole)["id"] == entry(1).message_id


def test_entries_that_end_nothing_leave_no_line(path: Path) -> None:
    file = CdrFile(CdrSettings(path), StorageStats())
    file.write(*records(entry(1, final=False)))
    assert not path.exists()


def test_a_file_that_cannot_be_written_costs_its_lines(tmp_path: Path) -> None:
    stats = StorageStats()
    path = tmp_path / "later" / "cdr.jsonl"
    file = CdrFile(CdrSettings(path), stats)
    file.write(*records(entry(1), entry(2)))
    assert (stats.cdr_lost, stats.cdr_lines) == (2, 0)
    path.parent.mkdir()
    file.write(*records(entry(3)))
    file.close()
    assert ids(path) == [entry(3).message_id]


def test_a_message_without_steps_ends_when_it_came(path: Path) -> None:
    file = CdrFile(CdrSettings(path), StorageStats())
    file.write(*records(entry(1, steps=[], at=1_750_000_000.9996)))
    file.close()
    record = json.loads(path.read_text("ascii"))
    assert record["time"] == record["ended"] == "2025-06-15T15:06:41.000Z"
    assert record["status"] == 0
