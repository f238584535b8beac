# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sip.aio import BindError, UdpOptions
from sip.aio import udp as udp_module
from sip.aio.pktinfo import packed
from sip.flow import Flow

from .conftest import MakeNode, Node, until

MODES = [
    pytest.param(
        True, marks=pytest.mark.skipif(udp_module._batches is None, reason="not compiled")
    ),
    False,
]

SO_NO_CHECK = 11  # Linux; the socket module does not name it


@pytest.fixture(params=MODES, ids=["batched", "single"])
def options(request: pytest.FixtureRequest) -> UdpOptions:
    return UdpOptions(batched=request.param)


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        opened.setblocking(False)
        yield opened


def serve(make_node: MakeNode, options: UdpOptions, host: str = "127.0.0.1") -> tuple[Node, int]:
    node = make_node(udp=options)
    bound = node.driver.add_udp(host, 0)
    node.driver.start()
    return node, bound.port


async def receive(peer: socket.socket) -> bytes:
    async with asyncio.timeout(5):
        return await asyncio.get_running_loop().sock_recv(peer, 65535)


async def receive_from(peer: socket.socket) -> tuple[bytes, tuple[Any, ...]]:
    peer.settimeout(5)
    return await asyncio.to_thread(peer.recvfrom, 65535)


async def test_echo_and_flow(make_node: MakeNode, options: UdpOptions, peer: socket.socket) -> None:
    node, port = serve(make_node, options)
    node.endpoint.answer = node.endpoint.echo
    peer.sendto(b"hello", ("127.0.0.1", port))
    assert await receive(peer) == b"hello"
    flow = node.endpoint.received[0][1]
    assert flow.transport == "UDP"
    assert not flow.reliable
    assert flow.local == ("127.0.0.1", port)
    assert flow.remote == peer.getsockname()
    assert flow.sent_by == f"127.0.0.1:{port}".encode()
    peer.sendto(b"again", ("127.0.0.1", port))
    assert await receive(peer) == b"again"
    assert node.endpoint.received[1][1] is flow
    assert node.driver.flow_to("UDP", *peer.getsockname(), now=0.0) is flow


async def test_every_datagram_of_a_burst_arrives_in_order(
    make_node: MakeNode, options: UdpOptions, peer: socket.socket
) -> None:
    node, port = serve(make_node, options)
    batches: list[int] = []
    node.driver.after_batch = lambda now: batches.append(len(node.endpoint.received))
    for i in range(500):
        peer.sendto(b"%d" % i, ("127.0.0.1", port))
    await node.endpoint.until(lambda: len(node.endpoint.received) == 500)
    assert [int(data) for data, _ in node.endpoint.received] == list(range(500))
    # Many datagrams share a wake-up, and no wake-up takes more than its share.
    assert node.driver.stats.udp_wakeups < 100
    assert max(b - a for a, b in itertools.pairwise(batches)) <= 192


async def test_loop_lives_during_a_flood(
    make_node: MakeNode, options: UdpOptions, peer: socket.socket
) -> None:
    node, port = serve(make_node, options)
    for i in range(2000):
        peer.sendto(b"%d" % i, ("127.0.0.1", port))
    turns = 0
    while len(node.endpoint.received) < 1000:
        await asyncio.sleep(0)
        turns += 1
        assert turns < 10000
    assert turns >= 4


async def test_largest_and_empty_datagrams(
    make_node: MakeNode, options: UdpOptions, peer: socket.socket
) -> None:
    node, port = serve(make_node, options)
    for data in (b"", b"x" * 65507):
        peer.sendto(data, ("127.0.0.1", port))
    await node.endpoint.until(lambda: len(node.endpoint.received) == 2)
    assert [len(data) for data, _ in node.endpoint.received] == [0, 65507]


async def test_exception_hurts_one_wake_up_only(
    make_node: MakeNode, options: UdpOptions, peer: socket.socket
) -> None:
    node, port = serve(make_node, options)

    def answer(data: bytes, flow: Flow) -> None:
        if data == b"bad":
            raise RuntimeError("planted")
        node.endpoint.echo(data, flow)

    node.endpoint.answer = answer
    peer.sendto(b"bad", ("127.0.0.1", port))
    await node.endpoint.until(lambda: len(node.endpoint.received) == 1)
    peer.sendto(b"good", ("127.0.0.1", port))
    assert await receive(peer) == b"good"
    assert node.driver.stats.faults == 1


