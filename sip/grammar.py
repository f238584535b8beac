# SPDX-License-Identifier: Apache-2.0
"""Octet tables and small scanners for RFC 3261 section 25.1.

Everything works on bytes with linear C-level operations; none of it can back-track.
"""

from __future__ import annotations

import re

from . import octets
from .errors import ParseError

_DIGITS = b"0123456789"
_HEX = b"0123456789abcdefABCDEF"
_ALPHA = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

UNRESERVED = _ALPHA + _DIGITS + b"-_.!~*'()"
TOKEN = _ALPHA + _DIGITS + b"-.!%*_+`'~"
WORD = TOKEN + b'()<>:\\"/[]?{}'
HOST = _ALPHA + _DIGITS + b"-._"
URI = UNRESERVED + b";/?:@&=+$,%[]"

# What an unquoted parameter value may hold. RFC 3261 allows token and host; deployed clients also
# send base64 and URNs unquoted. Separators of the enclosing lists stay forbidden.
PARAM_VALUE = bytes(c for c in range(0x21, 0x7F) if c not in b'",;<>\\')

# Unquoted display names are tokens and blanks; octets above 0x7F are what clients send in practice.
DISPLAY = TOKEN + b" \t" + bytes(range(0x80, 0x100))

# Everything that is not a control octet. HTAB is white space, not a control (RFC 3261 25.1, LWS).
TEXT = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))


def only(allowed: bytes) -> bytes:
    """Return the table by which ``translate`` leaves text of these octets alone as it is.

    That is the quickest way to ask for them: deleting octets costs about three times as much.
    """
    return bytes(octet if octet in allowed else octet ^ 0x80 for octet in range(256))


ONLY_TOKEN = only(TOKEN)

# Where the scanners have to stop and look: a single character class, which cannot back-track.
_SPECIAL = {b",": re.compile(rb'[,"<]'), b";": re.compile(rb'[;"<]')}

Params = list[tuple[bytes, bytes | None]]


def is_token(value: bytes) -> bool:
    """Say whether ``value`` is a non-empty token."""
    return len(value) > 0 and octets.is_only(value, ONLY_TOKEN)


def parse_uint(value: bytes, maximum: int, where: str) -> int:
    """Read 1*DIGIT no larger than ``maximum``; the length is looked at before any conversion.

    Raises: ParseError. Leading zeros are allowed, as RFC 4475 3.1.1.1 uses them.
    """
    number = octets.number(value)
    if number < 0:
        if not value.isdigit():
            raise ParseError(where, f"{where} is not a number")
        number = octets.number(value.lstrip(b"0") or b"0")
    if not 0 <= number <= maximum:
        raise ParseError(where, f"{where} is out of range")
    return number


def skip_quoted(value: bytes, start: int) -> int:
    """Return the index after the quoted string that opens at ``start``, -1 when it never ends."""
    index = start + 1
    while True:
        quote_at = value.find(b'"', index)
        if quote_at < 0:
            return -1
        # An escaped quote has an odd run of backslashes before it. Runs never overlap, so the
        # whole scan stays linear.
        run = quote_at
        while run > index and value[run - 1] == 0x5C:
            run -= 1
        if (quote_at - run) % 2 == 0:
            return quote_at + 1
        index = quote_at + 1


def split_list(value: bytes, separator: bytes, where: str = "header") -> list[bytes]:
    """Split at ``separator`` outside quoted strings and angle brackets; items are trimmed.

    Raises: ParseError for a quoted string or bracket that never ends.
    """
    if octets.find(value, b'"', 0) < 0 and octets.find(value, b"<", 0) < 0:
        return [octets.value_after(item, 0) for item in octets.split(value, separator)]
    items: list[bytes] = []
    search = _SPECIAL[separator].search
    begin = 0
    index = 0
    while True:
        found = search(value, index)
        if found is None:
            items.append(value[begin:].strip(b" \t"))
            return items
        at = found.start()
        octet = value[at]
        if octet == 0x22:
            index = skip_quoted(value, at)
            if index < 0:
                raise ParseError(where, f"{where} has a quoted string that is not closed")
        elif octet == 0x3C:
            index = value.find(b">", at) + 1
            if index == 0:
                raise ParseError(where, f"{where} has an angle bracket that is not closed")
        else:
            items.append(value[begin:at].strip(b" \t"))
            begin = index = at + 1


