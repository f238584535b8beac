# SPDX-License-Identifier: Apache-2.0
"""One request or response of a stream, or a piece of a large request (RFC 4975 7 and 9).

The octets stay as they came: what a header says is looked up when somebody asks.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from sip import octets
from sip.grammar import only

from .errors import BadChunk

__all__ = ["ABORTED", "CONTINUED", "ENDED", "MORE", "Body", "ByteRange", "Chunk"]

ENDED: Final = b"$"
CONTINUED: Final = b"+"
ABORTED: Final = b"#"
#: No end-line yet: the rest of the same chunk follows.
MORE: Final = b""

#: Octets of a body; those of a large one are a view of what was read, and never copied.
Body = bytes | memoryview

_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FIRST: Final = only(_LETTERS)
#: hname of RFC 4975 9, which is more than a token.
_NAME: Final = only(_LETTERS + b"!#$%&'*+-.0123456789^_`{|}~")
# Nineteen digits are more octets than there are.
_RANGE: Final = re.compile(rb"([0-9]{1,18})-([0-9]{1,18}|\*)/([0-9]{1,18}|\*)")
_IDENT: Final = re.compile(rb"[0-9A-Za-z.%=+-]{1,64}")
_ONCE: Final = frozenset(
    (b"to-path", b"from-path", b"message-id", b"byte-range", b"success-report", b"failure-report",
     b"status", b"content-type")
)  # fmt: skip


class ByteRange(NamedTuple):
    """Positions in the message, the first octet is 1; None where the sender wrote "*"."""

    start: int = 1
    end: int | None = None
    total: int | None = None

    def print(self) -> bytes:
        """Return the value of a Byte-Range header."""
        end = b"*" if self.end is None else b"%d" % self.end
        total = b"*" if self.total is None else b"%d" % self.total
        return b"%d-%b/%b" % (self.start, end, total)


class Chunk:
    """What the framer cut out of a stream.

    method: empty for a response, whose status is then above 0. flag: ENDED, CONTINUED, ABORTED or
    MORE. offset: octets of the chunk's body in front of this piece, 0 for a whole chunk. raw: the
    head, and behind it the body and the end-line; where the body is large the head alone, and
    piece is what has come of the body. rest: where in `raw` the headers behind From-Path start;
    head_end: behind the last of them. body_at: behind the empty line, 0 without a body. size: of
    the body in this piece. paths are empty when the head does not begin with them.
    """

    __slots__ = ("_fields", "body_at", "flag", "from_path", "head_end", "method", "offset",
                 "piece", "raw", "rest", "size", "status", "tid", "to_path")  # fmt: skip

    def __init__(
        self,
        raw: bytes,
        tid: bytes,
        method: bytes,
        status: int,
        to_path: bytes,
        from_path: bytes,
        rest: int,
        head_end: int,
        body_at: int,
        size: int,
        flag: bytes,
        offset: int = 0,
        piece: Body | None = None,
    ) -> None:
        self.raw = raw
        self.tid = tid
        self.method = method
        self.status = status
        self.to_path = to_path
        self.from_path = from_path
        self.rest = rest
        self.head_end = head_end
        self.body_at = body_at
        self.size = size
        self.flag = flag
        self.offset = offset
        self.piece = piece
        self._fields: dict[bytes, bytes] | None = None

    @property
    def has_body(self) -> bool:
        """True with a body, be it empty; a bodiless request is something else (7.1)."""
        return self.body_at > 0

    @property
    def body(self) -> bytes:
        """The octets of the body in this piece."""
        if self.piece is not None:
            return bytes(self.piece)
        return self.raw[self.body_at : self.body_at + self.size]

    def head(self) -> Chunk:
        """Return the same of a chunk in pieces without octets of its body, which take room."""
        return Chunk(
            self.raw, self.tid, self.method, self.status, self.to_path, self.from_path, self.rest,
            self.head_end, self.body_at, 0, self.flag, self.offset,
        )  # fmt: skip

    def lines(self) -> list[bytes]:
        """Return the header lines behind From-Path. Raises: BadChunk for one that is none."""
        if self.rest == self.head_end:
            return []
        text = octets.cut(self.raw, self.rest, self.head_end - 2)
        lines = octets.text_lines(text, len(text))
        if lines is None:
            raise BadChunk("not a header line")
        for line in lines:
            colon = octets.find_octet(line, b":", 0, len(line))
            if colon < 1 or not (
                octets.only_in(line, _FIRST, 0, 1) and octets.only_in(line, _NAME, 0, colon)
            ):
                raise BadChunk("not a header line")
        return lines

    @property
    def headers(self) -> bytes:
        """The header lines behind From-Path, each with its line end."""
        return self.raw[self.rest : self.head_end]

    @property
    def fields(self) -> dict[bytes, bytes]:
        """Return the headers behind From-Path, names in lower case; of several the last one.

        Raises: BadChunk for a line that is no header, or a header that may stand only once.
        """
        if self._fields is None:
            self._fields = self._read_fields()
        return self._fields

    def _read_fields(self) -> dict[bytes, bytes]:
        fields: dict[bytes, bytes] = {}
        for line in self.lines():
            name, _, value = line.partition(b":")
            name = name.lower()
            if name in fields and name in _ONCE:
                raise BadChunk(f"{name.decode()} appears twice")
            fields[name] = value.strip(b" \t")
        return fields

    def check(self) -> None:
        """Refuse what RFC 4975 does not allow in a request's head. Raises: BadChunk."""
        if not self.to_path:
            raise BadChunk("To-Path and From-Path come first")
        fields = self.fields
        if self.body_at and b"content-type" not in fields:
            raise BadChunk("a body needs a Content-Type")
        if self.method == b"SEND":
            if _IDENT.fullmatch(fields.get(b"message-id", b"")) is None:
                raise BadChunk("no Message-ID")
            if b"byte-range" in fields:
                self.byte_range()

    def byte_range(self) -> ByteRange:
        """Return what the header says, 1-*/* without one. Raises: BadChunk (rule M2)."""
        value = self.fields.get(b"byte-range")
        if value is None:
            return ByteRange()
        found = _RANGE.fullmatch(value)
        if found is None:
            raise BadChunk("not a Byte-Range")
        start, end, total = found.groups()
        first = int(start)
        last = None if end == b"*" else int(end)
        size = None if total == b"*" else int(total)
        if first < 1 or (last is not None and last < first - 1):
            raise BadChunk("a Byte-Range that ends before it starts")
        if size is not None and max(first - 1, last or 0) > size:
            raise BadChunk("a Byte-Range beyond the message")
        return ByteRange(first, last, size)

    @property
    def message_id(self) -> bytes:
        """The Message-ID, empty without one."""
        return self.fields.get(b"message-id", b"")

    @property
    def failure_report(self) -> bytes:
        """b"yes", b"no" or b"partial": which answers the sender wants (7.1.1)."""
        value = self.fields.get(b"failure-report", b"").lower()
        return value if value in (b"no", b"partial") else b"yes"

    @property
    def success_report(self) -> bool:
        """True when the sender wants a REPORT that says that all arrived."""
        return self.fields.get(b"success-report", b"").lower() == b"yes"

    @property
    def content_type(self) -> bytes:
        """Type and subtype in lower case, without parameters; empty without a body."""
        return self.fields.get(b"content-type", b"").partition(b";")[0].strip(b" \t").lower()

    @property
    def report_status(self) -> int:
        """The status a REPORT tells, 0 when it cannot be read or is of another namespace."""
        parts = self.fields.get(b"status", b"").split(b" ")
        if len(parts) < 2 or parts[0] != b"000" or len(parts[1]) != 3 or not parts[1].isdigit():
            return 0
        return int(parts[1])
