# SPDX-License-Identifier: Apache-2.0
"""Reading records while files get other names, are written anew, or go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imsnode.storage.cdr import CdrFile, CdrSettings
from imsnode.storage.cdr_read import RecordsChanged, Selection, follow, read_all, read_newest
from imsnode.storage.stats import StorageStats

ALL = Selection()
TEXT = b'{"time":"t","ended":"t","id":"m%02d","call_id":"c","from":"alice","to":"b","size":1,'
TEXT += b'"outcome":"relayed","status":200}\n'
ROOM = 2 * len(TEXT % 0)  # two records in a file


class Writer:
    """Writes numbered records, two in a file."""

    def __init__(self, path: Path, keep: int = 10) -> None:
        self.path = path
        self.file = CdrFile(CdrSettings(path, rotate_bytes=ROOM, keep=keep), StorageStats())
        self.number = 0

    def write(self, count: int) -> None:
        for _ in range(count):
            self.file.write(1, TEXT % self.number)
            self.number += 1


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = Writer(tmp_path / "cdr.jsonl")
    yield made
    made.file.close()


class Done(Exception):
    """Nothing more happens."""


def followed(path: Path, *happens: Callable[[], object], past: bool = False) -> list[str]:
    """Follow a file; each time that there is nothing new the next thing happens."""
    waiting = iter(happens)

    def wait() -> None:
        event = next(waiting, None)
        if event is None:
            raise Done
        event()

    found: list[str] = []
    with pytest.raises(Done):
        found.extend(line.record.id for line in follow(path, ALL, wait, past=past))
    return found


def names(first: int, last: int) -> list[str]:
    return [f"m{number:02d}" for number in range(first, last + 1)]


def test_follows_across_files(writer: Writer) -> None:
    writer.write(3)
    assert followed(
        writer.path, *[lambda count=n: writer.write(count) for n in (1, 7, 7)]
    ) == names(3, 17)
    assert followed(writer.path, lambda: writer.write(1), past=True) == names(0, 18)


def test_follows_what_is_not_there_yet(writer: Writer) -> None:
    assert followed(writer.path, lambda: None, lambda: writer.write(5)) == ["m04"]


def test_waits_for_the_end_of_a_line(writer: Writer) -> None:
    writer.write(1)
    whole = TEXT % 7

    def half(part: bytes) -> None:
        with writer.path.open("ab") as stream:
            stream.write(part)

    halves = (lambda: half(whole[:20]), lambda: half(whole[20:]))
    assert followed(writer.path, *halves) == ["m07"]


def test_follows_past_a_user_who_is_erased(writer: Writer) -> None:
    def erase() -> None:
        writer.file.rewrite(lambda _: True, lambda text: text.replace(b"alice", b"erased"))

    def erase_behind_a_record() -> None:
        writer.write(1)
        erase()

    writer.write(2)
    assert followed(writer.path, erase_behind_a_record, lambda: writer.write(2)) == names(2, 4)


def test_follows_where_no_older_file_is_kept(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "cdr.jsonl", keep=0)
    writer.write(2)
    assert followed(writer.path, lambda: writer.write(1), lambda: writer.write(1)) == names(2, 3)
    writer.file.close()


def test_reads_each_record_once_while_files_are_renamed(writer: Writer) -> None:
    writer.write(7)
    found = []
    for line in read_all(writer.path, ALL):
        found.append(line.record.id)
        writer.write(1)
    # What was written meanwhile belongs to the newest file until that is full.
    assert found == names(0, 7)


def test_an_older_file_that_goes_is_told(writer: Writer) -> None:
    writer.write(7)
    lines = read_all(writer.path, ALL)
    assert next(lines).record.id == "m00"
    writer.file.rewrite(lambda _: True, lambda text: text.replace(b"alice", b"erased"))
    with pytest.raises(RecordsChanged):
        list(lines)


def test_the_newest_come_from_as_few_files_as_possible(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.write(7)
    writer.path.with_name("cdr.jsonl.3").unlink()
    writer.path.with_name("cdr.jsonl.3").mkdir()  # who opens it fails
    assert [line.record.id for line in read_newest(writer.path, ALL, 4)] == names(3, 6)
    with pytest.raises(IsADirectoryError):
        read_newest(writer.path, ALL, 6)