async def test_icmp_error_is_reported_and_breaks_nothing(
    make_node: MakeNode, options: UdpOptions, peer: socket.socket
) -> None:
    node, port = serve(make_node, options)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        dead = gone.getsockname()
    flow = node.driver.flow_to("UDP", *dead, now=0.0)
    assert flow is not None
    live = node.driver.flow_to("UDP", *peer.getsockname(), now=0.0)
    assert live is not None
    for _ in range(5):
        node.driver.send(flow, b"anyone?")
        node.driver.send(live, b"hello")
    for _ in range(5):
        assert await receive(peer) == b"hello"
    await node.endpoint.until(lambda: bool(node.endpoint.failed))
    assert (flow, "refused") in node.endpoint.failed
    assert all(failed is flow for failed, _ in node.endpoint.failed)
    # The listener still hears.
    peer.sendto(b"alive", ("127.0.0.1", port))
    await node.endpoint.until(lambda: bool(node.endpoint.received))


async def test_more_output_than_the_system_takes_at_once(
    make_node: MakeNode, peer: socket.socket, options: UdpOptions
) -> None:
    node, _ = serve(make_node, options)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    flow = node.driver.flow_to("UDP", *peer.getsockname(), now=0.0)
    assert flow is not None
    for i in range(1500):
        node.driver.send(flow, b"%d" % i)
    got = [int(await receive(peer)) for _ in range(1500)]
    assert got == list(range(1500))
    assert node.driver.stats.udp_out == 1500


async def test_too_large_is_dropped_and_the_rest_leaves(
    make_node: MakeNode, options: UdpOptions, peer: socket.socket
) -> None:
    node, _ = serve(make_node, options)
    flow = node.driver.flow_to("UDP", *peer.getsockname(), now=0.0)
    assert flow is not None
    for data in (b"one", b"x" * 70000, b"two"):
        node.driver.send(flow, data)
    assert await receive(peer) == b"one"
    assert await receive(peer) == b"two"
    assert node.driver.stats.udp_dropped == 1
    assert node.endpoint.failed == []


async def test_ipv6(make_node: MakeNode, options: UdpOptions) -> None:
    try:
        node, port = serve(make_node, options, "::1")
    except BindError:
        pytest.skip("no IPv6 loopback here")
    node.endpoint.answer = node.endpoint.echo
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer:
        peer.bind(("::1", 0))
        peer.setblocking(False)
        peer.sendto(b"six", ("::1", port))
        assert await receive(peer) == b"six"
        flow = node.endpoint.received[0][1]
        assert flow.remote == peer.getsockname()[:2]
        assert flow.sent_by == f"[::1]:{port}".encode()
        assert node.driver.flow_to("UDP", "::1", peer.getsockname()[1], now=0.0) is flow


async def test_wildcard_listener_names_the_address_the_peer_can_reach(
    make_node: MakeNode, options: UdpOptions, peer: socket.socket
) -> None:
    node, port = serve(make_node, options, "0.0.0.0")
    peer.sendto(b"x", ("127.0.0.1", port))
    await node.endpoint.until(lambda: bool(node.endpoint.received))
    assert node.endpoint.received[0][1].local == ("127.0.0.1", port)


async def test_wildcard_listener_answers_from_the_address_that_was_asked(
    make_node: MakeNode, options: UdpOptions, peer: socket.socket
) -> None:
    node, port = serve(make_node, options, "0.0.0.0")
    node.endpoint.answer = node.endpoint.echo
    asked = ["127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.3"]
    for host in asked:
        peer.sendto(host.encode(), (host, port))
    answers = [await receive_from(peer) for _ in asked]
    assert sorted(answers) == sorted((host.encode(), (host, port)) for host in asked)
    flows = [flow for _, flow in node.endpoint.received]
    assert [flow.local for flow in flows] == [(host, port) for host in asked]
    assert flows[0] is flows[2]
    assert flows[1].sent_by == f"127.0.0.2:{port}".encode()
    # A target nobody was heard from: the address is the system's choice.
    assert node.driver.flow_to("UDP", *peer.getsockname(), now=0.0) is flows[0]


