# SPDX-License-Identifier: Apache-2.0
"""The parameters of Digest headers, found by what stands between their values.

A value is cut at its double quotes: what stands at odd places was quoted, what stands between is a
short run of commas, names and unquoted tokens. A comma in a quoted URI cannot be mistaken for a
separator that way, and the runs between the quotes are the same for every request of a client, so
what they mean is worked out once and remembered.

Spec: RFC 3261 section 25.1 (digest-cln, dig-resp).
"""

from __future__ import annotations

from .. import octets
from ..errors import ParseError

MAX_VALUE = 512  # octets in one parameter value

BACKSLASH = 0x5C
"""As a number: bytes look for one octet much faster than for a string of one."""

_BLANK = b" \t"
_SHAPES = 24  # remembered, those met more often in front
_SHAPE_OCTETS = 256  # a longer text between the quotes is not worth remembering
_COUNT_OCTETS = 8


class Shape:
    """A header value without what differs from request to request.

    texts: what stands in front of each such value, with the opening quote, and behind the last.
    places: where each goes; -1 for nowhere. counts: whether it is a count of eight hexadecimal
    digits without quotes. values: all that does not differ. present: bit set of the parameters.
    """

    __slots__ = ("counts", "places", "present", "texts", "values")

    def __init__(self, values: list[bytes], present: int) -> None:
        self.texts: list[bytes] = [b""]
        self.places: list[int] = []
        self.counts: list[bool] = []
        self.values = values
        self.present = present

    def add(self, text: bytes) -> None:
        """Go on with a text that is always the same."""
        self.texts[-1] += text

    def add_value(self, place: int, count: bool) -> None:
        """Go on with a value."""
        self.places.append(place)
        self.counts.append(count)
        self.texts.append(b"")

    def read(self, text: bytes) -> list[bytes] | None:
        """Return the values when ``text`` is of this shape and needs no second look, else None."""
        values = self.values.copy()
        at = 0
        size = len(text)
        for index in range(len(self.places)):
            known: bytes = self.texts[index]
            if not octets.starts(text, known, at):
                return None
            at += len(known)
            if self.counts[index]:
                end = at + _COUNT_OCTETS
                if octets.hex_number(text, at, end) < 0 or end > size:
                    return None
            else:
                end = octets.find_octet(text, b'"', at, size)
                if end < 0 or end - at > MAX_VALUE:
                    return None
            place: int = self.places[index]
            if place >= 0:
                values[place] = octets.cut(text, at, end)
            at = end
        known = self.texts[-1]
        if size - at != len(known) or not octets.starts(text, known, at):
            return None
        return values


class FieldTable:
    """The parameters of one kind of header and where ``split`` puts their values.

    count: the one that is a number of eight hexadecimal digits, if any.
    """

    __slots__ = ("_count", "_names", "_shapes", "_where")

    def __init__(self, where: str, names: tuple[bytes, ...], count: bytes = b"") -> None:
        self._where = where
        self._names: dict[bytes, int] = {name: place for place, name in enumerate(names)}
        self._count = count
        self._shapes: list[Shape] = []

    def split(self, text: bytes) -> tuple[list[bytes], int]:
        """Values in the order of the names, b"" where absent, and a bit set of those present.

        Values are what stood between the quotes, escapes kept; unknown parameters are passed over.
        Raises: ParseError for bad syntax, a known parameter given twice, or a value over 512.
        """
        if octets.find_octet(text, b"\\", 0, len(text)) >= 0:
            return self._learn(_split_escaped(text, self._where), False)
        shapes = self._shapes
        for place in range(len(shapes)):
            shape = shapes[place]
            values = shape.read(text)
            if values is not None:
                if place:
                    shapes[place] = shapes[place - 1]
                    shapes[place - 1] = shape
                return values, shape.present
        return self._learn(text.split(b'"'), True)

    def _learn(self, pieces: list[bytes], plain: bool) -> tuple[list[bytes], int]:
        """Take apart what stands between the quotes; remember the shape when it is plain."""
        if len(pieces) & 1 == 0:
            raise ParseError(self._where, "quoted string without its end")
        if max(map(len, pieces)) > MAX_VALUE:
            raise ParseError(self._where, "parameter too long")
        values = [b""] * len(self._names)
        shape = Shape(values, 0)
        for index in range(0, len(pieces), 2):
            items = pieces[index].split(b",")
            if index:
                if items[0].strip(_BLANK):
                    raise ParseError(self._where, "text behind a quoted string")
                shape.add(b'"' + items.pop(0) + (b"," if items else b""))
            if index + 1 == len(pieces):
                self._take_tokens(shape, items, False)
                break
            if not items:
                raise ParseError(self._where, "comma missing between parameters")
            item = items.pop()
            self._take_tokens(shape, items, True)
            place = self._take(shape, self._name_before_quote(item))
            shape.add(item + b'"')
            shape.add_value(place, False)
            if place >= 0:
                values[place] = pieces[index + 1]
        if plain and sum(map(len, pieces[::2])) <= _SHAPE_OCTETS:
            if len(self._shapes) >= _SHAPES:
                self._shapes.pop()
            self._shapes.append(shape)
        return values.copy(), shape.present

    def _take_tokens(self, shape: Shape, items: list[bytes], more: bool) -> None:
        """Take the unquoted parameters between two quotes; ``more``: another comma follows."""
        for index, item in enumerate(items):
            comma = b"," if more or index + 1 < len(items) else b""
            name, value = self._token(item)
            place = self._take(shape, name) if name else -1
            if place >= 0:
                shape.values[place] = value
            if (
                place >= 0
                and name.lower() == self._count
                and octets.hex_number(value, 0, _COUNT_OCTETS) >= 0
                and len(value) == _COUNT_OCTETS
                and item.endswith(b"=" + value)
            ):
                shape.add(item[:-_COUNT_OCTETS])
                shape.add_value(place, True)
                shape.add(comma)
            else:
                shape.add(item + comma)

    def _take(self, shape: Shape, name: bytes) -> int:
        """Note a parameter; return its place, -1 for an unknown one."""
        place = self._names.get(name.lower(), -1)
        if place >= 0:
            if shape.present >> place & 1:
                raise ParseError(self._where, "parameter given twice")
            shape.present |= 1 << place
        return place

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
    if octets.starts(value, b"Digest ", 0):
        return octets.cut(value, 7, len(value))
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
