# SPDX-License-Identifier: Apache-2.0
"""Credentials of an Authorization or Proxy-Authorization header."""

from __future__ import annotations

from .. import octets
from ..errors import ParseError
from .fields import BACKSLASH, FieldTable, scheme_rest, unescape

_TABLE = FieldTable(
    "Authorization",
    (
        b"username",
        b"realm",
        b"nonce",
        b"uri",
        b"response",
        b"algorithm",
        b"qop",
        b"nc",
        b"cnonce",
        b"opaque",
        b"username*",
        b"auts",
    ),
    count=b"nc",
)
_USERNAME = 1
_EXTENDED = 1 << 10


class Credentials:
    """Parameters as octets, without quotes; b"" stands for an absent or an empty one.

    ``username`` and ``realm`` have their escapes resolved; the others are what stood between the
    quotes, because that is what the client hashed. ``auts`` asks for resynchronisation (RFC 3310).
    """

    __slots__ = (
        "algorithm",
        "auts",
        "cnonce",
        "nc",
        "nonce",
        "opaque",
        "qop",
        "realm",
        "response",
        "uri",
        "username",
    )

    def __init__(
        self,
        username: bytes,
        realm: bytes,
        nonce: bytes,
        uri: bytes,
        response: bytes,
        algorithm: bytes = b"",
        qop: bytes = b"",
        nc: bytes = b"",
        cnonce: bytes = b"",
        opaque: bytes = b"",
        auts: bytes = b"",
    ) -> None:
        self.username = username
        self.realm = realm
        self.nonce = nonce
        self.uri = uri
        self.response = response
        self.algorithm = algorithm
        self.qop = qop
        self.nc = nc
        self.cnonce = cnonce
        self.opaque = opaque
        self.auts = auts

    @property
    def blank(self) -> bool:
        """True when the client has no challenge to answer yet (RFC 8760 2.7, empty strings)."""
        return not self.nonce or not self.response


def parse_credentials(value: bytes) -> Credentials | None:
    """Parse one header value; None when it is of another scheme than Digest.

    Args:   value: the header value, unfolded and trimmed.
    Raises: ParseError for bad syntax, a parameter given twice, a value over 512 octets, and for
            username together with username* (RFC 7616 3.4).
    Spec:   RFC 3261 section 25.1, RFC 8760 section 2.7.
    """
    rest = scheme_rest(value)
    if rest is None:
        return None
    values, seen = _TABLE.split(rest)
    if seen & _EXTENDED and seen & _USERNAME:
        raise ParseError("Authorization", "username and username* together")
    credentials = Credentials.__new__(Credentials)
    credentials.username = values[0]
    credentials.realm = values[1]
    credentials.nonce = values[2]
    credentials.uri = values[3]
    credentials.response = values[4]
    credentials.algorithm = values[5]
    credentials.qop = values[6]
    credentials.nc = values[7]
    credentials.cnonce = values[8]
    credentials.opaque = values[9]
    credentials.auts = values[11]
    if BACKSLASH in credentials.username or BACKSLASH in credentials.realm:
        credentials.username = unescape(credentials.username)
        credentials.realm = unescape(credentials.realm)
    return credentials


def nonce_count(value: bytes) -> int:
    """Value of an ``nc`` parameter, 0 when it is not exactly eight hexadecimal digits.

    Spec: RFC 7616 section 3.4 (nc is exactly 8 LHEX; the first count is 1, so 0 is never valid).
    """
    return max(octets.hex_number(value, 0, 8), 0) if len(value) == 8 else 0
