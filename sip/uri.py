# SPDX-License-Identifier: Apache-2.0
"""SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966)."""

from __future__ import annotations

import ipaddress
from typing import Final

from .errors import ParseError
from .grammar import (
    HOST,
    URI,
    check_escapes,
    is_token,
    normalise_escapes,
    unescape,
)
from .known import Known

NO_PARAMS: Final[dict[str, bytes | None]] = {}

# URIs repeat: the same users and domains appear in message after message. Both tables are emptied
# when full, so filling them costs everybody a second look at a URI and nothing else.
_CACHE_ITEMS: Final = 16384
_CACHED_BYTES: Final = 256
_CACHED_PARAMS: Final = 8
_uris: dict[bytes, Uri] = {}
_hosts: dict[bytes, str] = {}
_seen: Final = Known(_CACHE_ITEMS)

# RFC 3261 19.1.4: parameters that, when only one URI has them, make the two different.
_NEVER_ONE_SIDED: Final = ("transport", "user", "ttl", "method", "maddr")


class Uri:
    """One parsed URI. Instances are shared between messages and must not be changed.

    ``host`` is lower-case and without brackets; ``params`` holds URI parameters by lower-case,
    unescaped name with their values as they came; ``headers`` is the text after ``?``. For schemes
    other than sip, sips and tel only ``scheme`` and ``raw`` are set. A tel number is in ``user``.
    """

    __slots__ = ("_aor", "headers", "host", "is_sip", "params", "password", "port", "raw",
                 "scheme", "user")  # fmt: skip

    def __init__(self, scheme: str, raw: bytes) -> None:
        self.scheme: str = scheme
        self.raw: bytes = raw
        self.is_sip: bool = scheme == "sip" or scheme == "sips"
        self.user: bytes | None = None
        self.password: bytes | None = None
        self.host: str = ""
        self.port: int | None = None
        self.params: dict[str, bytes | None] = NO_PARAMS
        self.headers: bytes = b""
        self._aor: str | None = None

    def __repr__(self) -> str:
        return f"Uri({self.raw!r})"

    @property
    def secure(self) -> bool:
        """True for a sips URI."""
        return self.scheme == "sips"

    @property
    def aor(self) -> str:
        """The canonical address of record: the key under which a user is looked up.

        sips folds to sip; %HH of unreserved characters is decoded, all others stay escaped; port,
        password, parameters and headers are dropped (RFC 3261 10.3 step 5).
        """
        aor = self._aor
        if aor is None:
            aor = self._aor = self._canonical()
        return aor

    def _canonical(self) -> str:
        if self.is_sip:
            host = f"[{self.host}]" if ":" in self.host else self.host
            if self.user is None:
                return f"sip:{host}"
            return f"sip:{normalise_escapes(self.user).decode('ascii')}@{host}"
        if self.scheme == "tel" and self.user is not None:
            # RFC 3966 sections 3 and 5: visual separators carry no meaning, and a local number
            # means something in its context only.
            number = self.user.translate(None, b"-.()").lower().decode("ascii")
            context = self.params.get("phone-context")
            if number.startswith("+") or context is None:
                return f"tel:{number}"
            return f"tel:{number};phone-context={context.lower().decode('ascii')}"
        return self.raw.decode("ascii")

    def hostport(self, default: int) -> tuple[str, int]:
        """Return host and port, with ``default`` where the URI names no port."""
        return self.host, self.port or default

    def param(self, name: str) -> bytes | None:
        """Return the unescaped value of a URI parameter, b"" when it has none, None when absent."""
        if name not in self.params:
            return None
        return unescape(self.params[name] or b"")

    def equals(self, other: Uri) -> bool:
        """Compare by RFC 3261 19.1.4; schemes other than sip and sips compare by their octets."""
        if self.raw == other.raw:
            return True
        if not (self.is_sip and other.is_sip):
            return self.scheme == other.scheme and self.aor == other.aor
        return (
            self.scheme == other.scheme
            and self.host == other.host
            and self.port == other.port
            and _same(self.user, other.user)
            and _same(self.password, other.password)
            and _same_params(self.params, other.params)
            and _header_set(self.headers) == _header_set(other.headers)
        )


def _same(one: bytes | None, two: bytes | None) -> bool:
    if one is None or two is None:
        return one is two
    return normalise_escapes(one) == normalise_escapes(two)


def _same_params(one: dict[str, bytes | None], two: dict[str, bytes | None]) -> bool:
    for name in _NEVER_ONE_SIDED:
        if (name in one) != (name in two):
            return False
    for name, value in one.items():
        if name in two:
            left = normalise_escapes(value or b"").lower()
            if left != normalise_escapes(two[name] or b"").lower():
                return False
    return True


def _header_set(headers: bytes) -> set[tuple[bytes, bytes]]:
    fields: set[tuple[bytes, bytes]] = set()
    for field in headers.split(b"&"):
        name, _, value = field.partition(b"=")
        fields.add((normalise_escapes(name).lower(), normalise_escapes(value)))
    return fields


def parse_uri(raw: bytes) -> Uri:
    """Parse one URI without surrounding white space or brackets.

    Returns: a shared Uri. Any scheme is accepted; what it means is for the caller to decide.
    Raises: ParseError (status_hint 400).
    Spec: RFC 3261 19.1.1, RFC 3966, RFC 3986 3.1.
    """
    known = _uris
    uri = known.get(raw)
    if uri is None:
        uri = _parse(raw)
        if is_usual(uri):
            if len(known) >= _CACHE_ITEMS:
                known.clear()
            known[raw] = uri
    return uri


def is_usual(uri: Uri) -> bool:
    """Say whether a URI is small enough to be remembered: a sender chooses what it takes up."""
    return len(uri.raw) <= _CACHED_BYTES and len(uri.params) <= _CACHED_PARAMS


