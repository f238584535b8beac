# SPDX-License-Identifier: Apache-2.0
"""Which web pages may open a WebSocket here (rule H1; RFC 6455 10.2, RFC 6454).

A browser lets any page connect anywhere and says which page it was. What is asked for by name must
be a name of ours too, or a page could have its own name lead here (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["Origins"]

_LOOPBACK = "localhost"


@dataclass(frozen=True, slots=True)
class Origins:
    """Who may connect.

    names: hosts and domains that are ours, with all below them; addresses always are. allowed:
    origins of other hosts, such as "https://phone.example.com"; "*" stands for all. required: who
    sends no Origin, as programs that are no browsers, is refused.
    """

    names: Sequence[str] = ()
    allowed: Sequence[str] = ()
    required: bool = False

    def refusal(self, host: str | None, origin: str | None) -> str:
        """Return why a request with these headers is refused, "" when it is not."""
        asked = _host_of(f"//{host}") if host else ""
        if not asked or not self._is_ours(asked):
            return "Host is not a name of this node"
        if origin is None:
            return "Origin is missing" if self.required else ""
        if "*" in self.allowed or origin.lower() in self.allowed:
            return ""
        # A page of the host itself, whatever its port; "null" is nobody's (RFC 6454 7.3).
        return "" if _host_of(origin) == asked else "Origin is not allowed"

    def _is_ours(self, host: str) -> bool:
        return (
            host == _LOOPBACK
            or _is_address(host)
            or any(host == name or host.endswith("." + name) for name in self.names)
        )


def _host_of(url: str) -> str:
    """Return the host in a URL, in lower case; everything on loopback is one host."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    host = host.removesuffix(".")
    if host.endswith("." + _LOOPBACK) or (_is_address(host) and _address(host).is_loopback):
        return _LOOPBACK
    return host


def _is_address(host: str) -> bool:
    try:
        _address(host)
    except ValueError:
        return False
    return True


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(host)
