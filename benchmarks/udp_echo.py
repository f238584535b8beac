# SPDX-License-Identifier: Apache-2.0
"""Measure what the UDP shell alone can do: datagrams echoed per second of its own CPU time.

    python benchmarks/udp_echo.py [--seconds 3] [--size 700] [--rounds 3]
    python benchmarks/udp_echo.py --serve PORT [--single]     only the server, for another generator

The server is a driver with an endpoint that sends every datagram back; the load comes from a
process of its own on loopback and is not counted. Variants run in turn, medians are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import platform
import resource
import socket
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import uvloop

from sip.aio import Driver, UdpOptions
from sip.flow import Flow
from sip.ports import Transport

WINDOW = 256


class EchoEndpoint:
    """Sends back what it gets."""

    def __init__(self, transport: Transport) -> None:
        self._send = transport.send

    def receive_datagrams(self, payloads: list[bytes], flows: Sequence[Flow], now: float) -> None:
        for data, flow in zip(payloads, flows, strict=True):
            self._send(flow, data)

    def receive_message(self, data: bytes, flow: Flow, now: float) -> None:
        self._send(flow, data)

    def flow_failed(self, flow: Flow, reason: str, now: float) -> None:
        return

    def next_deadline(self) -> float | None:
        return None

    def handle_timeouts(self, now: float) -> None:
        return


class EchoProtocol(asyncio.DatagramProtocol):
    """The loop's own datagram protocol, for comparison."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _measure(pipe: Connection, port: int) -> None:
    """Report the port, then how much CPU time was used between the two words of the load."""
    loop = asyncio.get_running_loop()
    pipe.send(port)
    await loop.run_in_executor(None, pipe.recv)
    start = _cpu()
    await loop.run_in_executor(None, pipe.recv)
    pipe.send(_cpu() - start)


async def serve_driver(pipe: Connection, batched: bool) -> None:
    options = UdpOptions(batched=batched)
    driver = Driver(asyncio.get_running_loop(), EchoEndpoint, udp=options)
    bound = driver.add_udp("127.0.0.1", 0)
    driver.start()
    await _measure(pipe, bound.port)
    await driver.close()


async def serve_protocol(pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(EchoProtocol, local_addr=("127.0.0.1", 0))
    await _measure(pipe, transport.get_extra_info("sockname")[1])
    transport.close()


def _server(pipe: Connection, variant: str) -> None:
    uvloop.install()
    if variant == "uvloop protocol":
        asyncio.run(serve_protocol(pipe))
    else:
        asyncio.run(serve_driver(pipe, variant == "driver, recvmmsg/sendmmsg"))


def _load(port: int, size: int, seconds: float) -> int:
    """Keep a window of datagrams under way and count the echoes."""
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    client.connect(("127.0.0.1", port))
    client.settimeout(0.2)
    payload = b"x" * size
    end = time.monotonic() + seconds
    echoed = under_way = 0
    while time.monotonic() < end:
        while under_way < WINDOW:
            client.send(payload)
            under_way += 1
        try:
            for _ in range(WINDOW // 2):
                client.recv(65535)
                echoed += 1
                under_way -= 1
        except TimeoutError:
            under_way = 0  # lost ones
    client.close()
    return echoed


def run(variant: str, size: int, seconds: float) -> float:
    """Return echoes per CPU second of the server."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(target=_server, args=(theirs, variant))
    server.start()
    port = ours.recv()
    _load(port, size, 0.3)
    ours.send("begin")
    echoed = _load(port, size, seconds)
    ours.send("end")
    used = ours.recv()
    server.join()
    return echoed / used


async def serve_forever(port: int, batched: bool) -> None:
    """Echo on a given port until a signal ends the process."""
    options = UdpOptions(batched=batched)
    driver = Driver(asyncio.get_running_loop(), EchoEndpoint, udp=options)
    driver.add_udp("127.0.0.1", port)
    driver.start()
    await asyncio.Event().wait()


def main(print_line: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--size", type=int, default=700)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", type=int, metavar="PORT")
    parser.add_argument("--single", action="store_true", help="with --serve: without batches")
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(serve_forever(arguments.serve, not arguments.single))
        return
    variants = ["uvloop protocol", "driver, one by one", "driver, recvmmsg/sendmmsg"]
    results: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(arguments.rounds):
        for variant in variants:
            results[variant].append(run(variant, arguments.size, arguments.seconds))
    medians = {variant: statistics.median(values) for variant, values in results.items()}
    for variant, value in medians.items():
        print_line(f"{variant:28} {value:10,.0f} datagrams echoed per CPU second")
    if arguments.json:
        report = {"python": platform.python_version(), "size": arguments.size, "medians": medians}
        arguments.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
