# SPDX-License-Identifier: Apache-2.0
"""Real loopback sockets on ports the system chooses; the loop the node runs on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
import uvloop

from sip.aio import Driver
from sip.flow import Flow
from sip.ports import Transport


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


class Recorder:
    """An endpoint that notes what it is given and answers as the test says."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.received: list[tuple[bytes, Flow]] = []
        self.failed: list[tuple[Flow, str]] = []
        self.deadline: float | None = None
        self.fired: list[float] = []
        self.answer: Callable[[bytes, Flow], None] | None = None
        self._changed = asyncio.Event()

    def receive_datagrams(self, payloads: list[bytes], flows: Sequence[Flow], now: float) -> None:
        for data, flow in zip(payloads, flows, strict=True):
            self.receive_message(data, flow, now)

    def receive_message(self, data: bytes, flow: Flow, now: float) -> None:
        self.received.append((data, flow))
        self._changed.set()
        if self.answer is not None:
            self.answer(data, flow)

    def flow_failed(self, flow: Flow, reason: str, now: float) -> None:
        self.failed.append((flow, reason))
        self._changed.set()

    def next_deadline(self) -> float | None:
        return self.deadline

    def handle_timeouts(self, now: float) -> None:
        if self.deadline is not None and self.deadline <= now:
            self.deadline = None
        self.fired.append(now)
        self._changed.set()

    def echo(self, data: bytes, flow: Flow) -> None:
        self.transport.send(flow, data)

    async def until(self, predicate: Callable[[], bool], limit_s: float = 20.0) -> None:
        """Wait for something to come true after an event."""
        async with asyncio.timeout(limit_s):
            while not predicate():
                self._changed.clear()
                await self._changed.wait()


class Node:
    """A driver with its recorder."""

    def __init__(self, driver: Driver, recorder: Recorder) -> None:
        self.driver = driver
        self.endpoint = recorder


MakeNode = Callable[..., Node]


@pytest.fixture
async def make_node() -> AsyncIterator[MakeNode]:
    made: list[Driver] = []

    def make(**options: object) -> Node:
        recorders: list[Recorder] = []

        def factory(transport: Transport) -> Recorder:
            recorders.append(Recorder(transport))
            return recorders[0]

        driver = Driver(asyncio.get_running_loop(), factory, **options)  # type: ignore[arg-type]
        made.append(driver)
        return Node(driver, recorders[0])

    yield make
    for driver in made:
        await driver.close(0.2)


def message(method: str = "OPTIONS", body: bytes = b"", extra: bytes = b"") -> bytes:
    """A small request as it stands on a stream."""
    return (
        (
            f"{method} sip:bob@ims.test SIP/2.0\r\n"
            "Via: SIP/2.0/TCP 127.0.0.1:5071;branch=z9hG4bK776\r\n"
            "From: <sip:alice@ims.test>;tag=1\r\nTo: <sip:bob@ims.test>\r\nCall-ID: c1\r\n"
            f"CSeq: 1 {method}\r\nMax-Forwards: 70\r\nContent-Length: {len(body)}\r\n"
        ).encode()
        + extra
        + b"\r\n"
        + body
    )


async def until(predicate: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Wait until a counter says that something happened that no event tells."""
    async with asyncio.timeout(limit_s):
        while not predicate():  # noqa: ASYNC110
            await asyncio.sleep(0.002)
