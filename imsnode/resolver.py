# SPDX-License-Identifier: Apache-2.0
"""Names to addresses and services: DNS without threads, so that no server that is silent stops
anybody who asks another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from errno import ENOENT
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dns.asyncresolver

__all__ = ["Resolver"]

_HOSTS = Path("/etc/hosts")


class Resolver:
    """Asks name servers, after the hosts file as every program does.

    Args: servers: (address, port) of those to ask, by default the system's. lifetime_s: of one
        question, with every server that is asked.
    """

    def __init__(self, servers: Sequence[tuple[str, int]] = (), lifetime_s: float = 4.0) -> None:
        self._servers = servers
        self._lifetime_s = lifetime_s

    async def addresses(self, name: str) -> list[str]:
        """Return the addresses of a name, those of IPv6 first; there is at least one.

        Raises: OSError.
        """
        known = self._hosts.get(name.rstrip(".").lower())
        if known is not None:
            return known
        found = await asyncio.gather(self._ask(name, "AAAA"), self._ask(name, "A"))
        addresses = [record.address for records in found for record in records]
        if not addresses:
            raise OSError(ENOENT, "name not found")
        return addresses

    async def services(self, service: str, name: str) -> list[tuple[str, int]]:
        """Return host and port of each that offers a service, as RFC 2782 wants them tried.

        Args: service: with its transport, as in "_msrps._tcp".
        """
        return [
            (record.target.to_text(omit_final_dot=True).lower(), record.port)
            for record in await self._ask(f"{service}.{name}", "SRV")
            if record.target.labels != (b"",)  # "." says that there is no such service
        ]

    async def _ask(self, name: str, kind: str) -> Sequence[Any]:
        """Return records of a kind in the order to try them, none where nobody tells any."""
        import dns.exception

        try:
            answer = await self._dns.resolve(name, kind, raise_on_no_answer=False, search=False)
        except dns.exception.DNSException:
            return []
        return () if answer.rrset is None else answer.rrset.processing_order()

    @cached_property
    def _dns(self) -> dns.asyncresolver.Resolver:
        # Loaded by the first who names a name: most nodes never do.
        import dns.asyncresolver
        import dns.nameserver

        resolver = dns.asyncresolver.Resolver(configure=not self._servers)
        if self._servers:
            resolver.nameservers = [
                dns.nameserver.Do53Nameserver(host, port) for host, port in self._servers
            ]
        resolver.lifetime = self._lifetime_s
        return resolver

    @cached_property
    def _hosts(self) -> dict[str, list[str]]:
        """What the hosts file says; read once."""
        found: dict[str, list[str]] = {}
        try:
            text = _HOSTS.read_text("utf-8", "replace")
        except OSError:
            text = ""
        for line in text.splitlines():
            address, *names = line.partition("#")[0].split() or [""]
            for name in names:
                found.setdefault(name.lower(), []).append(address)
        return found