async def test_wildcard_listener_of_ipv6_answers_from_the_address_that_was_asked(
    make_node: MakeNode, options: UdpOptions
) -> None:
    node, port = serve(make_node, options, "::")
    node.endpoint.answer = node.endpoint.echo
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer:
        peer.bind(("::1", 0))
        peer.setblocking(False)
        peer.sendto(b"six", ("::1", port))
        data, source = await receive_from(peer)
        assert (data, source[:2]) == (b"six", ("::1", port))
        flow = node.endpoint.received[0][1]
        assert flow.local == ("::1", port)
        assert node.driver.flow_to("UDP", "::1", peer.getsockname()[1], now=0.0) is flow


async def test_group_that_was_asked_is_no_address_to_answer_from(
    make_node: MakeNode, options: UdpOptions
) -> None:
    node, port = serve(make_node, options, "::")
    channel = node.driver.udp_socket(node.driver.listeners[0])
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer:
        peer.bind(("::1", 0))
        known = channel.flow_for("::1", peer.getsockname()[1])
        # As if it had sent to the group of all nodes, of which every host is a member.
        address, _ = channel._split(known.peer)
        flow = channel._missing(channel._join(address, packed("ff02::1")))
        assert flow.local == ("::1", port)
        node.driver.send(flow, b"here")
        data, source = await receive_from(peer)
        assert (data, source[:2]) == (b"here", ("::1", port))