def recognise_uri(text: bytes, start: int, stop: int) -> Uri:
    """Parse the URI from ``start`` to ``stop``; quick when it was read lately. As ``parse_uri``."""
    uri: Uri | None = _seen.find(text, start, stop)
    if uri is None:
        uri = parse_uri(text[start:stop])
        if is_usual(uri):
            _seen.keep(uri.raw, uri)
    return uri


def aor_of(raw: bytes) -> str:
    """Return the canonical address of record of a URI given as octets."""
    return parse_uri(raw).aor


def _parse(raw: bytes) -> Uri:
    if raw.translate(None, URI):
        raise ParseError("URI", "URI has a character that must be escaped")
    if b"%" in raw:
        check_escapes(raw, "URI")
    name, colon, rest = raw.partition(b":")
    name = name.lower()
    if name == b"sip":
        uri = Uri("sip", raw)
    elif name == b"sips":
        uri = Uri("sips", raw)
    elif not colon or not rest or not name[:1].isalpha() or not is_token(name):
        raise ParseError("URI", "URI has no scheme")
    else:
        uri = Uri(name.decode("ascii"), raw)
        if name == b"tel":
            number, _, params = rest.partition(b";")
            if not number:
                raise ParseError("URI", "tel URI has no number")
            uri.user = number
            if params:
                uri.params = _parse_params(params)
        return uri
    _parse_sip(uri, rest)
    return uri


def _parse_sip(uri: Uri, rest: bytes) -> None:
    userinfo, at, tail = rest.partition(b"@")
    if not at:
        tail = rest
    else:
        # "@" may stand nowhere else unescaped, so a second one means the text can be read two ways.
        if b"@" in tail:
            raise ParseError("URI", "URI has more than one @")
        user, colon, password = userinfo.partition(b":")
        if not user or b"[" in userinfo or b"]" in userinfo:
            raise ParseError("URI", "URI has a malformed user part")
        uri.user = user
        if colon:
            uri.password = password
    tail, question, headers = tail.partition(b"?")
    if question:
        _check_headers(headers)
        uri.headers = headers
    hostport, semicolon, params = tail.partition(b";")
    if semicolon:
        uri.params = _parse_params(params)
    uri.host, uri.port = parse_hostport(hostport, "URI")


def _check_headers(headers: bytes) -> None:
    for field in headers.split(b"&"):
        name, equals, _ = field.partition(b"=")
        if not name or not equals:
            raise ParseError("URI", "URI has a malformed header part")


def _parse_params(text: bytes) -> dict[str, bytes | None]:
    params: dict[str, bytes | None] = {}
    for piece in text.split(b";"):
        raw_name, equals, value = piece.partition(b"=")
        if not raw_name or (equals and not value):
            raise ParseError("URI", "URI has an empty parameter")
        # latin-1 keeps any unescaped octet as one character; lower() folds ASCII only on bytes.
        name = unescape(raw_name).lower().decode("latin-1")
        if name in params:
            raise ParseError("URI", "URI repeats a parameter")
        params[name] = value if equals else None
    return params


def parse_hostport(text: bytes, where: str) -> tuple[str, int | None]:
    """Read ``host [ ":" port ]``; ports are 1 to 65535.

    Returns: the host lower-case and without brackets, and the port or None.
    Raises: ParseError. A bare IPv6 address without brackets is refused (RFC 5118 4.2).
    """
    if text.startswith(b"["):
        host, bracket, tail = text.partition(b"]")
        if not bracket or (tail and not tail.startswith(b":")):
            raise ParseError(where, f"{where} has a malformed IPv6 address")
        name = parse_host(host + b"]", where)
        if not tail:
            return name, None
        return name, parse_port(tail[1:], where)
    host, colon, port = text.partition(b":")
    if not colon:
        return parse_host(host, where), None
    return parse_host(host, where), parse_port(port, where)


def parse_port(text: bytes, where: str) -> int:
    """Read a port from 1 to 65535."""
    if not text.isdigit() or len(text) > 5:
        raise ParseError(where, f"{where} has a malformed port")
    port = int(text)
    if not 0 < port <= 65535:
        raise ParseError(where, f"{where} has a port outside 1 to 65535")
    return port


def parse_host(text: bytes, where: str) -> str:
    """Read a host name, an IPv4 address or an IPv6 reference in brackets.

    Returns: lower-case; IPv6 without brackets in its shortest form. Raises: ParseError.
    """
    known = _hosts
    host = known.get(text)
    if host is None:
        host = _read_host(text, where)
        if len(known) >= _CACHE_ITEMS:
            known.clear()
        known[text] = host
    return host


def _read_host(text: bytes, where: str) -> str:
    if text.startswith(b"["):
        inner = text[1:-1]
        try:
            # A zone index means nothing to another host, and ipaddress would let it through.
            if b"%" in inner:
                raise ValueError
            return ipaddress.IPv6Address(inner.decode("ascii")).compressed
        except ValueError:
            raise ParseError(where, f"{where} has a malformed IPv6 address") from None
    if not text or len(text) > 255 or text.translate(None, HOST):
        raise ParseError(where, f"{where} has a malformed host")
    if text.startswith(b".") or b".." in text:
        raise ParseError(where, f"{where} has a malformed host")
    # RFC 3261 25.1, toplabel: a name whose last label is a number can only be an IPv4 address.
    if text.rpartition(b".")[2].isdigit():
        octets = text.split(b".")
        if len(octets) != 4 or not all(o.isdigit() and len(o) < 4 and int(o) < 256 for o in octets):
            raise ParseError(where, f"{where} has a malformed IPv4 address")
    return text.lower().decode("ascii")
