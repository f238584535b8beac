# SPDX-License-Identifier: Apache-2.0
"""What the shell counts."""

from __future__ import annotations


class DriverStats:
    """Plain counters of a driver, read when somebody asks; `connections`, `handshaking` are levels.

    udp_*: datagrams; stream_*: messages. udp_dropped: refused by the system when sent;
    udp_send_full: dropped because the send queue was full; udp_errors: ICMP errors read.
    refused_*: connections not accepted; closed_*: connections ended by a bound.
    """

    __slots__ = (
        "accepted", "banned", "closed_idle", "closed_output", "closed_partial", "connect_failed",
        "connections", "connects", "faults", "framing_errors", "handshake_failed", "handshaking",
        "misnamed", "pings", "refused_handshakes", "refused_source", "refused_total", "stream_in",
        "stream_out", "udp_dropped", "udp_errors", "udp_in", "udp_out", "udp_send_full",
        "udp_wakeups",
    )  # fmt: skip

    def __init__(self) -> None:
        self.accepted = 0
        self.banned = 0
        self.closed_idle = 0
        self.closed_output = 0
        self.closed_partial = 0
        self.connect_failed = 0
        self.connections = 0
        self.connects = 0
        self.faults = 0
        self.framing_errors = 0
        self.handshake_failed = 0
        self.handshaking = 0
        self.misnamed = 0
        self.pings = 0
        self.refused_handshakes = 0
        self.refused_source = 0
        self.refused_total = 0
        self.stream_in = 0
        self.stream_out = 0
        self.udp_dropped = 0
        self.udp_errors = 0
        self.udp_in = 0
        self.udp_out = 0
        self.udp_send_full = 0
        self.udp_wakeups = 0
