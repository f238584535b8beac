# SPDX-License-Identifier: Apache-2.0
"""name-addr and addr-spec with header parameters: From, To, Contact, Route and their kin.

Spec: RFC 3261 sections 20.10, 20.20, 20.34, 20.39 and 25.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

from .. import octets
from ..errors import ParseError
from ..grammar import (
    DISPLAY,
    TOKEN,
    Params,
    is_token,
    only,
    parse_params,
    skip_quoted,
    split_commas,
    unquote,
)
from ..known import Known
from ..uri import Uri, is_usual, parse_uri


class Star(Enum):
    """``Contact: *``, which stands for all bindings (RFC 3261 10.2.2)."""

    STAR = "*"


STAR: Final = Star.STAR

_ONLY_TOKEN: Final = only(TOKEN)

# What stands before the closing bracket in From and To lines that parsed, header name included.
_FRONTS: Final = 32768
_FRONT_BYTES: Final = 256
_fronts: Final = Known(_FRONTS)

# A device sends the same Contact with every REGISTER, twice when challenged. Emptied when full.
_CONTACTS: Final = 4096
_CONTACT_BYTES: Final = 512
_contacts: Final = Known(_CONTACTS)


class Address:
    """One address. ``display`` is the display name as it came, quotes included, or b"".

    ``params`` are the header parameters: lower-case name, value as it came or None. ``end`` is the
    index of the closing angle bracket in ``raw``, -1 without brackets.
    """

    __slots__ = ("display", "end", "params", "raw", "uri")

    def __init__(self, raw: bytes, display: bytes, uri: Uri, params: Params) -> None:
        self.raw: bytes = raw
        self.display: bytes = display
        self.uri: Uri = uri
        self.params: Params = params
        self.end: int = -1

    def __repr__(self) -> str:
        return f"Address({self.raw!r})"

    @property
    def uri_raw(self) -> bytes:
        """The URI as it came, without brackets."""
        return self.uri.raw

    @property
    def name(self) -> bytes:
        """The display name with quotes and quoted pairs resolved."""
        return unquote(self.display)

    @property
    def tag(self) -> bytes:
        """The tag parameter or b""."""
        return self.param(b"tag") or b""

    def param(self, name: bytes) -> bytes | None:
        """Return a parameter's unquoted value, b"" when it has none, None when it is absent."""
        for key, value in self.params:
            if key == name:
                return b"" if value is None else unquote(value)
        return None


def parse_address(value: bytes, where: str = "address") -> Address:
    """Parse one address, unfolded and trimmed.

    Raises: ParseError. Without brackets everything from the first semicolon on belongs to the
    header, and a URI that holds a comma or a question mark is refused (RFC 3261 20.10).
    """
    if value.startswith(b'"'):
        end = skip_quoted(value, 0)
        if end < 0:
            raise ParseError(where, f"{where} has a quoted string that is not closed")
        display = value[:end]
        tail = value[end:].lstrip(b" \t")
        if not tail.startswith(b"<"):
            raise ParseError(where, f"{where} has no URI in angle brackets after the name")
        return _bracketed(value, display, tail[1:], where)
    name, bracket, tail = value.partition(b"<")
    # A bracket can also stand in a quoted parameter behind a bare URI; such text has a semicolon
    # in front of it, which no display name may contain.
    if bracket and b";" not in name:
        if name.translate(None, DISPLAY):
            raise ParseError(where, f"{where} has a display name that must be quoted")
        return _bracketed(value, name.rstrip(b" \t"), tail, where)
    spec, semicolon, params = value.partition(b";")
    spec = spec.rstrip(b" \t")
    if b"," in spec or b"?" in spec:
        raise ParseError(where, f"{where} has a URI that must stand in angle brackets")
    return Address(value, b"", parse_uri(spec), parse_params(semicolon + params, where))


