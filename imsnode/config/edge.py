# SPDX-License-Identifier: Apache-2.0
"""Settings of the node as first hop of other registrars' users."""

from __future__ import annotations

from .table import Table, restart
from .types import DomainName

__all__ = ["Edge"]


class Edge(Table):
    """The node as edge proxy: devices register through it at a registrar elsewhere (RFC 5626)."""

    domains: tuple[DomainName, ...] = restart(
        (),
        "Domains whose users register through this node. Each needs a `[[peer]]` that takes it, "
        "which is also who may reach their devices.",
    )
    registrations: int = restart(
        100_000,
        "Registrations elsewhere that are remembered; the oldest are forgotten first.",
        ge=1,
        le=10_000_000,
    )
