# SPDX-License-Identifier: Apache-2.0
"""The ledger's blocks: charging records and the steps that led to them, packed together.

A block is packed lines of JSON: one for each entry, its charging record (`imsnode.storage.cdr`),
and a last one, an array with the steps of all of them in the same order. A step is ``[milliseconds
after receipt, step, status, rule, device]``. Beside a block stand checksums of all names in it.
They say where to look, a record says whether it is found.

Entries become text when they are noted, on the loop's thread, while what they are made of is at
hand and can be forgotten at once. What is left for the writer's thread, joining and packing, is
done by libraries for a thousand of them together, the packing without the interpreter.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from zlib import crc32

import zstandard
from msgspec import json

from pager.values import LedgerEntry, Notice, Step
from sip import octets
from sip.errors import ParseError
from sip.grammar import only
from sip.headers.charging import read_charging_vector

from .cdr import Record

__all__ = ["BlockText", "KeptEntry", "checksum_of", "open_block", "read_entries", "seal_block"]

# Milliseconds after receipt, step, status, rule, device.
_Told = tuple[int, str, int, str, str]

_encoder = json.Encoder()
_compress = zstandard.ZstdCompressor(level=1).compress  # used on the writer's thread alone
_read_record = json.Decoder(Record).decode
_read_steps = json.Decoder(list[list[_Told]]).decode

# Leaves those octets alone that stand for themselves in a text of JSON.
_ONLY_PLAIN = only(bytes(octet for octet in range(0x20, 0x7F) if octet not in b'"\\'))
# Texts as they stand in JSON, quotes included, for those that come again and again: addresses,
# devices, words. Emptied when full.
_KNOWN = 8192
_known: dict[str, bytes] = {}
# The same of what stands in a step behind its time.
_tails: dict[tuple[str, str, int, str], bytes] = {}


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
    """Entries that are written together.

    ended: when the last of them ended, epoch seconds.
    """

    def __init__(self) -> None:
        self.count = 0
        self.ended = 0.0
        self._records: list[bytes] = []
        self._final: list[bytes] = []
        self._steps: list[bytes] = []
        self._sums: list[int] = []
        self._stamps: dict[int, bytes] = {}
        self._seconds: dict[int, str] = {}
        self._lines = b""

    def add(self, entry: LedgerEntry) -> None:
        """Take an entry; one that makes no sense raises and leaves nothing behind."""
        at = entry.at
        begun_ms = int(at * 1000.0 + 0.5)
        ended_ms = begun_ms
        ended = at
        status = 0
        told = b""
        known = _known
        tails = _tails
        steps = entry.steps
        for when, step, device, answer, rule in steps:
            ended = when
            ended_ms = int(when * 1000.0 + 0.5)
            after_ms = ended_ms - begun_ms
            told = octets.concat(
                told, b",[" if told else b"[", octets.decimal(after_ms),
                tails.get((step, device, answer, rule)) or _tail(step, device, answer, rule)
            )  # fmt: skip
            if answer:
                status = answer
        begun_text = self._stamp(begun_ms)
        ended_text = begun_text if ended_ms == begun_ms else self._stamp(ended_ms)
        call_id = entry.call_id
        message_id = entry.message_id
        name = message_id.encode()
        plain = octets.is_only(call_id, _ONLY_PLAIN) and octets.is_only(name, _ONLY_PLAIN)
        if plain and entry.notice is None and entry.charging is None:
            # What `Record` would be encoded as.
            line = octets.concat_all(
                (b'{"time":"', begun_text, b'","ended":"', ended_text, b'","id":"', name,
                 b'","call_id":"', call_id, b'","from":',
                 known.get(entry.sender) or _quoted(entry.sender), b',"to":',
                 known.get(entry.recipient) or _quoted(entry.recipient), b',"size":',
                 octets.decimal(entry.size), b',"outcome":',
                 known.get(entry.outcome) or _quoted(entry.outcome), b',"status":',
                 octets.decimal(status), b"}\n")
            )  # fmt: skip
        else:
            line = _rare_line(entry, begun_text, ended_text, status)
        sums = self._sums
        sums.append(crc32(name))
        sums.append(crc32(call_id))
        if entry.notice is not None:
            _add_names(sums, entry.notice)
        self._records.append(line)
        self._steps.append(told)
        if entry.final:
            self._final.append(line)
        self.count += 1
        if ended > self.ended:
            self.ended = ended

    def _stamp(self, wall_ms: int) -> bytes:
        text = self._stamps.get(wall_ms)
        if text is None:
            second = wall_ms // 1000
            begun = self._seconds.get(second)
            if begun is None:
                begun = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
                self._seconds[second] = begun
            text = self._stamps[wall_ms] = f"{begun}{wall_ms % 1000:03d}Z".encode()
        return text

    def seal(self) -> bytes:
        """Return the octets of the block."""
        self._lines = b"".join(self._records)
        return _pack(self._lines, b"[[%b]]" % b"],[".join(self._steps))

    def checksums(self) -> bytes:
        """Return the checksums of all entries."""
        return struct.pack(f"<{len(self._sums)}I", *self._sums)

    def records(self) -> tuple[int, bytes]:
        """Return how many messages have ended, and their lines; after `seal`."""
        ended = len(self._final)
        return ended, self._lines if ended == self.count else b"".join(self._final)


def _quoted(text: str) -> bytes:
    """Return a text as it stands in JSON, and know it when it comes again."""
    quoted = _encoder.encode(text if text.isascii() else _readable(text))
    if len(_known) >= _KNOWN:
        _known.clear()
    _known[text] = quoted
    return quoted


def _tail(step: str, device: str, status: int, rule: str) -> bytes:
    """Return what stands in a step behind its time, and know it when it comes again."""
    tail = b",%b,%d,%b,%b]" % (_quoted(step), status, _quoted(rule), _quoted(device))
    if len(_tails) >= _KNOWN:
        _tails.clear()
    _tails[step, device, status, rule] = tail
    return tail


def _rare_line(entry: LedgerEntry, begun: bytes, ended: bytes, status: int) -> bytes:
    """Return the line of an entry with fields that few have, or with odd characters."""
    call_id, sender, recipient, notice = entry.call_id, entry.sender, entry.recipient, entry.notice
    record = Record(
        begun.decode(),
        ended.decode(),
        entry.message_id,
        call_id.decode("utf-8", "backslashreplace"),
        sender if sender.isascii() else _readable(sender),
        recipient if recipient.isascii() else _readable(recipient),
        entry.size,
        entry.outcome,
        status,
    )
    if not call_id.isascii():
        record.octets = call_id.hex()
    if notice is not None:
        record.kind = notice.kind
        record.messages = notice.messages
        record.imdn = notice.id.decode("utf-8", "backslashreplace")
        record.about = _about(notice).decode("utf-8", "backslashreplace")
    if entry.charging is not None:
        _add_charging(record, entry.charging)
    return _encoder.encode(record) + b"\n"


def _add_names(sums: list[int], notice: Notice) -> None:
    """Add the checksums of the IMDN Message-IDs by which an entry is found."""
    for name in (notice.id, _about(notice)):
        if name:
            sums.append(crc32(name))


def _about(notice: Notice) -> bytes:
    """Return the IMDN Message-ID of the one message that a notification tells of, b"" for none."""
    return notice.told[0][0] if len(notice.told) == 1 else b""


def _add_charging(record: Record, value: bytes) -> None:
    """Tell under which identity others account for the message; nothing of what is no vector."""
    with suppress(ParseError):
        vector = read_charging_vector(value)
        found = (vector.icid, vector.orig_ioi, vector.term_ioi)
        record.icid, record.orig_ioi, record.term_ioi = [
            text.decode("utf-8", "backslashreplace") for text in found
        ]


def _readable(text: str) -> str:
    """Return text in which what was no UTF-8 stands as \\xNN."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def checksum_of(identity: str) -> bytes:
    """Return what the checksums of a block contain when it may have entries of this name."""
    return struct.pack("<I", crc32(identity.encode("utf-8", "surrogateescape")))


