# SPDX-License-Identifier: Apache-2.0
"""The server that is verified, and the accounts on it that flows play."""

from __future__ import annotations

from dataclasses import dataclass

from sip.errors import BadMessage
from sip.nexthop import next_hop
from sip.uri import parse_uri

__all__ = ["Account", "Target", "account", "target"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go. host: as it was written; domain: whose users the accounts are."""

    transport: str
    host: str
    port: int
    domain: str


@dataclass(frozen=True, slots=True)
class Account:
    """One user of the server. name: for digest, and of the address."""

    name: str
    domain: str
    password: str

    @property
    def aor(self) -> str:
        """The address of record."""
        return f"sip:{self.name}@{self.domain}"


def target(uri: str, domain: str = "") -> Target:
    """Read the address of a server. Raises: ValueError."""
    try:
        read = parse_uri(uri.encode("ascii", "replace"))
        hop = next_hop(read)
    except BadMessage as error:
        raise ValueError(f"{uri}: {error.reason}") from error
    if hop is None or not read.is_sip:
        raise ValueError(f"{uri} is no sip: or sips: address of a server")
    return Target(hop.transport, hop.host, hop.port, domain or read.host)


def account(text: str, domain: str, password: str = "") -> Account:
    """Read NAME, NAME:PASSWORD or the same with sip: and @DOMAIN. Raises: ValueError."""
    bare = text.removeprefix("sip:")
    who, colon, secret = bare.partition(":")
    name, _, host = who.partition("@")
    if not name:
        raise ValueError(f"{text!r} names no user")
    if not colon and not password:
        raise ValueError(f"{text!r} has no password: write {name}:PASSWORD")
    return Account(name, host or domain, secret or password)
