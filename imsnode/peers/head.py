# SPDX-License-Identifier: Apache-2.0
"""The head of a message as octets, to be changed line by line before it leaves or is parsed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sip.errors import BadMessage
from sip.grammar import split_commas
from sip.headers.names import canonical_name

__all__ = ["Head"]

_Edit = Callable[[bytes], bytes]


class Head:
    """Start line and header lines; lines are (canonical name, name as written, value)."""

    __slots__ = ("body", "lines", "start")

    def __init__(self, data: bytes) -> None:
        """Cut a message. Raises: BadMessage for what has no head."""
        while data.startswith(b"\r\n"):  # they count for nothing (RFC 3261 7.5)
            data = data[2:]
        head, gap, self.body = data.partition(b"\r\n\r\n")
        self.start, *lines = head.split(b"\r\n")
        if not gap or b" " not in self.start:
            raise BadMessage("head", "is none")
        self.lines: list[tuple[str, bytes, bytes]] = []
        for line in lines:
            if line[:1] in (b" ", b"\t") and self.lines:
                name, written, value = self.lines[-1]
                self.lines[-1] = (name, written, value + b" " + line.strip(b" \t"))
                continue
            written, colon, value = line.partition(b":")
            if not colon:
                raise BadMessage("head", "has a line without a name")
            name = canonical_name(written.rstrip(b" \t"))
            self.lines.append((name, written.rstrip(b" \t"), value.strip(b" \t")))

    @property
    def is_request(self) -> bool:
        """True for a request."""
        return not self.start.startswith(b"SIP/2.0 ")

    def encode(self) -> bytes:
        """Return the octets of the message."""
        lines = [b"%b: %b" % (written, value) for _, written, value in self.lines]
        return b"\r\n".join((self.start, *lines, b"", self.body))

    def has(self, name: str) -> bool:
        """Say whether a header is there, by its canonical name."""
        return any(line[0] == name for line in self.lines)

    def first(self, name: str) -> bytes:
        """Return the first value of a header as it stands, b"" without one."""
        return next((value for known, _, value in self.lines if known == name), b"")

    def values(self, name: str) -> list[bytes]:
        """Return all values of a header, those between commas too. Raises: BadMessage."""
        return [
            each
            for known, _, value in self.lines
            if known == name
            for each in split_commas(value, name)
        ]

    def put(self, name: str, written: bytes, values: Iterable[bytes]) -> None:
        """Have exactly these values of a header, one a line, where its first one stood."""
        at = next((at for at, line in enumerate(self.lines) if line[0] == name), len(self.lines))
        kept = [line for line in self.lines if line[0] != name]
        kept[at:at] = [(name, written, value) for value in values]
        self.lines = kept

    def remove(self, name: str) -> None:
        """Leave a header out."""
        self.lines = [line for line in self.lines if line[0] != name]

    def edit(self, name: str, edit: _Edit) -> None:
        """Change every line of a header."""
        self.lines = [
            (known, written, edit(value)) if known == name else (known, written, value)
            for known, written, value in self.lines
        ]

    def edit_target(self, edit: _Edit) -> None:
        """Change the Request-URI."""
        method, _, rest = self.start.partition(b" ")
        uri, _, version = rest.rpartition(b" ")
        self.start = b"%b %b %b" % (method, edit(uri), version)
