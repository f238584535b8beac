# SPDX-License-Identifier: Apache-2.0
"""Charging records: one line of JSON (UTF-8) for every message that has ended.

The file is renamed to NAME.1 when it has grown to its size, NAME.1 to NAME.2, and so on; the oldest
goes.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from .stats import StorageStats

__all__ = ["CdrFile", "CdrSettings", "Record"]

_log = logging.getLogger(__name__)


def _says(meaning: str) -> Meta:
    """Describe a field; docs/reference/cdr.md is made of these."""
    return Meta(description=meaning)


class Record(Struct, gc=False, omit_defaults=True, rename={"sender": "from", "recipient": "to"}):
    """One record; in a line, fields with a default are left out when they say nothing."""

    time: Annotated[
        str, _says("When it was received, or a session began: UTC, to the millisecond.")
    ]
    ended: Annotated[str, _says("When it ended: likewise. Spans of time are taken by this field.")]
    id: Annotated[str, _says("Message id of this node; `imsnode why` tells its story.")]
    call_id: Annotated[str, _says("Call-ID of the request; what is not UTF-8 stands as `\\xNN`.")]
    sender: Annotated[str, _says("Address of record of who sent it.")]
    recipient: Annotated[str, _says("Address of record of whom it was for.")]
    size: Annotated[int, _says("Octets of the body; of a session, of what its contents were.")]
    outcome: Annotated[str, _says("What became of it, a word of the table below.")]
    status: Annotated[int, _says("The last SIP status that was given, 0 for none.")]
    kind: Annotated[str, _says("What it was, a word of the table below.")] = ""
    octets: Annotated[str, _says("The Call-ID in hexadecimal digits, when it is not ASCII.")] = ""
    imdn: Annotated[str, _says("IMDN Message-ID (RFC 5438).")] = ""
    about: Annotated[str, _says("IMDN Message-ID of what a notification tells of.")] = ""
    messages: Annotated[int, _says("Of a visit to a room: how many messages the visitor sent.")] = 0
    icid: Annotated[str, _says("`icid-value` of P-Charging-Vector (RFC 7315).")] = ""
    orig_ioi: Annotated[str, _says("`orig-ioi` of the same: the network it comes from.")] = ""
    term_ioi: Annotated[str, _says("`term-ioi` of the same: the network it is for.")] = ""


@dataclass(frozen=True, slots=True)
class CdrSettings:
    """Where records go. rotate_bytes: size at which a new file begins. keep: older files kept."""

    path: Path
    rotate_bytes: int = 64 * 1024 * 1024
    keep: int = 10


class CdrFile:
    """The file of records; written from one thread.

    Records that cannot be written are counted and lost: a full disk must not stop messages.
    """

    def __init__(self, settings: CdrSettings, stats: StorageStats) -> None:
        self._settings = settings
        self._stats = stats
        self._file = -1
        self._size = 0
        self._failing = False
        self._lock = threading.Lock()

    def rewrite(self, concerns: Callable[[bytes], bool], changed: Callable[[bytes], bytes]) -> int:
        """Change what was written, newest file first; blocks. Returns how many files changed.

        Args: concerns: says whether there is anything to change in a text.
        Raises: OSError.
        """
        path = self._settings.path
        count = 0
        # A file that is renamed meanwhile is met again under its next name, none is missed.
        for number in range(self._settings.keep + 1):
            file = path.with_name(f"{path.name}.{number}") if number else path
            with self._lock:
                text = file.read_bytes() if file.exists() else b""
                if not concerns(text):
                    continue
                self.close()
                descriptor = os.open(
                    fresh := file.with_name(f"{file.name}.new"),
                    os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
                    0o600,
                )
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(changed(text))
                    stream.flush()
                    os.fsync(stream.fileno())
                fresh.replace(file)
                count += 1
        return count

    def write(self, count: int, lines: bytes) -> None:
        """Append records, a line each."""
        if not count:
            return
        try:
            with self._lock:
                self._append(lines)
        except OSError as error:
            self._stats.cdr_lost += count
            if not self._failing:
                _log.error("charging records cannot be written", extra={"reason": str(error)})
            self._failing = True
            self.close()
        else:
            self._stats.cdr_lines += count
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
