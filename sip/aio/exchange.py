# SPDX-License-Identifier: Apache-2.0
"""What lies between the sockets and the endpoint for every single message."""

from __future__ import annotations

import logging
import time

from ..flow import Flow
from ..sources import source_of
from .connections import Bans
from .ports import Border, EndpointPort, Tap
from .stats import DriverStats
from .stream import StreamFlow
from .udp import UdpFlow

_log = logging.getLogger(__name__)


class Exchange:
    """Hands what arrives to the endpoint, and what the endpoint sends to the sockets.

    tap: listens to the wire. border: changes what passes, where somebody wants that.
    `_in_batch`: a wake-up goes on, whose end sends all output.
    """

    endpoint: EndpointPort

    def __init__(self) -> None:
        self.stats = DriverStats()
        self.tap: Tap | None = None
        self.border: Border | None = None
        self._bans = Bans()
        self._in_batch = False
        self._woken = False

    def wake(self) -> None:
        """Have output sent soon, after acting on the endpoint from outside."""
        raise NotImplementedError

    def report(self, flow: Flow, reason: str) -> None:
        """Note a failed flow."""
        raise NotImplementedError

    def send(self, flow: Flow, data: bytes) -> None:
        """Queue or write one message; never blocks. A closed flow is reported as failed."""
        if self.border is not None:
            data = self.border.outward(flow, data)
            if not data:
                return
        if self.tap is not None:
            self._tell("out", flow, data)
        if isinstance(flow, UdpFlow):
            datagrams = flow.channel
            datagrams.transmit(flow, data)
        elif isinstance(flow, StreamFlow):
            channel = flow.channel
            if channel is None or (flow.closed and not channel.lingering):
                self.report(flow, "closed")
                return
            self.stats.stream_out += 1
            channel.transmit(data)
        if not self._in_batch and not self._woken:
            self.wake()

    def deliver_datagrams(self, payloads: list[bytes], senders: list[UdpFlow], now: float) -> None:
        """Hand datagrams to the endpoint, all that came with one wake-up."""
        self.stats.udp_in += len(payloads)
        if self._bans or self.tap is not None:
            heard = [
                at for at in range(len(payloads)) if self._passes(payloads[at], senders[at], now)
            ]
            payloads = [payloads[at] for at in heard]
            senders = [senders[at] for at in heard]
        if self.border is not None:
            payloads = [
                self.border.inward(flow, data) for flow, data in zip(senders, payloads, strict=True)
            ]
        try:
            self.endpoint.receive_datagrams(payloads, senders, now)
        except Exception as error:  # noqa: BLE001  # rule G1: the edge of the process
            self._fault(error, None)

    def deliver_message(self, message: bytes, flow: StreamFlow, now: float) -> None:
        """Hand one message of a stream to the endpoint."""
        self.stats.stream_in += 1
        if self.tap is not None:
            self._tell("in", flow, message)
        if self.border is not None:
            message = self.border.inward(flow, message)
        try:
            self.endpoint.receive_message(message, flow, now)
        except Exception as error:  # noqa: BLE001  # rule G1
            self._fault(error, flow)
        self.wake()

    def _passes(self, payload: bytes, flow: UdpFlow, now: float) -> bool:
        if self._bans and self._bans.active(source_of(flow.remote[0]), now):
            self.stats.banned += 1
            return False
        if self.tap is not None:
            self._tell("in", flow, payload)
        return True

    def _tell(self, direction: str, flow: Flow, data: bytes) -> None:
        tap = self.tap
        if tap is None:
            return
        try:
            tap(direction, flow, data, time.monotonic())
        except Exception as error:  # noqa: BLE001  # a listener never stops the traffic
            self._fault(error, flow)

    def _fault(self, error: Exception, flow: Flow | None) -> None:
        self.stats.faults += 1
        source = flow.remote[0] if flow is not None else "node"
        _log.error("unexpected error", exc_info=error, extra={"source": source})
