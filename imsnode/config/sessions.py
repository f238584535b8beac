# SPDX-License-Identifier: Apache-2.0
"""Settings of session mode: MSRP."""

from __future__ import annotations

from typing import Literal

from .table import DAY, HOUR, KIB, MINUTE, Table, restart
from .types import ListenAddress, Listener, Octets, Seconds

__all__ = ["Msrp"]


class Msrp(Table):
    """MSRP sessions between users that pass through this node."""

    listen: tuple[ListenAddress, ...] = restart(
        (Listener("TCP", "127.0.0.1", 2855),),
        "MSRP listeners, each as tcp:host:port or tls:host:port; open while sessions are anchored.",
    )
    anchor: Literal["never", "nat", "always"] = restart(
        "never",
        "Which sessions the node takes both ends of: never (INVITEs pass as they are), nat (when "
        "one of the two is behind a NAT), always.",
    )
    sessions: int = restart(
        10_000, "Anchored sessions at a time; more is answered 503.", ge=1, le=1_000_000
    )
    user_sessions: int = restart(
        20, "Calls with anchored sessions that one user may have.", ge=1, le=100_000
    )
    chunk_size: Octets = restart(
        64 * KIB,
        "What is held of one chunk; of a larger one pieces go on as they come.",
        ge=4 * KIB,
        le=1024 * KIB,
    )
    idle: Seconds = restart(
        2 * HOUR,
        "How long nothing may pass in a session without a session timer (RFC 4028).",
        ge=MINUTE,
        le=7 * DAY,
    )
    stall: Seconds = restart(
        MINUTE, "How long a client may read nothing while something waits for it.", ge=1, le=HOUR
    )