async def test_icmp_error_finds_the_flow_of_a_wildcard_listener(
    make_node: MakeNode, options: UdpOptions
) -> None:
    node, port = serve(make_node, options, "0.0.0.0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        gone.sendto(b"x", ("127.0.0.2", port))
        await node.endpoint.until(lambda: bool(node.endpoint.received))
    flow = node.endpoint.received[0][1]
    node.driver.send(flow, b"anyone?")
    await node.endpoint.until(lambda: bool(node.endpoint.failed))
    assert node.endpoint.failed == [(flow, "refused")]


async def test_advertised_host_stands_in_the_via(make_node: MakeNode) -> None:
    node = make_node(advertise="sip.ims.test")
    bound = node.driver.add_udp("127.0.0.1", 0)
    flow = node.driver.flow_to("UDP", "127.0.0.1", 9, now=0.0)
    assert flow is not None
    assert flow.sent_by == f"sip.ims.test:{bound.port}".encode()


async def test_ban_costs_the_source_everything(
    make_node: MakeNode, options: UdpOptions, peer: socket.socket
) -> None:
    node, port = serve(make_node, options)
    node.driver.ban("127.0.0.1", time.monotonic() + 60)
    peer.sendto(b"unheard", ("127.0.0.1", port))
    await until(lambda: node.driver.stats.banned == 1)
    assert node.endpoint.received == []
    node.driver.ban("127.0.0.1", time.monotonic())
    peer.sendto(b"heard", ("127.0.0.1", port))
    await node.endpoint.until(lambda: bool(node.endpoint.received))
    assert node.endpoint.received[0][0] == b"heard"


async def test_flows_are_bounded(make_node: MakeNode) -> None:
    node, _ = serve(make_node, UdpOptions(flows=4))
    channel = node.driver.udp_socket(node.driver.listeners[0])
    first = channel.flow_for("127.0.0.1", 1000)
    for i in range(50):
        channel.flow_for("127.0.0.1", 2000 + i)
    assert len(channel._young) + len(channel._old) <= 4
    assert channel.flow_for("127.0.0.1", 1000) is not first


@pytest.mark.parametrize(
    ("host", "port"),
    [("0.0.0.0", 5060), ("224.0.0.1", 5060), ("255.255.255.255", 5060), ("127.0.0.1", 0),
     ("example.org", 5060), ("::1", 5060), ("", 5060), ("::", 5060)],
)  # fmt: skip
async def test_impossible_targets(make_node: MakeNode, host: str, port: int) -> None:
    node, _ = serve(make_node, UdpOptions())
    assert node.driver.flow_to("UDP", host, port, now=0.0) is None


async def test_own_listener_is_no_target(make_node: MakeNode) -> None:
    node, port = serve(make_node, UdpOptions())
    assert node.driver.flow_to("UDP", "127.0.0.1", port, now=0.0) is None


async def test_taken_port_names_address_and_setting(make_node: MakeNode) -> None:
    node, port = serve(make_node, UdpOptions())
    with pytest.raises(BindError) as caught:
        node.driver.add_udp("127.0.0.1", port, setting="listen")
    assert str(caught.value) == (
        f"cannot open udp:127.0.0.1:{port} (setting listen): address already in use"
    )


async def test_timer_fires_when_due(make_node: MakeNode) -> None:
    node, _ = serve(make_node, UdpOptions())
    start = time.monotonic()
    node.endpoint.deadline = start + 0.05
    node.driver.wake()
    await node.endpoint.until(lambda: node.endpoint.deadline is None)
    assert node.endpoint.fired[-1] >= start + 0.05


async def test_earlier_deadline_moves_the_timer(make_node: MakeNode) -> None:
    node, _ = serve(make_node, UdpOptions())
    node.endpoint.deadline = time.monotonic() + 60
    node.driver.wake()
    await asyncio.sleep(0)
    node.endpoint.deadline = time.monotonic() + 0.02
    node.driver.wake()
    await node.endpoint.until(lambda: node.endpoint.deadline is None)


async def test_after_batch_output_leaves_in_the_same_wake_up(
    make_node: MakeNode, options: UdpOptions, peer: socket.socket
) -> None:
    node, port = serve(make_node, options)

    def after(now: float) -> None:
        for data, flow in node.endpoint.received:
            node.driver.send(flow, b"late " + data)
        node.endpoint.received.clear()

    node.driver.after_batch = after
    peer.sendto(b"x", ("127.0.0.1", port))
    assert await receive(peer) == b"late x"


async def test_fault_while_opening_is_counted_not_lost(make_node: MakeNode) -> None:
    node, _ = serve(make_node, UdpOptions())

    async def broken() -> None:
        raise RuntimeError("planted")

    node.driver.spawn(broken())
    await until(lambda: node.driver.stats.faults == 1)


async def test_nothing_runs_after_close(make_node: MakeNode) -> None:
    node, _ = serve(make_node, UdpOptions())
    await node.driver.close(0.1)
    node.endpoint.deadline = 0.0
    batches: list[float] = []
    node.driver.after_batch = batches.append
    node.driver.wake()
    await asyncio.sleep(0.02)
    assert batches == []
    assert node.endpoint.deadline == 0.0


async def test_broken_hook_and_broken_tap_stop_nothing(
    make_node: MakeNode, options: UdpOptions, peer: socket.socket
) -> None:
    node, port = serve(make_node, options)
    node.endpoint.answer = node.endpoint.echo

    def broken(*_: object) -> None:
        raise RuntimeError("planted")

    node.driver.after_batch = broken
    node.driver.tap = broken
    peer.sendto(b"hello", ("127.0.0.1", port))
    assert await receive(peer) == b"hello"
    assert node.driver.stats.faults >= 3


# Sizes of datagrams to one destination: runs of one length, shorter and longer ones between them,
# empty ones, and some that an Ethernet would fragment.
SIZES = [900, 900, 900, 300, 900, 900, 0, 1400, 1400, 1500, 1500, 3000, 1, 2, 2, *[700] * 150]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("takes_segments", [True, False])
async def test_output_to_several_peers_arrives_in_the_order_of_each(
    make_node: MakeNode, options: UdpOptions, host: str, takes_segments: bool
) -> None:
    node, port = serve(make_node, options, host)
    if not takes_segments:  # udp(7): there are none without checksums
        node.driver._udp[0]._socket.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    with contextlib.ExitStack() as opened:
        peers = []
        for _ in range(3):
            peer = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            peer.bind(("127.0.0.1", 0))
            peers.append(peer)
        sent: list[list[bytes]] = [[] for _ in peers]
        ports = [peer.getsockname()[1] for peer in peers]
        flows = [node.driver.flow_to("UDP", "127.0.0.1", known, 0.0) for known in ports]
        for number, size in enumerate(SIZES):
            which = number % 2 + (number % 5 == 4)
            sent[which].append(bytes([number]) * size)
            flow = flows[which]
            assert flow is not None
            node.driver.send(flow, sent[which][-1])
        node.driver.finish(0.0)
        for peer, expected in zip(peers, sent, strict=True):
            for datagram in expected:
                got, (source, source_port) = await receive_from(peer)
                assert got == datagram
                assert (source, source_port) == ("127.0.0.1", port)
