# SPDX-License-Identifier: Apache-2.0
"""Charging records: one line of JSON for every message whose story has ended.

Fields: time (receipt, UTC), ended, id, call_id, from, to, size (body octets), outcome, status (the
last SIP status that was given, 0 for none). The file is renamed to NAME.1 when it has grown to its
size, NAME.1 to NAME.2, and so on; the oldest goes.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from pathlib import Path

from pager.values import LedgerEntry

from .stats import StorageStats

__all__ = ["CdrFile", "CdrSettings"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CdrSettings:
    """Where records go. rotate_bytes: size at which a new file begins. keep: older files kept."""

    path: Path
    rotate_bytes: int = 64 * 1024 * 1024
    keep: int = 10


class CdrFile:
    """The file of records; used from one thread.

    Records that cannot be written are counted and lost: a full disk must not stop messages.
    """

    def __init__(self, settings: CdrSettings, stats: StorageStats) -> None:
        self._settings = settings
        self._stats = stats
        self._file = -1
        self._size = 0
        self._second = -1
        self._second_text = ""
        self._failing = False

    def write(self, entries: Sequence[LedgerEntry]) -> None:
        """Append a line for each entry that ends a story."""
        lines = [self._line(entry) for entry in entries if entry.final]
        if not lines:
            return
        try:
            self._append("".join(lines).encode("ascii"))
        except OSError as error:
            self._stats.cdr_lost += len(lines)
            if not self._failing:
                _log.error("charging records cannot be written", extra={"reason": str(error)})
            self._failing = True
            self.close()
        else:
            self._stats.cdr_lines += len(lines)
            self._failing = False

    def close(self) -> None:
        """Close the file; the next record opens it again."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _append(self, data: bytes) -> None:
        if self._file < 0:
            self._open()
        if self._size and self._size + len(data) > self._settings.rotate_bytes:
            self._rotate()
        while data:
            written = os.write(self._file, data)
            self._size += written
            data = data[written:]

    def _open(self) -> None:
        path = self._settings.path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size
        # A line that a crash has cut off ends here, so that the next one can be read.
        if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
            self._size += os.write(self._file, b"\n")

    def _rotate(self) -> None:
        self.close()
        path, keep = self._settings.path, self._settings.keep
        if keep == 0:
            path.unlink(missing_ok=True)
        else:
            for number in range(keep - 1, 0, -1):
                older = path.with_name(f"{path.name}.{number}")
                if older.exists():
                    older.replace(path.with_name(f"{path.name}.{number + 1}"))
            path.replace(path.with_name(f"{path.name}.1"))
        self._open()

    def _line(self, entry: LedgerEntry) -> str:
        quote = encode_basestring_ascii
        steps = entry.steps
        ended = steps[-1][0] if steps else entry.at
        status = next((step[3] for step in reversed(steps) if step[3]), 0)
        call_id = entry.call_id.decode("utf-8", "backslashreplace")
        return (
            f'{{"time":"{self._stamp(entry.at)}","ended":"{self._stamp(ended)}",'
            f'"id":{quote(entry.message_id)},"call_id":{quote(call_id)},'
            f'"from":{quote(entry.sender)},"to":{quote(entry.recipient)},'
            f'"size":{entry.size},"outcome":{quote(str(entry.outcome))},"status":{status}}}\n'
        )

    def _stamp(self, wall: float) -> str:
        second, fraction = divmod(round(wall * 1000), 1000)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._second_text}.{fraction:03d}Z"
