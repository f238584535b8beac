# SPDX-License-Identifier: Apache-2.0
"""Settings of the way in: certificates, bounds, timers, addresses."""

from __future__ import annotations

from ipaddress import ip_network

from .table import DAY, HOUR, KIB, MINUTE, Table, live, restart
from .types import Asks, HostName, HttpAddress, Network, Octets, OptionalPath, Seconds

__all__ = ["Limits", "NetworkPolicy", "Timers", "Tls"]


class Tls(Table):
    """Certificates: of the TLS listeners, HTTP's and MSRP's among them, and of other servers.

    A reload reads the files anew, also where the settings are the same.
    """

    certificate: OptionalPath = live(
        None,
        "PEM file with the certificate and its chain, relative to the configuration file. Without "
        "one, TLS listeners use a self-made certificate kept in the folder tls beside that file.",
    )
    key: OptionalPath = live(
        None,
        "PEM file with the private key of the certificate, relative to the configuration file.",
    )
    authorities: OptionalPath = live(
        None,
        "PEM file with the certificates of those who vouch for other servers and for clients; "
        "without it whom the system trusts.",
    )
    client_certificates: Asks = live(
        "none",
        "Whether SIP listeners ask for the certificate of who connects: none, ask (it may have "
        "none, but not a bad one), require. It proves for whose domain a server speaks.",
    )


class Limits(Table):
    """Bounds on what comes from the network. Reaching one refuses the new item."""

    message_size: Octets = restart(80 * KIB, "Longest SIP message.", ge=KIB, le=1024 * KIB)
    head_size: Octets = restart(16 * KIB, "Longest start line and headers.", ge=KIB, le=256 * KIB)
    header_size: Octets = restart(8 * KIB, "Longest single header.", ge=256, le=64 * KIB)
    start_line_size: Octets = restart(8 * KIB, "Longest start line.", ge=256, le=64 * KIB)
    headers: int = restart(128, "Headers in one message.", ge=16, le=1000)
    vias: int = restart(70, "Via values in one message.", ge=1, le=255)
    body_size: Octets = restart(64 * KIB, "Longest body of a request.", ge=0, le=1024 * KIB)
    message_body_size: Octets = restart(32 * KIB, "Longest body of a MESSAGE.", ge=0, le=1024 * KIB)
    udp_size: Octets = restart(
        1300, "Longest request sent over UDP before TCP is tried.", ge=576, le=65507
    )
    branches: int = live(10, "Targets one request is forked to.", ge=1, le=100)
    transactions: int = restart(
        1_000_000, "Transactions at a time; beyond it new requests get 503.", ge=100, le=10_000_000
    )
    source_rate: float = live(
        20.0, "Requests a second from one source without credentials.", gt=0, le=100_000
    )
    source_burst: int = live(
        40, "Requests without credentials one source may send at once.", ge=1, le=1_000_000
    )
    exempt: tuple[Network, ...] = live(
        (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        "Networks whose requests without credentials are not counted.",
    )
    source_ban: Seconds = live(
        60.0, "How long a source above its rate is not listened to.", ge=0, le=DAY
    )
    message_rate: float = live(
        10.0,
        "Messages a second from one user: MESSAGE requests, and messages to rooms.",
        gt=0,
        le=100_000,
    )
    message_burst: int = live(50, "Messages a user may send at once.", ge=1, le=1_000_000)
    register_rate: float = live(1.0, "REGISTER requests a second from one user.", gt=0, le=100_000)
    register_burst: int = live(5, "REGISTER requests a user may send at once.", ge=1, le=1_000_000)
    subscribe_rate: float = live(
        1.0, "SUBSCRIBE requests a second from one user.", gt=0, le=100_000
    )
    subscribe_burst: int = live(
        20, "SUBSCRIBE requests a user may send at once.", ge=1, le=1_000_000
    )
    invite_rate: float = live(5.0, "INVITE requests a second from one user.", gt=0, le=100_000)
    invite_burst: int = live(100, "INVITE requests a user may send at once.", ge=1, le=1_000_000)
    refer_rate: float = live(1.0, "REFER requests a second from one user.", gt=0, le=100_000)
    refer_burst: int = live(20, "REFER requests a user may send at once.", ge=1, le=1_000_000)
    nickname_rate: float = live(
        1.0, "Nicknames a second that one user may ask for in rooms.", gt=0, le=100_000
    )
    nickname_burst: int = live(
        10, "Nicknames a user may ask for at once in rooms.", ge=1, le=1_000_000
    )
    retry_after_min: Seconds = live(5.0, "Shortest Retry-After in a 503.", ge=1, le=HOUR)
    retry_after_max: Seconds = live(30.0, "Longest Retry-After in a 503.", ge=1, le=HOUR)
    connections: int = restart(10_000, "Connections at a time.", ge=1, le=1_000_000)
    connections_per_source: int = restart(
        100, "Connections at a time from one source.", ge=1, le=1_000_000
    )
    first_message: Seconds = restart(
        20.0, "How long a new connection may be silent.", ge=1, le=HOUR
    )
    partial_message: Seconds = restart(
        20.0, "Time to complete a message on a connection.", ge=1, le=HOUR
    )
    idle: Seconds = restart(
        2 * HOUR, "How long a connection in use may be silent.", ge=MINUTE, le=7 * DAY
    )
    output_queue: Octets = restart(
        1024 * KIB,
        "Output that may wait on one connection before it is closed.",
        ge=64 * KIB,
        le=1024 * 1024 * KIB,
    )
    tls_handshake: Seconds = restart(10.0, "Time to complete a TLS handshake.", ge=1, le=MINUTE)
    tls_pending: int = restart(200, "TLS handshakes at a time.", ge=1, le=100_000)
    http_target_size: Octets = restart(
        8 * KIB, "Longest target of an HTTP request.", ge=256, le=64 * KIB
    )
    http_head_size: Octets = restart(
        16 * KIB, "Longest head of an HTTP request.", ge=KIB, le=256 * KIB
    )
    http_body_size: Octets = restart(
        512 * KIB, "Longest body of an HTTP request.", ge=0, le=64 * 1024 * KIB
    )
    log_lines: int = live(10, "Log lines a second that one source may cause.", ge=1, le=10_000)


class Timers(Table):
    """Timers of RFC 3261; the others follow from these."""

    t1: Seconds = restart(0.5, "T1: estimated round trip.", ge=0.05, le=10)
    t2: Seconds = restart(4.0, "T2: longest interval between retransmissions.", ge=0.1, le=60)
    t4: Seconds = restart(5.0, "T4: how long a message may stay in the network.", ge=0.1, le=60)
    c: Seconds = restart(
        181.0, "Timer C: how long a ringing INVITE branch is kept.", gt=180, le=HOUR
    )


class NetworkPolicy(Table):
    """Which addresses a client may name in Contact, Route and Path."""

    advertise: HostName | None = restart(
        None,
        "Host name or address that goes into Via and Record-Route instead of the listener's own, "
        "needed behind address translation.",
    )
    name_servers: tuple[HttpAddress, ...] = restart(
        (),
        "Name servers to ask, each as address:port; the system's when there are none. Names stand "
        "in MSRP paths and in addresses of other domains; what they stand for is held against "
        "allow like any other address.",
    )
    allow: tuple[Network, ...] = live(
        (),
        "Networks that may be named although they are loopback, link-local or otherwise special. "
        "A client that itself comes from a loopback address may always name loopback.",
    )
