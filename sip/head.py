# SPDX-License-Identifier: Apache-2.0
"""The header block as lines (RFC 3261 sections 7.3.1 and 25.1, rules for CR, LF and controls)."""

from __future__ import annotations

from . import octets
from .errors import LimitExceeded, ParseError
from .grammar import TEXT
from .limits import Limits


def split_head(data: bytes, end: int, limits: Limits) -> list[bytes]:
    """Cut the header block, ``data`` up to ``end``, at its line ends.

    Continuation lines are still lines of their own.
    Raises: ParseError with ``close`` for control octets and bare CR or LF, LimitExceeded.
    """
    lines = octets.text_lines(data, end)
    if lines is None:
        lines = data[:end].split(b"\r\n")
        _check_controls(lines)
    first = lines[0]
    if len(first) > limits.start_line_bytes:
        raise LimitExceeded("start_line_bytes", limits.start_line_bytes, "Start line is too long")
    return lines


def join_folds(lines: list[bytes]) -> list[bytes]:
    """Put continuation lines back to the line they continue, CRLF kept (RFC 3261 7.3.1)."""
    if lines and lines[0][:1] in (b" ", b"\t"):
        raise ParseError("header", "Continuation line without a header before it")
    groups: list[list[bytes]] = []
    for line in lines:
        if line[:1] not in (b" ", b"\t"):
            groups.append([line])
        elif groups[-1][-1].endswith(b"\\"):
            raise ParseError("header", "Header line is folded inside an escape")
        else:
            groups[-1].append(line)
    return [b"\r\n".join(group) for group in groups]


def _check_controls(lines: list[bytes]) -> None:
    """Allow control octets only as quoted pairs inside quoted strings (RFC 3261 25.1).

    CR and LF can not be quoted, so any that do not form a line end are refused.
    """
    # A quoted string may go on behind a fold.
    for line in [lines[0], *join_folds(lines[1:])]:
        text = line.replace(b"\r\n", b" ")
        if not text.translate(None, TEXT):
            continue
        quoted = False
        escaped = False
        for octet in text:
            if octet == 0x0D or octet == 0x0A:
                raise ParseError("header", "Bare CR or LF in the headers", close=True)
            if escaped:
                escaped = False
            elif (octet < 0x20 and octet != 0x09) or octet == 0x7F:
                raise ParseError("header", "Control character in the headers", close=True)
            elif octet == 0x22:
                quoted = not quoted
            elif octet == 0x5C and quoted:
                escaped = True
