# SPDX-License-Identifier: Apache-2.0
"""Settings of who is let in: digest, registrations, commands."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from .table import DAY, HOUR, MINUTE, Table, live, restart
from .types import Algorithm, FileName, Seconds
from .uris import RouteUri

__all__ = ["Auth", "Control", "Registrar"]


class Auth(Table):
    """Digest authentication and what happens to those who guess."""

    algorithms: tuple[Algorithm, ...] = live(
        ("MD5",),
        "Digest algorithms offered, strongest first, one challenge each: MD5, SHA-256, "
        "SHA-512-256. Many softphones accept nothing but a lone MD5 challenge.",
        min_length=1,
    )
    nonce_lifetime: Seconds = live(
        300.0, "How long a nonce may be used before the client gets a new one.", ge=10, le=DAY
    )
    failures: int = live(
        10, "Failed answers from one source or for one user before it has to wait.", ge=1, le=1000
    )
    failure_window: Seconds = live(
        5 * MINUTE, "Time within which the failures are counted.", ge=1, le=DAY
    )
    failure_delay: Seconds = live(
        60.0, "First wait after too many failures; doubles each time.", ge=1, le=DAY
    )
    associated: Literal["never", "connection", "address"] = live(
        "connection",
        "Which requests of users with SIM cards need no answer to a challenge, because they come "
        "the way the card registered: over the same connection; from the same address and port by "
        "UDP too, which others can forge; never. REGISTER is always challenged.",
    )
    agreement: Literal["offer", "ignore", "refuse"] = restart(
        "offer",
        "Requests that require a security agreement (sec-agree, RFC 3329): `offer` answers with "
        "what the node has, TLS where it listens for it and digest, never IPsec; `ignore` serves "
        "them as if they required nothing, for terminals that go on without a list; `refuse` is "
        "420. A node with edge.domains refuses them.",
    )
    failure_delay_max: Seconds = live(15 * MINUTE, "Longest wait after failures.", ge=1, le=DAY)


class Registrar(Table):
    """What a REGISTER may ask for."""

    min_expires: Seconds = live(
        60.0, "Shortest lifetime of a binding; less is answered 423.", ge=1, le=HOUR
    )
    max_expires: Seconds = live(
        HOUR, "Longest lifetime of a binding; more is cut to this.", ge=60, le=30 * DAY
    )
    default_expires: Seconds = live(
        HOUR, "Lifetime of a binding when the client names none.", ge=60, le=30 * DAY
    )
    max_bindings: int = live(
        10, "Bindings one address of record may have; more is answered 403.", ge=1, le=100
    )
    max_devices: int = live(
        16,
        "Absent devices one address of record is remembered to have; those seen longest ago are "
        "forgotten first.",
        ge=1,
        le=100,
    )
    device_memory: Seconds = live(
        30 * DAY,
        "How long a device that registered with an instance id is remembered, so that messages "
        "stored meanwhile wait for it too.",
        ge=0,
        le=366 * DAY,
    )
    gruu: bool = live(
        True,
        "Whether devices that ask get GRUUs: addresses of their own, which lead to them alone.",
    )
    flow_timer: Seconds = live(
        0.0,
        "How often devices with several flows (outbound) are told to send a keep-alive over each; "
        "0 leaves it to them.",
        ge=0,
        le=HOUR,
    )
    service_route: tuple[RouteUri, ...] = live(
        (),
        "SIP URIs, each with the parameter lr, that registered devices are told to send their "
        "requests through (Service-Route), first hop first. An address of this node's own has no "
        "user part.",
    )


class Control(Table):
    """The socket over which the commands reach the running node."""

    socket: FileName = restart(
        Path("imsnode.sock"),
        "Unix socket, relative to the configuration file; only the node's own user may use it.",
    )
