# SPDX-License-Identifier: Apache-2.0
"""Nicknames as a NICKNAME request has them, prepared and compared (RFC 7701 7, RFC 8266)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from ..errors import BadChunk

__all__ = ["comparable", "prepare", "read_nickname"]

_MOST_OCTETS: Final = 1023
_MALFORMED: Final = 424
# quoted-string of RFC 4975 9; whether the octets are UTF-8 is seen when they are decoded.
_QUOTED: Final = re.compile(rb'"((?:[\t !#-\[\]-~\x80-\xff]|\\["\\])*)"')
_ESCAPED: Final = re.compile(rb'\\(["\\])')


def read_nickname(value: bytes | None) -> str:
    """Return the nickname in a Use-Nickname header, prepared; "" where it is to be given up.

    Raises: BadChunk (424).
    """
    found = _QUOTED.fullmatch(value) if value is not None else None
    if found is None:
        raise BadChunk("no nickname in quotation marks", _MALFORMED)
    octets = _ESCAPED.sub(rb"\1", found[1])
    if not octets:
        return ""
    if len(octets) > _MOST_OCTETS:
        raise BadChunk("the nickname is too long", _MALFORMED)
    try:
        return prepare(octets.decode("utf-8"))
    except UnicodeError as error:
        raise BadChunk("the nickname has characters that none may have", _MALFORMED) from error


def prepare(text: str) -> str:
    """Return a nickname as others see it. Raises: UnicodeError."""
    return _enforce("NicknameCasePreserved", text)


@lru_cache(maxsize=4096)
def comparable(nickname: str) -> str:
    """Return what is equal for nicknames that nobody could tell apart by their case or width.

    Raises: UnicodeError.
    """
    return _enforce("NicknameCaseMapped:CaseFold", nickname)


def _enforce(profile: str, text: str) -> str:
    # Loaded with the first nickname: most of what runs this package never sees one.
    from precis_i18n import get_profile

    return str(get_profile(profile).enforce(text))
