# SPDX-License-Identifier: Apache-2.0
"""Session descriptions: application/sdp (RFC 8866), read and written line by line.

What nobody here knows stays as it came, in its place: a description is changed by whoever passes it
on, not understood in full.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from ..errors import ParseError

__all__ = ["MEDIA_TYPE", "Media", "Sdp", "Section", "parse_sdp"]

MEDIA_TYPE: Final = b"application/sdp"

_WHERE: Final = "SDP"
_MOST_LINES: Final = 2000
_LINE: Final = re.compile(rb"[a-z]=[^\x00\r\n]*")
_MEDIA: Final = re.compile(rb"([!#-.0-9A-Z^-~]+) ([0-9]{1,5})(/[0-9]{1,5})? ([!-~]+)((?: [!-~]+)+)")

Line = tuple[bytes, bytes]  # the letter, and what stands behind "="


class Section:
    """The lines of the session part, or of one medium; attributes are found by their names."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines

    def value(self, letter: bytes) -> bytes | None:
        """Return the first line of a kind."""
        return next((value for key, value in self.lines if key == letter), None)

    def attribute(self, name: bytes) -> bytes | None:
        """Return the first value of an attribute, empty for one without, None when not there."""
        for key, value in self.lines:
            if key == b"a":
                found, _, rest = value.partition(b":")
                if found == name:
                    return rest
        return None

    def set_attribute(self, name: bytes, value: bytes) -> None:
        """Write an attribute in the place of those of this name, or as the last line."""
        line = (b"a", b"%b:%b" % (name, value) if value else name)
        for at, (key, text) in enumerate(self.lines):
            if key == b"a" and text.partition(b":")[0] == name:
                self.remove_attributes(name)
                self.lines.insert(at, line)
                return
        self.lines.append(line)

    def remove_attributes(self, *names: bytes) -> None:
        """Take out every attribute of these names."""
        self.lines = [
            (key, value)
            for key, value in self.lines
            if key != b"a" or value.partition(b":")[0] not in names
        ]

    @property
    def connection(self) -> str | None:
        """The address of the c= line; None without one, or with a name in it."""
        value = self.value(b"c")
        parts = value.split(b" ") if value is not None else []
        if len(parts) != 3 or parts[0] != b"IN":
            return None
        try:
            return str(ipaddress.ip_address(parts[2].decode("ascii", "replace")))
        except ValueError:
            return None

    def set_connection(self, host: str) -> None:
        """Write the c= line, where there is one or behind the first line."""
        line = (b"c", b"IN %b %b" % (b"IP6" if ":" in host else b"IP4", host.encode()))
        for at, (key, _) in enumerate(self.lines):
            if key == b"c":
                self.lines[at] = line
                return
        # Behind the title, in front of everything else (RFC 8866 5).
        after = next(
            (at for at, (key, _) in enumerate(self.lines) if at and key != b"i"), len(self.lines)
        )
        self.lines.insert(after, line)


class Media(Section):
    """One m= line and what belongs to it. rest: formats, as they stand."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__(lines)
        found = _MEDIA.fullmatch(lines[0][1])
        if found is None or int(found[2]) > 65535:
            raise ParseError(_WHERE, "m= line cannot be read")
        self.kind = found[1]
        self.port = int(found[2])
        self.protocol = found[4]
        self.formats = found[5].split(b" ")[1:]

    def set_port(self, port: int) -> None:
        """Write another port; 0 refuses the medium."""
        self.port = port
        self._write()

    def set_protocol(self, protocol: bytes) -> None:
        """Write another transport protocol."""
        self.protocol = protocol
        self._write()

    def _write(self) -> None:
        self.lines[0] = (
            b"m",
            b" ".join((self.kind, b"%d" % self.port, self.protocol, *self.formats)),
        )


class Sdp:
    """A description: the session part, then the media in their order."""

    def __init__(self, session: Section, media: list[Media]) -> None:
        self.session = session
        self.media = media

    def connection(self, media: Media) -> str | None:
        """Return the address that counts for a medium: its own, else the session's."""
        return media.connection or self.session.connection

    def print(self) -> bytes:
        """Return the description as octets."""
        sections: list[Section] = [self.session, *self.media]
        return b"".join(b"%b=%b\r\n" % line for section in sections for line in section.lines)


def parse_sdp(body: bytes) -> Sdp:
    """Read a description; line ends are CRLF or, as RFC 8866 5 asks, LF alone.

    Raises: ParseError.
    """
    texts = body.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    if len(texts) > _MOST_LINES:
        raise ParseError(_WHERE, "SDP has too many lines")
    if texts[0] != b"v=0":
        raise ParseError(_WHERE, "SDP does not begin with v=0")
    parts: list[list[Line]] = [[]]
    for text in texts:
        if _LINE.fullmatch(text) is None:
            raise ParseError(_WHERE, "SDP has a line that is none")
        if text[:1] == b"m":
            parts.append([])
        parts[-1].append((text[:1], text[2:]))
    return Sdp(Section(parts[0]), [Media(lines) for lines in parts[1:]])
