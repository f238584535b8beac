# SPDX-License-Identifier: Apache-2.0
"""What the codec asks of octets again and again.

Interpreted, each is one call of a method that Python has in C; compiled, octets.pxd puts the same
in line, where calling the method would cost more than its work. Import the module, not its names.
"""

from __future__ import annotations

from typing import Final

# Methods of bytes: find(text, needle, start), split(text, separator), starts(text, prefix, start).
find: Final = bytes.find
split: Final = bytes.split
starts: Final = bytes.startswith

_TEXT: Final = bytes(
    octet if octet == 0x09 or (octet >= 0x20 and octet != 0x7F) else octet ^ 0x80
    for octet in range(256)
)


def all_start(lines: list[bytes], prefixes: tuple[bytes, ...]) -> bool:
    """Say whether each line starts with the prefix in its place; there are as many of both."""
    return all(map(starts, lines, prefixes))


def is_only(text: bytes, table: bytes) -> bool:
    """Say whether ``table``, made by ``grammar.only``, leaves ``text`` as it is."""
    return text.translate(table) == text


def number(text: bytes) -> int:
    """Return the number that one to ten digits make, -1 for anything else."""
    return int(text) if text.isdigit() and len(text) <= 10 else -1


def value_after(line: bytes, cut: int) -> bytes:
    """Return the text from ``cut`` on without blanks around it."""
    return line[cut:].strip(b" \t")


def text_lines(data: bytes, end: int) -> list[bytes] | None:
    """Cut ``data`` up to ``end`` at each CRLF.

    Returns: None when there is any other control octet than HTAB (RFC 3261 25.1, LWS).
    """
    lines = data[:end].split(b"\r\n")
    text = b"".join(lines)
    return lines if text.translate(_TEXT) == text else None