def _pack(records: bytes, steps: bytes) -> bytes:
    return _compress(records + steps)


def seal_block(records: list[bytes], steps: list[list[_Told]]) -> bytes:
    """Return the octets of a block from what `open_block` returned."""
    return _pack(b"".join([record + b"\n" for record in records]), _encoder.encode(steps))


def open_block(packed: bytes) -> tuple[list[bytes], list[list[_Told]]]:
    """Return the charging records of a block, and the steps of each."""
    records, steps = _unpack(packed)
    return records, _read_steps(steps)


def _unpack(packed: bytes) -> tuple[list[bytes], bytes]:
    if packed[:4] != zstandard.FRAME_HEADER:
        return _unpack_old(packed)
    *records, steps = zstandard.decompress(packed).split(b"\n")
    return records, steps


def _unpack_old(packed: bytes) -> tuple[list[bytes], bytes]:
    """Read a block as it was written at first: the steps of an entry behind its record."""
    entries = [json.decode(line) for line in zlib.decompress(packed).splitlines()]
    steps = [entry.pop("steps") for entry in entries]
    return [_encoder.encode(entry) for entry in entries], _encoder.encode(steps)


def read_entries(packed: bytes, identity: str) -> Iterator[KeptEntry]:
    """Give the entries in which a message id, Call-ID or IMDN Message-ID stands, as noted."""
    call_id = identity.encode("utf-8", "surrogateescape")
    shown = _encoder.encode(call_id.decode("utf-8", "backslashreplace"))
    records, steps = _unpack(packed)
    places = [place for place, record in enumerate(records) if shown in record]
    told = _read_steps(steps) if places else []
    for place in places:
        entry = _entry(_read_record(records[place]), told[place])
        if entry.is_named(identity, call_id) or entry.tells_of(identity):
            yield entry


def _entry(record: Record, steps: list[_Told]) -> KeptEntry:
    at = datetime.fromisoformat(record.time).timestamp()
    return KeptEntry(
        record.id,
        bytes.fromhex(record.octets) if record.octets else record.call_id.encode("ascii"),
        at,
        record.sender,
        record.recipient,
        record.size,
        record.outcome,
        [
            (at + after_ms / 1000, step, device, status, rule)
            for after_ms, step, status, rule, device in steps
        ],
        record.kind,
        record.imdn,
        record.about,
    )
