# SPDX-License-Identifier: Apache-2.0
"""Which addresses a client may register (threats.md R2)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from .nexthop import canonical_host, next_hop
from .uri import Uri

__all__ = ["ContactPolicy"]


class ContactPolicy:
    """Which addresses a contact may name, so that nobody aims the node at itself or its neighbours.

    The address the REGISTER came from is always fine. Loopback, link-local, multicast, broadcast
    and unspecified addresses are not, except inside ``allowed`` networks; an address of ``own``,
    our listeners, never is. Names and private addresses pass: they are reached over the flow.
    """

    __slots__ = ("_allowed", "_own")

    def __init__(self, own: Iterable[tuple[str, int]] = (), allowed: Sequence[str] = ()) -> None:
        self._own = own if isinstance(own, set) else set(own)
        self._allowed = [ipaddress.ip_network(text, strict=False) for text in allowed]

    def __call__(self, uri: Uri, source: str) -> bool:
        """Say whether a contact or topmost Path may be kept for a sender at ``source``."""
        if uri.host == source and uri.port is not None and not uri.params:
            return (source, uri.port) not in self._own  # most devices, told at a glance
        hop = next_hop(uri)
        if hop is None or (canonical_host(hop.host), hop.port) in self._own:
            return False
        return self._host_allowed(hop.host, source) and self._host_allowed(uri.host, source)

    def _host_allowed(self, host: str, source: str) -> bool:
        if not host or host == source:
            return True
        if not (host[-1].isdigit() or ":" in host):
            return host != "localhost" and not host.endswith(".localhost")
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False  # an address in a spelling that not everybody reads the same way
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if str(address) == source or any(address in network for network in self._allowed):
            return True
        return not (
            address.is_loopback
            or address.is_link_local
            or address.is_multicast
            or address.is_unspecified
            or str(address) == "255.255.255.255"
        )
