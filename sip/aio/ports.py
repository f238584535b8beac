# SPDX-License-Identifier: Apache-2.0
"""What the shell needs from whom it serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..flow import Flow

__all__ = ["Border", "EndpointPort", "Tap"]

# Listener to the wire: direction ("in" or "out"), flow, octets, monotonic seconds.
Tap = Callable[[str, Flow, bytes, float], None]


class Border(Protocol):
    """Changes what passes to and from some flows, beside the sockets; never raises."""

    def outward(self, flow: Flow, data: bytes) -> bytes:
        """Return a message as it is to leave; b"" when it must not."""

    def inward(self, flow: Flow, data: bytes) -> bytes:
        """Return a message as the endpoint is to read it."""


class EndpointPort(Protocol):
    """What the driver needs of the endpoint it serves."""

    def receive_datagrams(self, payloads: list[bytes], flows: Sequence[Flow], now: float) -> None:
        """Take datagrams that came together; one that cannot be handled stops none of the rest."""

    def receive_message(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one framed message of a stream."""

    def flow_failed(self, flow: Flow, reason: str, now: float) -> None:
        """Hear that a flow is gone (UDP: that a peer could not be reached)."""

    def next_deadline(self) -> float | None:
        """Say when `handle_timeouts` wants to run, in monotonic seconds."""

    def handle_timeouts(self, now: float) -> None:
        """Do what is due."""
