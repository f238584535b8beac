# SPDX-License-Identifier: Apache-2.0
"""What the system refuses to take: loopback never does, so the socket is played here."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Sequence

import pytest

from sip.aio import Driver, UdpOptions
from sip.aio.udp import UdpFlow, UdpSocket
from sip.flow import Flow


class Endpoint:
    def __init__(self) -> None:
        self.failed: list[tuple[Flow, str]] = []

    def receive_datagrams(
        self, payloads: list[bytes], flows: Sequence[Flow], now: float
    ) -> None: ...

    def receive_message(self, data: bytes, flow: Flow, now: float) -> None: ...

    def flow_failed(self, flow: Flow, reason: str, now: float) -> None:
        self.failed.append((flow, reason))

    def next_deadline(self) -> None:
        return None

    def handle_timeouts(self, now: float) -> None: ...


class Played:
    """Stands in for the socket: sends what `script` allows, in its order."""

    def __init__(self, real: socket.socket) -> None:
        self.script: list[int] = []
        self.sent: list[bytes] = []
        self._real = real

    def sendto(self, data: bytes, peer: object) -> None:
        number = self.script.pop(0) if self.script else 0
        if number:
            raise OSError(number, "played")
        self.sent.append(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


class Rig:
    def __init__(self, driver: Driver, channel: UdpSocket, played: Played) -> None:
        self.driver = driver
        self.channel = channel
        self.played = played
        self.endpoint = driver.endpoint
        self.flow = channel.flow_for("127.0.0.1", 40000)

    def send(self, *payloads: bytes, flow: UdpFlow | None = None) -> None:
        for payload in payloads:
            self.driver.send(flow or self.flow, payload)
        self.driver.finish(0.0)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    options = UdpOptions(batched=False, queued=600)
    driver = Driver(asyncio.get_running_loop(), lambda transport: Endpoint(), udp=options)
    channel = driver.udp_socket(driver.add_udp("127.0.0.1", 0))
    played = Played(channel._socket)
    channel._socket = played  # type: ignore[assignment]
    yield Rig(driver, channel, played)
    played.script.clear()
    await driver.close(0.1)


async def test_full_socket_keeps_the_order(rig: Rig) -> None:
    rig.played.script = [0, errno.EAGAIN]
    rig.send(b"1", b"2", b"3")
    assert rig.played.sent == [b"1"]
    rig.send(b"4")
    assert rig.played.sent == [b"1"]
    rig.channel._on_ready()  # the socket can be written again
    assert rig.played.sent == [b"1", b"2", b"3", b"4"]


async def test_queue_of_a_full_socket_is_bounded(rig: Rig) -> None:
    rig.played.script = [errno.EAGAIN]
    rig.send(b"first")
    rig.send(*[b"%d" % i for i in range(1000)])
    assert rig.driver.stats.udp_send_full == 1001 - 600
    rig.channel._on_ready()
    assert rig.played.sent[:2] == [b"first", b"0"]
    assert len(rig.played.sent) == 600


async def test_error_of_an_earlier_datagram_costs_nothing(rig: Rig) -> None:
    rig.played.script = [errno.ECONNREFUSED]
    rig.send(b"1", b"2")
    assert rig.played.sent == [b"1", b"2"]
    assert rig.driver.stats.udp_dropped == 0


async def test_destination_that_is_refused_twice_is_reported(rig: Rig) -> None:
    rig.played.script = [errno.ENETUNREACH, errno.ENETUNREACH]
    other = rig.channel.flow_for("127.0.0.1", 40001)
    rig.driver.send(rig.flow, b"lost")
    rig.driver.send(other, b"arrives")
    rig.driver.finish(0.0)
    assert rig.played.sent == [b"arrives"]
    assert isinstance(rig.endpoint, Endpoint)
    assert rig.endpoint.failed == [(rig.flow, "unreachable")]
    assert rig.driver.stats.udp_dropped == 1


async def test_large_output_leaves_in_between(rig: Rig) -> None:
    rig.driver.begin()
    for i in range(2000):
        rig.driver.send(rig.flow, b"%d" % i)
    assert len(rig.played.sent) >= 1000
    rig.driver.finish(0.0)
    assert [int(data) for data in rig.played.sent] == list(range(2000))
