# SPDX-License-Identifier: Apache-2.0
"""Settings of the way to and from other domains."""

from __future__ import annotations

from .table import HOUR, MINUTE, Table, live
from .types import DomainPattern, Seconds

__all__ = ["Interconnect"]


class Interconnect(Table):
    """Other domains: which are found by DNS, and whose certificates are believed."""

    find: tuple[DomainPattern, ...] = live(
        (),
        'Domains whose servers DNS tells (RFC 3263) when no [[route]] does: names, or "*" for '
        "all, though not to private addresses outside network.allow. Users of the node may write "
        "there, and peers with relay; nobody else.",
    )
    admit: tuple[DomainPattern, ...] = live(
        (),
        "Domains whose servers may hand in requests of their users to users of this node: names, "
        'or "*" for all. A server proves its domain by its certificate (RFC 5922), so '
        "tls.client_certificates has to ask for one.",
    )
    patience: Seconds = live(
        4.0,
        "How long a server may be silent before the next one of its domain is tried.",
        ge=0.5,
        le=MINUTE,
    )
    rest: Seconds = live(
        30.0,
        "How long a server that failed is tried after the others of its domain.",
        ge=0,
        le=HOUR,
    )
    waiting: int = live(
        1000,
        "Requests that wait for DNS at a time, a quarter of them for one domain; more get 503.",
        ge=4,
        le=100_000,
    )
