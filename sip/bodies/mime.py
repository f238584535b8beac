# SPDX-License-Identifier: Apache-2.0
"""MIME entities inside a body: header fields and content (RFC 2045, RFC 2046 section 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import ParseError
from ..grammar import is_token, parse_params, unquote
from ..octets import text_lines
from .mediatype import media_type

__all__ = ["FIELDS", "HEAD_BYTES", "Part", "media_type", "parameter", "parse_fields"]

#: Header fields of one entity, and octets they may take together.
FIELDS: Final = 64
HEAD_BYTES: Final = 16_384

Field = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Part:
    """One entity: ``head`` is its header lines as they came, without the empty line after them.

    ``fields`` are (lower-case name, unfolded value) in order.
    """

    head: bytes
    fields: tuple[Field, ...]
    content: bytes

    def get(self, name: bytes) -> bytes | None:
        """Return the value of a header field by its lower-case name; None when absent."""
        for key, value in self.fields:
            if key == name:
                return value
        return None

    @property
    def content_type(self) -> bytes:
        """The Content-Type as it came, text/plain when there is none (RFC 2046 5.1)."""
        return self.get(b"content-type") or b"text/plain"

    @property
    def media_type(self) -> bytes:
        """Type and subtype, lower-case, without parameters."""
        return media_type(self.content_type)

    @property
    def disposition(self) -> bytes:
        """The disposition type, lower-case, without parameters; b"" when there is none."""
        return media_type(self.get(b"content-disposition") or b"")

    def encode(self) -> bytes:
        """Return the octets of the entity."""
        if self.head:
            return b"%b\r\n\r\n%b" % (self.head, self.content)
        return b"\r\n" + self.content


def parameter(value: bytes, name: bytes) -> bytes | None:
    """Return a parameter of a header value without its quotes; None when absent.

    Raises: ParseError for parameters that cannot be read.
    """
    _, semicolon, params = value.partition(b";")
    for key, text in parse_params(semicolon + params, "Content-Type"):
        if key == name:
            return unquote(text or b"")
    return None


def parse_fields(head: bytes, where: str) -> tuple[Field, ...]:
    """Read header lines, which may be folded, without the empty line that ends them.

    Raises: ParseError; also for a Content-Type given twice, which could be read two ways.
    """
    if len(head) > HEAD_BYTES:
        raise ParseError(where, f"{where} has a header that is too long", 413)
    if not head:
        return ()
    lines = text_lines(head, len(head))
    if lines is None:
        raise ParseError(where, f"{where} has a control character in its header")
    if len(lines) > FIELDS:
        raise ParseError(where, f"{where} has too many header fields", 413)
    fields: list[Field] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and fields:
            name, value = fields[-1]
            fields[-1] = (name, value + b" " + line.strip(b" \t"))
            continue
        name, colon, value = line.partition(b":")
        if not colon or not is_token(name):
            raise ParseError(where, f"{where} has a malformed header field")
        fields.append((name.lower(), value.strip(b" \t")))
    if sum(name == b"content-type" for name, _ in fields) > 1:
        raise ParseError(where, f"{where} has more than one Content-Type")
    return tuple(fields)
