# SPDX-License-Identifier: Apache-2.0
"""The lines of the ledger: JSON, the first part of which is the charging record.

A line is one entry: the fields of the charging record (see `imsnode.storage.cdr`), then ``steps``,
each ``[milliseconds after receipt, step, status, rule, device]``, and ``octets``, the Call-ID in
hexadecimal digits, when it is not ASCII; ``imdn``, the IMDN Message-ID, and ``about``, that of the
message which a notification tells of, when there are any. Beside the lines stand checksums of all
these names. They say where to look, a line says whether it is found.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from json.encoder import encode_basestring_ascii
from typing import Any
from zlib import compress, crc32, decompress

from pager.values import LedgerEntry, Step

__all__ = ["BlockText", "KeptEntry", "checksum_of", "read_entries"]

# Addresses and devices as JSON strings: the same ones come again and again. Emptied when full.
_QUOTED = 8192
_quoted: dict[str, str] = {}


@dataclass(slots=True)
class KeptEntry:
    """An entry as it was kept, with times to the millisecond."""

    message_id: str
    call_id: bytes
    at: float
    sender: str
    recipient: str
    size: int
    outcome: str
    steps: list[Step]
    kind: str = ""
    imdn_id: str = ""
    about: str = ""

    def is_named(self, identity: str, call_id: bytes) -> bool:
        """Say whether this is the message id, Call-ID or IMDN Message-ID of its message."""
        own = identity == self.message_id or call_id == self.call_id
        return own or bool(identity and identity == self.imdn_id)

    def tells_of(self, identity: str) -> bool:
        """Say whether this is a notification about the message with that IMDN Message-ID."""
        return bool(identity and identity == self.about)


class BlockText:
    """Entries that are written together, turned into text one by one.

    ended: when the last of them ended, epoch seconds.
    """

    def __init__(self) -> None:
        self.count = 0
        self.ended = 0.0
        self._lines: list[str] = []
        self._records: list[str] = []
        self._sums: list[int] = []
        self._second = -1
        self._second_text = ""

    def add(self, entry: LedgerEntry) -> None:
        """Take an entry."""
        quote = encode_basestring_ascii
        steps = entry.steps
        call_id = entry.call_id
        message_id = entry.message_id
        ended = steps[-1][0] if steps else entry.at
        begun_ms = int(entry.at * 1000.0 + 0.5)
        ended_ms = int(ended * 1000.0 + 0.5)
        begun_text = self._stamp(begun_ms)
        ended_text = begun_text if ended_ms == begun_ms else self._stamp(ended_ms)
        status = 0
        told = ""
        for when, step, device, answer, rule in steps:
            after_ms = int(when * 1000.0 + 0.5) - begun_ms
            name = _quote_known(device) if device else '""'
            told += f',[{after_ms},"{step}",{answer},"{rule}",{name}]'
            status = answer or status
        octets = "" if call_id.isascii() else f',"octets":"{call_id.hex()}"'
        record = (
            f'{{"time":"{begun_text}","ended":"{ended_text}","id":{quote(message_id)},'
            f'"call_id":{quote(call_id.decode("utf-8", "backslashreplace"))},'
            f'"from":{_quote_known(entry.sender)},"to":{_quote_known(entry.recipient)},"size":{entry.size},'
            f'"outcome":"{entry.outcome}","status":{status}'
        )
        sums = [crc32(message_id.encode()), crc32(call_id)]
        notice = entry.notice
        if notice is not None:
            if notice.kind:
                record += f',"kind":"{notice.kind}"'
            about = notice.told[0][0] if len(notice.told) == 1 else b""
            for field, known_by in (("imdn", notice.id), ("about", about)):
                if known_by:
                    text = known_by.decode("utf-8", "backslashreplace")
                    octets += f',"{field}":{quote(text)}'
                    sums.append(crc32(known_by))
        # Nothing can fail from here on: an entry is taken whole or not at all.
        self._sums += sums
        self._lines.append(record)
        self._lines.append(f',"steps":[{told[1:]}]{octets}}}\n')
        if entry.final:
            self._records.append(record)
        self.count += 1
        self.ended = max(self.ended, ended)

    def _stamp(self, wall_ms: int) -> str:
        second = wall_ms // 1000
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._second_text}{wall_ms % 1000:03d}Z"

    def lines(self) -> bytes:
        """Return the lines of all entries, packed.

        Packing costs about what writing five times as many pages would, without the interpreter.
        """
        return compress("".join(self._lines).encode("ascii"), 1)

    def checksums(self) -> bytes:
        """Return the checksums of all entries."""
        return struct.pack(f"<{len(self._sums)}I", *self._sums)

    def records(self) -> tuple[int, bytes]:
        """Return how many charging records there are, and their lines."""
        records = self._records
        return len(records), "}\n".join([*records, ""]).encode("ascii")


def _quote_known(text: str) -> str:
    quoted = _quoted.get(text)
    if quoted is None:
        if len(_quoted) >= _QUOTED:
            _quoted.clear()
        quoted = _quoted[text] = encode_basestring_ascii(text)
    return quoted


def checksum_of(identity: str) -> bytes:
    """Return what the checksums of a block contain when it may have entries of this name."""
    return struct.pack("<I", crc32(identity.encode("utf-8", "surrogateescape")))


def read_entries(packed: bytes, identity: str) -> Iterator[KeptEntry]:
    """Give the entries in which a message id, Call-ID or IMDN Message-ID stands, as noted."""
    call_id = identity.encode("utf-8", "surrogateescape")
    shown = encode_basestring_ascii(call_id.decode("utf-8", "backslashreplace"))
    for line in decompress(packed).decode("ascii").splitlines():
        if shown in line:
            entry = _read_entry(json.loads(line))
            if entry.is_named(identity, call_id) or entry.tells_of(identity):
                yield entry


def _read_entry(line: dict[str, Any]) -> KeptEntry:
    at = datetime.fromisoformat(line["time"]).timestamp()
    return KeptEntry(
        line["id"],
        bytes.fromhex(line["octets"]) if "octets" in line else line["call_id"].encode("ascii"),
        at,
        line["from"],
        line["to"],
        line["size"],
        line["outcome"],
        [
            (at + after_ms / 1000, step, device, status, rule)
            for after_ms, step, status, rule, device in line["steps"]
        ],
        line.get("kind", ""),
        line.get("imdn", ""),
        line.get("about", ""),
    )
