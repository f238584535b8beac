# SPDX-License-Identifier: Apache-2.0
"""Reading charging records while a node writes them, renames their files or erases a user.

A file that is full gets the next number: NAME becomes NAME.1. So a file is known by what it is, not
by its name, and is looked for under higher numbers when it has left its own.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO, NamedTuple

from msgspec import DecodeError, ValidationError, json

from .cdr import Record

__all__ = ["Line", "RecordsChanged", "Selection", "follow", "read_all", "read_newest"]

_read = json.Decoder(Record).decode


class RecordsChanged(Exception):
    """A file went while others were read: a user was erased, or the oldest file was dropped."""

    def __init__(self) -> None:
        super().__init__("charging records were erased or dropped while they were read: try again")


class Line(NamedTuple):
    """A record, and its text as it stands in the file, without the end of the line."""

    text: bytes
    record: Record


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records are wanted; what is "" or None asks for nothing.

    since, until: as `Record.ended` is written; until is not included. since_wall: since in epoch
    seconds. kind: None for all, "" for messages. id: any name that the record has.
    """

    user: str = ""
    kind: str | None = None
    id: str = ""
    icid: str = ""
    since: str = ""
    until: str = ""
    since_wall: float = 0.0

    def takes(self, record: Record) -> bool:
        """Say whether a record is wanted."""
        return (
            (not self.since or record.ended >= self.since)
            and (not self.until or record.ended < self.until)
            and (self.kind is None or record.kind == self.kind)
            and (not self.user or self.user in (record.sender, record.recipient))
            and (not self.icid or self.icid == record.icid)
            and (
                not self.id
                or self.id in (record.id, record.call_id, record.imdn, record.about)
            )
        )  # fmt: skip

    def lines(self, stream: Iterable[bytes]) -> Iterator[Line]:
        """Give those records of a stream that are wanted.

        What is no record, such as a line that a crash cut off, is passed over; so is a line that is
        still being written.
        """
        for text in stream:
            if not text.endswith(b"\n"):
                return
            try:
                record = _read(text)
            except (DecodeError, ValidationError):
                continue
            if self.takes(record):
                yield Line(text[:-1], record)


@dataclass(frozen=True, slots=True)
class _Older:
    """A file that is full and does not change any more."""

    number: int
    facts: tuple[int, int, int]

    def open(self, path: Path) -> BinaryIO:
        for number in count(self.number):
            try:
                stream = _numbered(path, number).open("rb")
            except FileNotFoundError:
                raise RecordsChanged from None
            if _facts(os.fstat(stream.fileno())) == self.facts:
                return stream
            stream.close()
        raise AssertionError


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path


def _facts(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _files(path: Path, selection: Selection) -> tuple[BinaryIO | None, list[_Older]]:
    """Open the file that is written, and list the older ones, newest first.

    Files that were changed last before the selection begins are left out: a record is written when
    it has ended. Numbers are met in their order and only grow, so no file is missed.
    """
    try:
        current = path.open("rb")
    except FileNotFoundError:
        current = None
    own = os.fstat(current.fileno()).st_ino if current is not None else -1
    older: dict[tuple[int, int, int], _Older] = {}
    for number in count(1):
        try:
            status = _numbered(path, number).stat()
        except FileNotFoundError:
            break
        if status.st_mtime < selection.since_wall:
            break
        if status.st_ino != own:  # else it was renamed just now
            facts = _facts(status)
            older.setdefault(facts, _Older(number, facts))
    return current, list(older.values())


def read_all(path: Path, selection: Selection) -> Iterator[Line]:
    """Give the records that are wanted, oldest file first; raises OSError, RecordsChanged."""
    with ExitStack() as stack:
        current, older = _files(path, selection)
        if current is not None:
            stack.enter_context(current)
        for file in reversed(older):
            with file.open(path) as stream:
                yield from selection.lines(stream)
        if current is not None:
            yield from selection.lines(current)


def read_newest(path: Path, selection: Selection, limit: int) -> list[Line]:
    """Return the last records that are wanted, newest last; raises OSError, RecordsChanged."""
    found: list[Line] = []
    for opened in _newest_first(path, selection):
        with opened as stream:
            found[:0] = deque(selection.lines(stream), maxlen=limit - len(found))
        if len(found) >= limit:
            break
    return found


def _newest_first(path: Path, selection: Selection) -> Iterator[BinaryIO]:
    current, older = _files(path, selection)
    if current is not None:
        yield current
    for file in older:
        yield file.open(path)


def follow(
    path: Path, selection: Selection, wait: Callable[[], None], *, past: bool = False
) -> Iterator[Line]:
    """Give the records that are wanted as they are written, for ever.

    Args: wait: called when there is nothing new. past: begin with what was written before.
    Raises: OSError, RecordsChanged.
    """
    current, older = _files(path, selection)
    tail = _Tail(path, current)
    try:
        if past:
            for file in reversed(older):
                with file.open(path) as stream:
                    yield from selection.lines(stream)
        elif current is not None:
            deque(_whole(current), maxlen=0)
        while True:
            yield from selection.lines(tail.lines())
            wait()
    finally:
        tail.close()


class _Tail:
    """The end of the records, across the names that their file gets. stream: None for no file."""

    def __init__(self, path: Path, stream: BinaryIO | None) -> None:
        self._path = path
        self._stream = stream
        self._number = 0

    def close(self) -> None:
        """Close what is open."""
        if self._stream is not None:
            self._stream.close()

    def lines(self) -> Iterator[bytes]:
        """Give the lines that were written since the last time."""
        if self._stream is None:
            self._stream = _opened(self._path, 0)
        while (stream := self._stream) is not None:
            yield from _whole(stream)
            place = self._place(stream)
            if place == 0:
                return
            number = place - 1 if place else 0
            newer = _opened(self._path, number)
            if newer is None:
                return
            if place is None:
                _catch_up(stream, newer)
            else:
                # It was renamed behind its last record: what came since it was read comes first.
                yield from _whole(stream)
                if self._place(stream) != place:  # again: the next one has another name by now
                    newer.close()
                    continue
            stream.close()
            self._stream, self._number = newer, number

    def _place(self, stream: BinaryIO) -> int | None:
        """Return the number a file has now, None when it is gone: dropped, or written anew."""
        own = os.fstat(stream.fileno()).st_ino
        for number in count(self._number):
            try:
                if _numbered(self._path, number).stat().st_ino == own:
                    return number
            except FileNotFoundError:
                if number:
                    break
        return None


def _opened(path: Path, number: int) -> BinaryIO | None:
    try:
        return _numbered(path, number).open("rb")
    except FileNotFoundError:
        return None


def _whole(stream: BinaryIO) -> Iterator[bytes]:
    """Give the lines that are there; one that is still being written waits for its end."""
    while True:
        place = stream.tell()
        line = stream.readline()
        if not line.endswith(b"\n"):
            stream.seek(place)
            return
        yield line


def _catch_up(old: BinaryIO, new: BinaryIO) -> None:
    """Go to where the old file was read to, if the new one is the same without an erased user."""
    place = old.tell()
    old.seek(0)
    if _name(old.readline()) == _name(new.readline()):
        while old.tell() < place:
            old.readline()
            new.readline()
    else:
        new.seek(0)


def _name(line: bytes) -> str:
    try:
        return _read(line).id
    except (DecodeError, ValidationError):
        return ""
