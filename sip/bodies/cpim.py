# SPDX-License-Identifier: Apache-2.0
"""Message/CPIM (RFC 3862): message headers with name spaces around a MIME entity.

Read strictly, so that no other reader finds a different header in the same octets; whoever only
passes such a body on does not read it at all. Values stay octets; ``unescape`` gives their text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from ..errors import ParseError
from ..grammar import skip_quoted
from .mediatype import CPIM as MEDIA_TYPE
from .mediatype import is_cpim
from .mime import HEAD_BYTES, Part, parse_fields

__all__ = [
    "CPIM",
    "MEDIA_TYPE",
    "CpimHeader",
    "CpimMessage",
    "address_uri",
    "compose",
    "display_name",
    "escape",
    "is_cpim",
    "parse_cpim",
    "read_ns",
    "unescape",
]

#: The name space of headers without a prefix, as long as no NS header says otherwise.
CPIM: Final = b"urn:ietf:params:cpim-headers:"

_WHERE: Final = "CPIM"
_HEADERS: Final = 128
_IMDN: Final = b"urn:ietf:params:imdn"
# What is remembered of bodies that were read: of at most so many octets, at most so many.
_SHORT_OCTETS: Final = 4_096
_REMEMBERED: Final = 512
_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_NAME: Final = _LETTERS + b"!#$%&'*+-^_`|~"
# A second one of these could be taken for the first: who sent it, when, which message it is.
_ONCE: Final = frozenset(
    [(CPIM, b"From"), (CPIM, b"DateTime"), (_IMDN, b"Message-ID"), (_IMDN, b"Original-To")]
)
_CONTROLS: Final = bytes((*range(0x20), 0x7F))
_PLAIN: Final = _ONCE | {(CPIM, b"NS"), (_IMDN, b"Disposition-Notification")}
_ESCAPED: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.?))", re.DOTALL)
_SHORT: Final = {"b": "\b", "t": "\t", "n": "\n", "r": "\r"}
_TO_ESCAPE: Final = {code: f"\\u{code:04x}" for code in (*range(0x20), 0x7F)} | {
    0x5C: "\\\\", 0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CpimHeader:
    """One message header.

    line: as it stands in the message. namespace: the URI its prefix is bound to, b"" for a prefix
    that is not bound. name: without prefix. params: from the first semicolon on, b"" for none.
    """

    line: bytes
    namespace: bytes
    name: bytes
    params: bytes
    value: bytes

    @property
    def prefix(self) -> bytes:
        """What stands before the name with its full stop, b"" for no prefix."""
        return self.line[: self.line.index(self.name + b":")]


@dataclass(frozen=True, slots=True)
class CpimMessage:
    """A CPIM message; ``part`` is the content with its MIME header.

    joined: the MIME header follows the message headers without an empty line, as RFC 5438 prints
    it. What is changed is written with the line.
    """

    headers: tuple[CpimHeader, ...]
    part: Part
    joined: bool = False

    def get_all(self, name: bytes, namespace: bytes = CPIM) -> list[CpimHeader]:
        """Return the headers of one name, in order."""
        return [h for h in self.headers if h.name == name and h.namespace == namespace]

    def get(self, name: bytes, namespace: bytes = CPIM) -> bytes | None:
        """Return the value of the first header of one name; None when there is none."""
        place = self._place(name, namespace)
        return self.headers[place].value if place >= 0 else None

    def claimed_senders(self) -> list[bytes]:
        """Return the URI of every From that a reader could show, whatever its name space.

        A client that does not heed name spaces shows one that stands in another.
        Raises: ParseError for one without a URI.
        """
        return [address_uri(header.value) for header in self.headers if header.name == b"From"]

    def encode(self) -> bytes:
        """Return the octets of the message: those that came, where nothing was changed."""
        head = b"".join([header.line + b"\r\n" for header in self.headers])
        separator = b"" if self.joined else b"\r\n"
        return head + separator + self.part.encode()

    def with_header(
        self, name: bytes, value: bytes, namespace: bytes = CPIM, prefix: bytes = b""
    ) -> CpimMessage:
        """Return the message with one more header, on top of those of the same name.

        Args: prefix: declared for ``namespace`` when nothing in the message is bound to it.
        Raises: ParseError for a value that cannot be written.
        """
        place = self._place(name, namespace)
        if place >= 0:
            added = [self.headers[place].prefix + name + b": " + value]
        else:
            place = len(self.headers)
            added = self._first_of(name, value, namespace, prefix)
        lines = [header.line for header in self.headers]
        lines[place:place] = added
        return replace(self, headers=_read_headers(lines), joined=False)

    def without_first(self, name: bytes, namespace: bytes = CPIM) -> CpimMessage:
        """Return the message without the topmost header of one name; itself when there is none."""
        place = self._place(name, namespace)
        if place < 0:
            return self
        rest = self.headers[:place] + self.headers[place + 1 :]
        return replace(self, headers=rest, joined=False)

    def _place(self, name: bytes, namespace: bytes) -> int:
        for place, header in enumerate(self.headers):
            if header.name == name and header.namespace == namespace:
                return place
        return -1

    def _first_of(self, name: bytes, value: bytes, namespace: bytes, prefix: bytes) -> list[bytes]:
        """Return the lines for a header behind all others, of which none has its name."""
        bound = _bindings(self.headers)
        for known, uri in bound.items():
            if uri == namespace:
                return [(known + b"." if known else b"") + name + b": " + value]
        while prefix in bound:
            prefix += b"x"
        return [b"NS: %b <%b>" % (prefix, namespace), prefix + b"." + name + b": " + value]


def parse_cpim(body: bytes) -> CpimMessage:
    """Read a CPIM message; a short one that was read a moment ago is not read again.

    A notification is looked at when it comes, when it is stored and when its end is noted.

    Raises: ParseError; also for From, DateTime, Message-ID or Original-To given twice, for a
        content without Content-Type, and for a prefix in a declaration that is no name.
    """
    return _parse(body) if len(body) > _SHORT_OCTETS else _remembered(body)


def _parse(body: bytes) -> CpimMessage:
    if body.startswith(b"\r\n"):
        head, rest = b"", body[2:]
    else:
        head, blank, rest = body.partition(b"\r\n\r\n")
        if not blank:
            raise ParseError(_WHERE, "CPIM message headers do not end")
    if len(head) > HEAD_BYTES:
        raise ParseError(_WHERE, "CPIM has a header that is too long", 413)
    lines = head.split(b"\r\n") if head else []
    mime_at = _mime_begins(lines)
    joined = mime_at < len(lines)
    if joined:
        mime_head, content = b"\r\n".join(lines[mime_at:]), rest
    else:
        mime_head, blank, content = rest.partition(b"\r\n\r\n")
        if not blank:
            raise ParseError(_WHERE, "CPIM has no content")
    part = Part(mime_head, parse_fields(mime_head, _WHERE), content)
    if part.get(b"content-type") is None:
        raise ParseError(_WHERE, "CPIM content has no Content-Type")
    return CpimMessage(_read_headers(lines[:mime_at]), part, joined)


# Nothing about a message that was read can be changed, so all who ask get the same.
_remembered = lru_cache(_REMEMBERED)(_parse)


def compose(
    headers: Iterable[tuple[bytes, bytes]], mime: Iterable[tuple[bytes, bytes]], content: bytes
) -> CpimMessage:
    """Make a message of headers with their prefixes, NS headers among them, and a content.

    Raises: ParseError for a header that cannot be written.
    """
    lines = [b"%b: %b" % header for header in headers]
    mime_head = b"\r\n".join([b"%b: %b" % field for field in mime])
    return CpimMessage(
        _read_headers(lines), Part(mime_head, parse_fields(mime_head, _WHERE), content)
    )


def address_uri(value: bytes) -> bytes:
    """Return the URI of ``[ Formal-name ] "<" URI ">"``.

    Raises: ParseError when there is none.
    """
    _, bracket, uri = value.rpartition(b"<")
    if not bracket or not uri.endswith(b">") or len(uri) < 2 or b" " in uri:
        raise ParseError(_WHERE, "CPIM address has no URI in angle brackets")
    return uri[:-1]


def display_name(value: bytes) -> str:
    """Return the text of the Formal-name in front of a URI, "" for none."""
    name = value.rpartition(b"<")[0].strip()
    if len(name) > 1 and name[:1] == name[-1:] == b'"':
        name = name[1:-1]
    return unescape(name).strip()


def read_ns(value: bytes) -> tuple[bytes, bytes]:
    """Return prefix and URI that an NS header binds to each other.

    Raises: ParseError when there is no URI, or a prefix that is no name.
    """
    prefix = value.partition(b"<")[0].removesuffix(b" ")
    if prefix.translate(None, _NAME):
        raise ParseError(_WHERE, "CPIM NS header has a malformed prefix")
    return prefix, address_uri(value)


def unescape(value: bytes) -> str:
    """Return the text of a header value (RFC 3862 2.3); unknown escapes mean their character."""
    text = _ESCAPED.sub(_character, value.decode("utf-8", "replace"))
    # Characters beyond 16 bits are escaped as two surrogates.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def escape(text: str) -> bytes:
    """Return a header value for a text, control characters and backslashes escaped."""
    return text.translate(_TO_ESCAPE).encode("utf-8", "replace")


def _character(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return _SHORT.get(found[2], found[2])


def _mime_begins(lines: Sequence[bytes]) -> int:
    """Return where the MIME header begins among the message headers; behind them as a rule."""
    first = len(lines)
    for place, line in enumerate(lines):
        name = line.partition(b":")[0].lower()
        if name.startswith(b"content-"):
            first = min(first, place)
            if name == b"content-type":
                return first
    return len(lines)


def _bindings(headers: Iterable[CpimHeader]) -> dict[bytes, bytes]:
    """Return the name space of each prefix behind all ``headers``."""
    bound = {b"": CPIM}
    for header in headers:
        if header.line.startswith(b"NS:"):
            prefix, uri = read_ns(header.value)
            bound[prefix] = uri
    return bound


def _read_headers(lines: Sequence[bytes]) -> tuple[CpimHeader, ...]:
    if len(lines) > _HEADERS:
        raise ParseError(_WHERE, "CPIM has too many headers", 413)
    bound = {b"": CPIM}
    headers: list[CpimHeader] = []
    seen: set[tuple[bytes, bytes]] = set()
    for line in lines:
        header = _read_header(line, bound)
        key = (header.namespace, header.name)
        if key in seen and key in _ONCE:
            raise ParseError(_WHERE, f"CPIM has more than one {header.name.decode('ascii')}")
        seen.add(key)
        headers.append(header)
    return tuple(headers)


def _read_header(line: bytes, bound: dict[bytes, bytes]) -> CpimHeader:
    """Read ``name [;params]: value`` with the parameters where RFC 3862 3.6 has them."""
    if line.translate(None, _CONTROLS) != line:
        raise ParseError(_WHERE, "CPIM header has a control character")
    full, colon, rest = line.partition(b":")
    prefix, dot, name = full.rpartition(b".")
    if not colon or not name or (dot and not prefix) or (prefix + name).translate(None, _NAME):
        raise ParseError(_WHERE, "CPIM has a malformed header name")
    space = _params_end(rest)
    params, value = rest[:space], rest[space + 1 :]
    if space < 0 or (params and not params.startswith(b";")):
        raise ParseError(_WHERE, "CPIM header has no space behind its colon")
    if value.strip(b" ") != value:
        raise ParseError(_WHERE, "CPIM header has more than one space around its value")
    try:
        value.decode("utf-8")
        params.decode("utf-8")
    except UnicodeDecodeError:
        raise ParseError(_WHERE, "CPIM header is not UTF-8") from None
    if full == b"NS":
        alias, uri = read_ns(value)
        bound[alias] = uri
    namespace = bound.get(prefix, b"")
    if params and (namespace, name) in _PLAIN:
        raise ParseError(_WHERE, f"CPIM {name.decode('ascii')} takes no parameters")
    return CpimHeader(line, namespace, name, params, value)


def _params_end(rest: bytes) -> int:
    """Return where the space stands that ends the parameters; -1 when there is none."""
    index = 0
    while True:
        space = rest.find(b" ", index)
        quote = rest.find(b'"', index)
        if quote < 0 or space < quote:
            return space
        index = skip_quoted(rest, quote)
        if index < 0:
            return -1
