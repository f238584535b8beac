# SPDX-License-Identifier: Apache-2.0
"""Settings of session mode: MSRP."""

from __future__ import annotations

from typing import Literal

from .table import DAY, HOUR, KIB, MINUTE, Table, restart
from .types import Algorithm, ListenAddress, Listener, MediaType, Octets, Seconds

__all__ = ["Msrp"]


class Msrp(Table):
    """MSRP sessions between users that pass through this node, and its MSRP relay."""

    listen: tuple[ListenAddress, ...] = restart(
        (Listener("TCP", "127.0.0.1", 2855),),
        "MSRP listeners, each as tcp:host:port or tls:host:port; open while sessions are anchored, "
        "relayed or taken.",
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
    deferred: bool = restart(
        False,
        "Whether the node takes a session in the place of a user without a reachable device; what "
        "it brings is stored and delivered like any message.",
    )
    interwork: bool = restart(
        False,
        "Whether sessions to devices that take none become messages, and messages to devices that "
        "take sessions alone become sessions.",
    )
    deferred_size: Octets = restart(
        512 * KIB, "Longest message in a session that the node takes.", ge=KIB, le=20 * 1024 * KIB
    )
    deliver: Literal["auto", "session", "pager"] = restart(
        "auto",
        "How stored messages go to a device: auto (as a session where its Contact says that it "
        "takes some), session (tried wherever INVITE is not ruled out), pager.",
    )
    file_size: Octets = restart(
        0, "Longest file that may be transferred in a session (RFC 5547); 0: any.", ge=0, le=2**40
    )
    file_types: tuple[MediaType, ...] = restart(
        (), "Types of files that may be transferred, such as image/*; none named: all."
    )
    idle: Seconds = restart(
        2 * HOUR,
        "How long nothing may pass in a session without a session timer (RFC 4028).",
        ge=MINUTE,
        le=7 * DAY,
    )
    session_timer: Seconds = restart(
        30 * MINUTE,
        "How often the ends of an anchored session say that it goes on, where one of them knows "
        "session timers (RFC 4028).",
        ge=90,
        le=DAY,
    )
    relay: bool = restart(
        False, "Whether clients with an account may use the node as their relay (RFC 4976)."
    )
    relay_plain: bool = restart(
        False,
        "Whether AUTH is taken without TLS, which RFC 4976 forbids: for laboratories. Nobody is "
        "kept from reading what passes then.",
    )
    websocket_plain: bool = restart(
        False,
        "Whether sessions are taken over ws: too; RFC 7977 wants wss: alone. For laboratories.",
    )
    relay_algorithms: tuple[Algorithm, ...] = restart(
        ("SHA-256", "MD5"),
        "Digest algorithms that AUTH offers, strongest first, one challenge each.",
        min_length=1,
    )
    relay_uris: int = restart(
        10_000, "URIs the relay has handed out at a time; more is answered 403.", ge=1, le=1_000_000
    )
    relay_user_uris: int = restart(100, "Of these those of one user.", ge=1, le=100_000)
    relay_auths: int = restart(
        60, "AUTH requests that one connection may send in a minute.", ge=1, le=100_000
    )
    relay_pending: int = restart(
        1024,
        "SENDs that one next hop may leave unanswered; until it answers, whoever sends to it is "
        "not read.",
        ge=1,
        le=100_000,
    )
    relay_min_expires: Seconds = restart(
        MINUTE, "The shortest life a URI may be asked for; a shorter one is 423.", ge=1, le=DAY
    )
    relay_max_expires: Seconds = restart(
        HOUR,
        "The longest life a URI may be asked for, and that of one without a wish.",
        ge=MINUTE,
        le=7 * DAY,
    )
    stall: Seconds = restart(
        MINUTE, "How long a client may read nothing while something waits for it.", ge=1, le=HOUR
    )
