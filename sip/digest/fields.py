# SPDX-License-Identifier: Apache-2.0
"""Split the parameters of a digest challenge or of digest credentials.

A value is cut at its double quotes: what stands at odd places was quoted, what stands between is a
short run of commas, names and unquoted tokens. A comma in a quoted URI cannot be mistaken for a
separator that way, and the runs between the quotes are the same for every request of a client, so
what they mean is worked out once and remembered.

Spec: RFC 3261 section 25.1 (digest-cln, dig-resp).
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter

from ..errors import ParseError

MAX_VALUE = 512  # octets in one parameter value

BACKSLASH = 0x5C
"""As a number: bytes look for one octet much faster than for a string of one."""

_BLANK = b" \t"
_PLANS = 1024  # remembered at most; the table is emptied when full
_PLANNED_OCTETS = 256  # a longer text between the quotes is not worth remembering

Plan = tuple[Callable[[list[bytes]], tuple[bytes, ...]], list[bytes], int]


class FieldTable:
    """The parameters of one kind of header and where ``split`` puts their values."""

    __slots__ = ("_names", "_plans", "_size", "_where")

    def __init__(self, where: str, names: tuple[bytes, ...]) -> None:
        self._where = where
        self._size = len(names)
        self._names: dict[bytes, int] = {name: place for place, name in enumerate(names)}
        self._plans: dict[tuple[bytes, ...], Plan] = {}

    def split(self, text: bytes) -> tuple[tuple[bytes, ...], int]:
        """Values in the order of the names, b"" where absent, and a bit set of those present.

        Values are what stood between the quotes, escapes kept; unknown parameters are passed over.
        Raises: ParseError for bad syntax, a known parameter given twice, or a value over 512.
        """
        pieces = text.split(b'"') if BACKSLASH not in text else _split_escaped(text, self._where)
        gaps = tuple(pieces[::2])
        plan = self._plans.get(gaps)
        if plan is None:
            if len(pieces) & 1 == 0:
                raise ParseError(self._where, "quoted string without its end")
            plan = self._plan(gaps)
        if len(text) > MAX_VALUE and max(map(len, pieces)) > MAX_VALUE:
            raise ParseError(self._where, "parameter too long")
        select, constants, present = plan
        return select(pieces + constants), present

    def _plan(self, gaps: tuple[bytes, ...]) -> Plan:
        """Work out which piece holds which value when these texts stand between the quotes."""
        last = len(gaps) - 1
        constants: list[bytes] = [b""]  # what absent parameters are read from
        first_constant = 2 * last + 1
        places: dict[int, int] = {}
        for index, gap in enumerate(gaps):
            items = gap.split(b",")
            if index and items.pop(0).strip(_BLANK):
                raise ParseError(self._where, "text behind a quoted string")
            if index < last:
                if not items:
                    raise ParseError(self._where, "comma missing between parameters")
                self._take(places, self._name_before_quote(items.pop()), 2 * index + 1)
            for item in items:
                name, value = self._token(item)
                if name:
                    self._take(places, name, first_constant + len(constants))
                    constants.append(value)
        present = sum(1 << place for place in places)
        select = itemgetter(*[places.get(place, first_constant) for place in range(self._size)])
        plan = (select, constants, present)
        if sum(map(len, gaps)) <= _PLANNED_OCTETS:
            if len(self._plans) >= _PLANS:
                self._plans.clear()
            self._plans[gaps] = plan
        return plan

    def _take(self, places: dict[int, int], name: bytes, piece: int) -> None:
        place = self._names.get(name.lower(), -1)
        if place in places:
            raise ParseError(self._where, "parameter given twice")
        if place >= 0:
            places[place] = piece

    def _token(self, item: bytes) -> tuple[bytes, bytes]:
        """Name and value of an unquoted parameter; two empty ones for an empty list element."""
        name, equals, value = item.partition(b"=")
        name = name.strip(_BLANK)
        value = value.strip(_BLANK)
        if not name and not equals:
            return b"", b""
        if not name or not value or b" " in value or b"\t" in value:
            raise ParseError(self._where, "parameter without a name or value")
        if len(value) > MAX_VALUE:
            raise ParseError(self._where, "parameter too long")
        return name, value

    def _name_before_quote(self, item: bytes) -> bytes:
        name, equals, value = item.partition(b"=")
        name = name.strip(_BLANK)
        if not equals or not name or value.strip(_BLANK):
            raise ParseError(self._where, "quoted string without a name")
        return name


def unescape(value: bytes) -> bytes:
    """Content of a quoted string with its quoted-pairs resolved."""
    if BACKSLASH not in value:
        return value
    out = bytearray()
    escaped = False
    for octet in value:
        if octet == BACKSLASH and not escaped:
            escaped = True
            continue
        out.append(octet)
        escaped = False
    return bytes(out)


def escape(value: bytes) -> bytes:
    """Make ``value`` fit between double quotes."""
    return value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def scheme_rest(value: bytes) -> bytes | None:
    """Parameters of a header value of the Digest scheme; None when it names another scheme."""
    if value[:6].lower() != b"digest" or value[6:7] not in (b" ", b"\t"):
        return None
    return value[7:]


def _split_escaped(text: bytes, where: str) -> list[bytes]:
    """Cut at the quotes that are not part of a quoted-pair."""
    pieces: list[bytes] = []
    start = 0
    inside = False
    index = 0
    size = len(text)
    while index < size:
        octet = text[index]
        if octet == BACKSLASH:
            if not inside:
                raise ParseError(where, "backslash outside a quoted string")
            index += 2
            continue
        if octet == 0x22:
            pieces.append(text[start:index])
            start = index + 1
            inside = not inside
        index += 1
    pieces.append(text[start:])
    return pieces
