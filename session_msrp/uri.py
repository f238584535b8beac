# SPDX-License-Identifier: Apache-2.0
"""MSRP URIs and paths of them (RFC 4975 6)."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final, NamedTuple

from .errors import BadChunk

__all__ = ["DEFAULT_PORT", "MsrpUri", "parse_path", "parse_uri"]

DEFAULT_PORT: Final = 2855
_MOST_OCTETS = 1024
_REMEMBERED = 2048  # URIs: those of a session stand in all its chunks

# Authority by RFC 3986, session-id and parameters by RFC 4975 9.
_URI: Final = re.compile(
    rb"(?P<scheme>msrps?)://(?:(?P<user>[!$&-.0-;=A-Z_a-z~%]*)@)?"
    rb"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,=-]+)(?::(?P<port>[0-9]{1,5}))?"
    rb"(?:/(?P<session>[A-Za-z0-9._~+=/-]+))?;(?P<transport>[A-Za-z0-9]+)"
    rb"(?P<parameters>(?:;[!#-'*+.0-9A-Z^-~-]+(?:=[!#-'*+.0-9A-Z^-~-]+)?)*)",
    re.IGNORECASE,
)


class MsrpUri(NamedTuple):
    """A parsed URI. host: lower case, IPv6 without brackets. port: None when it names none.

    raw: as it was written, user part and parameters included. ``key`` is what counts when two are
    compared.
    """

    raw: bytes
    secure: bool
    host: str
    port: int | None
    session: bytes
    transport: bytes

    @property
    def key(self) -> tuple[bool, str, int | None, bytes, bytes]:
        """Equal for URIs that RFC 4975 6.1 calls equivalent."""
        return (self.secure, self.host, self.port, self.session, self.transport)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to connect to."""
        return (self.host, self.port or DEFAULT_PORT)


@lru_cache(_REMEMBERED)
def parse_uri(text: bytes) -> MsrpUri:
    """Parse one URI. Raises: BadChunk."""
    found = _URI.fullmatch(text) if len(text) <= _MOST_OCTETS else None
    if found is None:
        raise BadChunk("not an MSRP URI")
    port = None
    if found["port"] is not None:
        port = int(found["port"])
        if not 0 < port < 65536:
            raise BadChunk("the port of an MSRP URI is 1 to 65535")
    return MsrpUri(
        text,
        len(found["scheme"]) == 5,
        _host(found["host"]),
        port,
        found["session"] or b"",
        found["transport"].lower(),
    )


def _host(text: bytes) -> str:
    host = text.decode("ascii").lower()
    if not host.startswith("["):
        return host
    try:
        return str(ipaddress.IPv6Address(host[1:-1]))
    except ValueError:
        raise BadChunk("not an IPv6 address in an MSRP URI") from None


def parse_path(text: bytes, most: int) -> list[MsrpUri]:
    """Parse the URIs of a To-Path or From-Path, or of an a=path. Raises: BadChunk."""
    parts = text.split(b" ")
    if len(parts) > most:
        raise BadChunk("the path is too long")
    return [parse_uri(part) for part in parts]
