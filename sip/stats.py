# SPDX-License-Identifier: Apache-2.0
"""Plain counters of one endpoint; whoever exports metrics reads the attributes."""

from __future__ import annotations

__all__ = ["Stats"]

_REASONS = 128  # told apart; more count under their status alone


class Stats:
    """Counts since the endpoint was made; they only grow."""

    __slots__ = (
        "acks",
        "banned",
        "cancels",
        "client_created",
        "client_timeouts",
        "faults",
        "ignored",
        "malformed",
        "refusals",
        "refused_source",
        "replies",
        "requests",
        "resent",
        "responses",
        "retransmissions_in",
        "server_created",
        "server_timeouts",
        "shed",
        "silent_replies",
        "stray_responses",
        "stun",
        "suppressed_responses",
        "transport_failures",
    )

    def __init__(self) -> None:
        self.requests = 0  # well-formed requests received, retransmissions included
        self.responses = 0  # well-formed responses received
        self.retransmissions_in = 0  # requests absorbed by a live or completed transaction
        self.resent = 0  # requests and responses that a timer sent again
        self.acks = 0
        self.cancels = 0
        self.malformed = 0  # messages the parser refused
        self.ignored = 0  # keep-alives and datagrams that are not SIP
        self.stun = 0  # keep-alives answered
        self.banned = 0  # refused by the admit hook before parsing
        self.refused_source = 0  # source addresses that are never answered (amplification)
        self.stray_responses = 0  # no client transaction, or not our Via
        self.shed = 0  # new requests answered 503 because the table was full
        self.faults = 0  # exceptions caught at the edge
        self.client_created = 0
        self.client_timeouts = 0
        self.server_created = 0
        self.server_timeouts = 0
        self.transport_failures = 0  # client transactions ended by a lost flow
        self.replies = 0  # stateless answers sent
        self.silent_replies = 0  # stateless answers withheld (size, source, ACK)
        self.suppressed_responses = 0  # answers the transaction rules forbid
        self.refusals: dict[tuple[int, bytes], int] = {}  # by status and reason, b"" the usual one

    def refuse(self, status: int, reason: bytes | None) -> None:
        """Count an error answer of our own; behind a colon a reason speaks of one request only."""
        why = (status, b"" if reason is None else reason.partition(b":")[0])
        count = self.refusals.get(why)
        if count is None and len(self.refusals) >= _REASONS:
            why = (status, b"")
            count = self.refusals.get(why)
        self.refusals[why] = (count or 0) + 1
