# SPDX-License-Identifier: Apache-2.0
"""What the codec asks of octets again and again.

Interpreted, each is one call of a method that Python has in C; compiled, octets.pxd puts the same
in line, where calling the method would cost more than its work. Import the module, not its names.
"""

from __future__ import annotations

from hmac import compare_digest
from itertools import accumulate
from typing import Final

# Methods of bytes: count(text, octet), find(text, needle, start), join(separator, parts),
# split(text, separator), starts(text, prefix, start).
count: Final = bytes.count
find: Final = bytes.find
join: Final = bytes.join
split: Final = bytes.split
starts: Final = bytes.startswith

_TEXT: Final = bytes(
    octet if octet == 0x09 or (octet >= 0x20 and octet != 0x7F) else octet ^ 0x80
    for octet in range(256)
)

_HEX_DIGITS: Final = b"0123456789abcdefABCDEF"


#: Room for marks: so many lines are too many for `mark_lines`.
MARKED_LINES: Final = 60


class Marks:
    """Where lines start: ``at`` has ``count`` header lines, and behind them the empty line."""

    __slots__ = ("at", "count")

    def __init__(self, at: list[int], count: int) -> None:
        self.at = at
        self.count = count


def mix(text: bytes, start: int, stop: int) -> int:
    """Return a number that follows from these octets, the same for the same ones in one run."""
    return hash(text[start:stop])


def same(text: bytes, start: int, stop: int, other: bytes) -> bool:
    """Say whether ``other`` stands from ``start`` to ``stop``."""
    return text[start:stop] == other


def find_octet(text: bytes, octet: bytes, start: int, stop: int) -> int:
    """Return where one octet stands between ``start`` and ``stop``, -1 when it does not."""
    return text.find(octet, start, stop)


def find_in(text: bytes, needle: bytes, start: int, stop: int) -> int:
    """Return where ``needle`` stands between ``start`` and ``stop``, -1 when it does not."""
    return text.find(needle, start, stop)


def only_in(text: bytes, table: bytes, start: int, stop: int) -> bool:
    """Say whether there is a text between ``start`` and ``stop``, and ``is_only`` holds for it."""
    return start < stop and is_only(text[start:stop], table)


def number_in(text: bytes, start: int, stop: int) -> int:
    """Return ``number`` of what stands between ``start`` and ``stop``, behind blanks if any."""
    return number(text[start:stop].lstrip(b" "))


def hex_number(text: bytes, start: int, stop: int) -> int:
    """Return the number that up to 15 hexadecimal digits are, -1 when there is anything else."""
    digits = text[start:stop]
    return -1 if not digits or digits.translate(None, _HEX_DIGITS) else int(digits, 16)


def same_secret(one: bytes, other: bytes) -> bool:
    """Say whether two texts are equal, in a time that only their length tells about."""
    return compare_digest(one, other)


def mark_lines(data: bytes) -> Marks:
    """Mark the header lines of a message.

    Returns: a count of -1 without an empty line, with any control octet but HTAB and line ends,
        and with ``MARKED_LINES`` or more.
    """
    size = data.find(b"\r\n\r\n") + 2
    head = data[:size]
    lines = head.splitlines(True)
    text = head.replace(b"\r\n", b"")
    if size < 2 or len(lines) >= MARKED_LINES or text.translate(_TEXT) != text:
        return Marks([], -1)
    return Marks(list(accumulate(map(len, lines))), len(lines) - 1)


def all_start_at(data: bytes, marks: list[int], prefixes: tuple[bytes, ...]) -> bool:
    """Say whether each prefix stands at its mark."""
    return all(map(data.startswith, prefixes, marks))


def concat(one: bytes, two: bytes, three: bytes, four: bytes) -> bytes:
    """Return four texts as one."""
    return b"".join((one, two, three, four))


def concat_all(pieces: tuple[bytes, ...]) -> bytes:
    """Return many texts as one."""
    return b"".join(pieces)


def insert(front: bytes, text: bytes, start: int, at: int, middle: bytes, stop: int) -> bytes:
    """Return ``front`` and what stands from ``start`` to ``stop``, with ``middle`` put in."""
    return b"".join((front, text[start:at], middle, text[at:stop]))


def leave_out(text: bytes, start: int, stop: int, end: int) -> bytes:
    """Return the text up to ``end`` without what stands from ``start`` to ``stop``."""
    return text[:start] + text[stop:end]


def replace_two(
    front: bytes,
    text: bytes,
    begin: int,
    one_at: int,
    one_to: int,
    one: bytes,
    two_at: int,
    two_to: int,
    two: bytes,
    middle_at: int,
    middle: bytes,
    stop: int,
) -> bytes:
    """Return ``front`` and what stands from ``begin`` to ``stop``, with two parts replaced.

    ``middle`` is put in at ``middle_at``, behind both.
    """
    return b"".join(
        (front, text[begin:one_at], one, text[one_to:two_at], two, text[two_to:middle_at], middle,
         text[middle_at:stop])
    )  # fmt: skip


def decimal(number: int) -> bytes:
    """Return a number of 64 bits in decimal digits."""
    return b"%d" % number


def hex8(number: int) -> bytes:
    """Return a number below 2**32 as eight lower-case hexadecimal digits."""
    return b"%08x" % number


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


def cut(text: bytes, start: int, stop: int) -> bytes:
    """Return what stands from ``start`` to ``stop``."""
    return text[start:stop]


def value_in(text: bytes, start: int, stop: int) -> bytes:
    """Return what stands from ``start`` to ``stop`` without blanks around it."""
    return text[start:stop].strip(b" \t")


def text_lines(data: bytes, end: int) -> list[bytes] | None:
    """Cut ``data`` up to ``end`` at each CRLF.

    Returns: None when there is any other control octet than HTAB (RFC 3261 25.1, LWS).
    """
    lines = data[:end].split(b"\r\n")
    text = b"".join(lines)
    return lines if text.translate(_TEXT) == text else None