def split_commas(value: bytes, where: str = "header") -> list[bytes]:
    """Split a header value at top-level commas (RFC 3261 7.3.1)."""
    if octets.find(value, b",", 0) < 0:
        return [octets.value_after(value, 0)]
    return split_list(value, b",", where)


def parse_params(value: bytes, where: str = "header") -> Params:
    """Read ``*(SEMI generic-param)``: the text from the first semicolon on, or nothing.

    Returns: (lower-case name, value as it came with its quotes, or None) in order.
    Raises: ParseError for an empty, repeated or malformed parameter (RFC 3261 7.3.1).
    """
    value = value.strip(b" \t")
    if not value:
        return []
    pieces = split_list(value, b";", where)
    if pieces[0]:
        raise ParseError(where, f"{where} has text where a parameter should start")
    params: Params = []
    seen: set[bytes] = set()
    for piece in pieces[1:]:
        name, equals, text = piece.partition(b"=")
        name = name.rstrip(b" \t").lower()
        if not is_token(name):
            raise ParseError(where, f"{where} has an empty or malformed parameter")
        if name in seen:
            raise ParseError(where, f"{where} repeats a parameter")
        seen.add(name)
        if equals:
            text = text.lstrip(b" \t")
            check_param_value(text, where)
            params.append((name, text))
        else:
            params.append((name, None))
    return params


def check_param_value(text: bytes, where: str) -> None:
    """Raise ParseError unless ``text`` is one quoted string or a run of value octets."""
    if text.startswith(b'"'):
        good = skip_quoted(text, 0) == len(text)
    else:
        good = text != b"" and not text.translate(None, PARAM_VALUE)
    if not good:
        raise ParseError(where, f"{where} has a malformed parameter value")


def unquote(value: bytes) -> bytes:
    """Return the content of a quoted string with quoted pairs resolved; other text unchanged."""
    if len(value) < 2 or value[0] != 0x22 or value[-1] != 0x22:
        return value
    inner = value[1:-1]
    if b"\\" not in inner:
        return inner
    pieces = inner.split(b"\\\\")
    return b"\\".join([piece.replace(b"\\", b"") for piece in pieces])


def quote(value: bytes) -> bytes:
    """Return ``value`` as a quoted string; control octets become quoted pairs except CR and LF.

    CR and LF cannot be expressed (RFC 3261 25.1, quoted-pair) and are replaced by a space.
    """
    text = value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    if text.translate(None, TEXT):
        out = bytearray()
        for octet in text:
            if octet in b"\r\n":
                out += b" "
            else:
                if (octet < 0x20 and octet != 0x09) or octet == 0x7F:
                    out += b"\\"
                out.append(octet)
        text = bytes(out)
    return b'"' + text + b'"'


def check_escapes(value: bytes, where: str) -> None:
    """Raise ParseError unless every ``%`` starts a %HH escape."""
    pieces = value.split(b"%")
    for piece in pieces[1:]:
        if len(piece) < 2 or piece[:2].translate(None, _HEX):
            raise ParseError(where, f"{where} has a broken % escape")


def unescape(value: bytes) -> bytes:
    """Decode every %HH once. ``value`` has passed check_escapes."""
    if b"%" not in value:
        return value
    pieces = value.split(b"%")
    out = [pieces[0]]
    for piece in pieces[1:]:
        out.append(bytes((int(piece[:2], 16),)))
        out.append(piece[2:])
    return b"".join(out)


def normalise_escapes(value: bytes) -> bytes:
    """Decode %HH of unreserved characters, write the others as %HH with upper-case digits.

    Two texts compare equal by RFC 3261 19.1.4 exactly when their normal forms are equal octets.
    """
    if b"%" not in value:
        return value
    pieces = value.split(b"%")
    out = [pieces[0]]
    for piece in pieces[1:]:
        octet = int(piece[:2], 16)
        if octet in UNRESERVED:
            out.append(bytes((octet,)))
        else:
            out.append(b"%" + piece[:2].upper())
        out.append(piece[2:])
    return b"".join(out)
