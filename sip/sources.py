# SPDX-License-Identifier: Apache-2.0
"""What counts as one source when requests and connections are limited (threats.md L1)."""

from __future__ import annotations

import ipaddress

__all__ = ["source_of"]


def source_of(host: str) -> str:
    """Return an IPv4 address itself, the /64 of an IPv6 address, anything else as it is."""
    if ":" not in host:
        return host
    try:
        packed = ipaddress.IPv6Address(host.partition("%")[0]).packed
    except ValueError:
        return host
    return f"{ipaddress.IPv6Address(packed[:8] + bytes(8))}/64"
