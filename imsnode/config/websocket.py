# SPDX-License-Identifier: Apache-2.0
"""Settings of the WebSocket services of the HTTP listener."""

from __future__ import annotations

from .table import HOUR, Table, restart
from .types import HostName, Origin, Seconds

__all__ = ["WebSocket"]


class WebSocket(Table):
    """SIP and MSRP over WebSocket, at /sip and /msrp of the HTTP listener."""

    sip: bool = restart(True, "Whether SIP is taken at /sip (RFC 7118).")
    origins: tuple[Origin, ...] = restart(
        (),
        'Web pages that may connect, by their origin: "https://phone.example.com"; "*" lets every '
        "page in. Pages of the host that the connection is made to always may.",
    )
    require_origin: bool = restart(
        False, "Whether who names no origin is refused: programs that are no browsers."
    )
    hosts: tuple[HostName, ...] = restart(
        (),
        "Names by which clients reach the HTTP listener, besides the domains served, what is below "
        "them, network.advertise and addresses.",
    )
    ping: Seconds = restart(
        25.0,
        "Silence after which a client is asked whether it is there; it has as long to answer.",
        ge=1,
        le=HOUR,
    )