def _bracketed(value: bytes, display: bytes, tail: bytes, where: str) -> Address:
    raw, bracket, params = tail.partition(b">")
    if not bracket:
        raise ParseError(where, f"{where} has an angle bracket that is not closed")
    address = Address(value, display, parse_uri(raw), parse_params(params, where))
    address.end = len(value) - len(params) - 1
    return address


def recognise_uri(text: bytes, start: int, at: int) -> Uri | None:
    """Return the URI of a From or To line from ``start`` on when it was read lately.

    Args: at: where its closing bracket stands.
    """
    uri: Uri | None = _fronts.find(text, start, at)
    return uri


def recognise_tag(text: bytes, start: int, stop: int) -> bytes | None:
    """Return the tag that all of the parameters from ``start`` on are, None when it is not so."""
    if start == stop:
        return b""
    if octets.find_in(text, b";tag=", start, stop) == start and octets.only_in(
        text, _ONLY_TOKEN, start + 5, stop
    ):
        return octets.cut(text, start + 5, stop)
    return None


def read_uri_and_tag(line: bytes, where: str, cut: int = 0) -> tuple[Uri, bytes]:
    """Return URI and tag of From or To, checked as parse_address checks it.

    The usual shapes, ``"name" <uri>;tag=x`` and the same without name or tag, are taken apart
    without building an Address. Args: line: unfolded; the value starts at ``cut``.
    """
    at = octets.find(line, b">", 0)
    if at > 0:
        whole = line
        uri = _fronts.find(line, 0, at)
        if uri is not None:
            if at + 1 == len(line):
                return uri, b""
            if octets.starts(line, b";tag=", at + 1):
                tag = whole[at + 6 : len(line)]
                if tag and octets.is_only(tag, _ONLY_TOKEN):
                    return uri, tag
    value = line[cut:]
    text = value.strip(b" \t")
    address = parse_address(text, where)
    bracket = cut + address.end
    if at == bracket <= _FRONT_BYTES and value.startswith(text) and is_usual(address.uri):
        _fronts.keep(line[:at], address.uri)
    found = address.param(b"tag")
    if found is None:
        return address.uri, b""
    if not is_token(found):
        raise ParseError(where, f"{where} has a malformed tag")
    return address.uri, found


def parse_addresses(values: Iterable[bytes], where: str) -> list[Address]:
    """Parse the addresses of all lines of one list header, in order."""
    addresses: list[Address] = []
    for value in values:
        for item in split_commas(value, where):
            addresses.append(parse_address(item, where))
    return addresses


def parse_contacts(values: Iterable[bytes]) -> list[Address] | Star:
    """Parse Contact lines.

    Returns: the contacts in order, shared and not to be changed, or STAR.
    Raises: ParseError, also for a star beside anything.
    """
    lines = list(values)
    if len(lines) != 1:
        return _read_contacts(lines)
    line = lines[0]
    known: list[Address] | None = _contacts.find(line, 0, len(line))
    if known is not None:
        return known
    if line.strip(b" \t") == b"*":
        return STAR
    contacts = _read_contacts(lines)
    if len(line) <= _CONTACT_BYTES:
        _contacts.keep(line, contacts)
    return contacts


def _read_contacts(lines: list[bytes]) -> list[Address]:
    contacts = parse_addresses(lines, "Contact")
    for contact in contacts:
        for name, value in contact.params:
            if name == b"q":
                parse_q(value or b"")
            elif name == b"expires" and value is not None and value.startswith(b"-"):
                raise ParseError("Contact", "Contact has a negative expires")
    return contacts


def parse_q(value: bytes) -> int:
    """Read a qvalue as thousandths, 0 to 1000 (RFC 3261 25.1: at most three decimals)."""
    whole, _, decimals = value.partition(b".")
    if whole not in (b"0", b"1") or len(decimals) > 3 or (decimals and not decimals.isdigit()):
        raise ParseError("q", "q is not a number from 0 to 1 with up to three decimals")
    q = int(whole) * 1000 + int((decimals + b"000")[:3])
    if q > 1000:
        raise ParseError("q", "q is not a number from 0 to 1 with up to three decimals")
    return q
