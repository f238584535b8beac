# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from imsnode.tls import CertificateFiles, client_context, self_signed, server_context
from sip.aio import Bound, StreamLimits
from sip.flow import Flow

from .conftest import MakeNode, Node, message, until

QUICK = StreamLimits(
    partial_s=0.1, first_message_s=0.2, idle_s=0.4, linger_s=0.1, connect_s=0.5, handshake_s=0.3
)


class Peer:
    """A client that speaks over a plain asyncio stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self, size: int) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Read until the other side closes."""
        async with asyncio.timeout(5):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


class Peers:
    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self, bound: Bound, context: ssl.SSLContext | None = None) -> Peer:
        name = "127.0.0.1" if context is not None else None
        reader, writer = await asyncio.open_connection(
            bound.host, bound.port, ssl=context, server_hostname=name
        )
        self._writers.append(writer)
        return Peer(reader, writer)

    async def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    opened = Peers()
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    files = self_signed(tmp_path_factory.mktemp("tls"), ["ims.test"])
    return files.cert, files.key


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A listener that never accepts."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        opened.listen(1)
        yield opened


def serve(make_node: MakeNode, limits: StreamLimits | None = None) -> tuple[Node, Bound]:
    node = make_node(streams=limits or StreamLimits(linger_s=0.1))
    bound = node.driver.add_tcp("127.0.0.1", 0)
    node.driver.start()
    return node, bound


async def test_messages_and_flow(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node)
    node.endpoint.answer = node.endpoint.echo
    peer = await peers.connect(bound)
    first, second = message(), message("MESSAGE", b"hi")
    peer.writer.write(first + second)
    assert await peer.read(len(first + second)) == first + second
    flows = {flow for _, flow in node.endpoint.received}
    assert len(flows) == 1
    flow = flows.pop()
    assert (flow.transport, flow.reliable, flow.secure) == ("TCP", True, False)
    assert flow.local == ("127.0.0.1", bound.port)
    assert flow.remote == peer.writer.get_extra_info("sockname")


async def test_message_cut_anywhere(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node)
    peer = await peers.connect(bound)
    whole = message("MESSAGE", b"hello")
    for i in range(len(whole)):
        peer.writer.write(whole[i : i + 1])
        await asyncio.sleep(0)
    await node.endpoint.until(lambda: len(node.endpoint.received) == 1)
    assert node.endpoint.received[0][0] == whole


async def test_ping_is_answered(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node)
    peer = await peers.connect(bound)
    peer.writer.write(b"\r\n\r\n")
    assert await peer.read(2) == b"\r\n"
    assert node.driver.stats.pings == 1


async def test_many_messages_at_once_let_others_in(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node)
    loud, quiet = await peers.connect(bound), await peers.connect(bound)
    loud.writer.write(message() * 1000)
    quiet.writer.write(message("INFO"))
    await node.endpoint.until(lambda: len(node.endpoint.received) == 1001)
    position = [data.startswith(b"INFO") for data, _ in node.endpoint.received].index(True)
    assert position < 1000


async def test_framing_error_is_answered_and_nothing_more_is_parsed(
    make_node: MakeNode, peers: Peers
) -> None:
    node, bound = serve(make_node)
    peer = await peers.connect(bound)
    bad = message().replace(b"Content-Length: 0", b"Content-Length: +0")
    peer.writer.write(message() + bad + message("INFO"))
    answer = await peer.rest()
    assert answer.startswith(b"SIP/2.0 400 ")
    assert b";branch=z9hG4bK776" in answer
    assert len(node.endpoint.received) == 1
    await node.endpoint.until(lambda: bool(node.endpoint.failed))
    assert node.endpoint.failed[0][1] == "framing"
    assert node.driver.stats.framing_errors == 1


async def test_partial_message_is_given_up(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node, QUICK)
    peer = await peers.connect(bound)
    peer.writer.write(message() + b"OPTIONS sip:")
    assert await peer.rest() == b""
    assert node.driver.stats.closed_partial == 1


async def test_dribbling_does_not_extend_the_time(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node, QUICK)
    peer = await peers.connect(bound)
    start = time.monotonic()
    for octet in message():
        if peer.writer.is_closing() or peer.reader.at_eof():
            break
        peer.writer.write(bytes([octet]))
        await asyncio.sleep(0.02)
    assert time.monotonic() - start < 1
    assert node.driver.stats.closed_partial == 1


async def test_pings_do_not_keep_a_stranger(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node, QUICK)
    peer = await peers.connect(bound)
    for _ in range(50):
        if peer.writer.is_closing() or peer.reader.at_eof():
            break
        peer.writer.write(b"\r\n\r\n")
        await asyncio.sleep(0.02)
    assert node.driver.stats.closed_idle == 1
    await until(lambda: node.driver.stats.connections == 0)


async def test_idle_after_messages_has_its_own_limit(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node, QUICK)
    peer = await peers.connect(bound)
    peer.writer.write(message())
    start = time.monotonic()
    await peer.rest()
    assert time.monotonic() - start > QUICK.first_message_s
    await node.endpoint.until(lambda: bool(node.endpoint.failed))
    assert node.endpoint.failed[0][1] == "idle"


async def test_connections_per_source_and_in_total(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node, StreamLimits(per_source=3, linger_s=0.1))
    live = [await peers.connect(bound) for _ in range(3)]
    for peer in live:
        peer.writer.write(b"\r\n\r\n")
        assert await peer.read(2) == b"\r\n"
    refused = await peers.connect(bound)
    assert await refused.rest() == b""
    assert node.driver.stats.refused_source == 1
    # The first ones live on, and room that is given back can be used again.
    live[0].writer.close()
    await until(lambda: node.driver.stats.connections == 2)
    again = await peers.connect(bound)
    again.writer.write(b"\r\n\r\n")
    assert await again.read(2) == b"\r\n"


async def test_total_limit(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node, StreamLimits(connections=1))
    live = await peers.connect(bound)
    live.writer.write(b"\r\n\r\n")
    assert await live.read(2) == b"\r\n"
    assert await (await peers.connect(bound)).rest() == b""
    assert node.driver.stats.refused_total == 1
    assert node.driver.flow_to("TCP", "127.0.0.1", 9, now=0.0) is None


async def test_reader_that_does_not_read_is_cut_off(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node, StreamLimits(output_bytes=256 * 1024))
    peer = await peers.connect(bound)
    peer.writer.write(message())
    await node.endpoint.until(lambda: bool(node.endpoint.received))
    flow = node.endpoint.received[0][1]
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(2000):
        node.driver.send(flow, b"x" * 10000)
        if flow.closed:
            break
    await node.endpoint.until(lambda: bool(node.endpoint.failed))
    assert node.endpoint.failed == [(flow, "overflow")]
    assert node.driver.stats.closed_output == 1


async def test_choked_connection_is_not_read(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node, StreamLimits(output_bytes=64 << 20))
    peer = await peers.connect(bound)
    peer.writer.write(message())
    await node.endpoint.until(lambda: bool(node.endpoint.received))
    flow = node.endpoint.received[0][1]
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    node.driver.send(flow, b"x" * (16 << 20))
    await asyncio.sleep(0.05)
    peer.writer.write(message("INFO"))
    await asyncio.sleep(0.1)
    assert len(node.endpoint.received) == 1
    peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
    await peer.read(16 << 20)
    await node.endpoint.until(lambda: len(node.endpoint.received) == 2)


async def test_end_of_input_still_gets_the_answer(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node)

    def answer_later(data: bytes, flow: Flow) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, node.driver.send, flow, b"SIP/2.0 200 OK\r\n\r\n")

    node.endpoint.answer = answer_later
    peer = await peers.connect(bound)
    peer.writer.write(message())
    peer.writer.write_eof()
    assert await peer.rest() == b"SIP/2.0 200 OK\r\n\r\n"
    await until(lambda: node.driver.stats.connections == 0)
    assert [reason for _, reason in node.endpoint.failed] == ["closed"]


async def test_who_left_does_not_count_for_its_source(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node, StreamLimits(per_source=1))
    for _ in range(5):
        peer = await peers.connect(bound)
        peer.writer.write(message())
        peer.writer.write_eof()
        seen = len(node.endpoint.received)
        await node.endpoint.until(lambda seen=seen: len(node.endpoint.received) > seen)  # type: ignore[misc]
        await asyncio.sleep(0.01)
    assert node.driver.stats.refused_source == 0
    # Who said nothing has no answer to wait for.
    silent = await peers.connect(bound)
    silent.writer.write_eof()
    assert await silent.rest() == b""


async def test_lost_connection_is_reported_once(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node)
    peer = await peers.connect(bound)
    peer.writer.write(message())
    await node.endpoint.until(lambda: bool(node.endpoint.received))
    flow = node.endpoint.received[0][1]
    opened = peer.writer.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.writer.transport.abort()
    await node.endpoint.until(lambda: bool(node.endpoint.failed))
    assert node.endpoint.failed == [(flow, "reset")]
    assert flow.closed
    # Sending afterwards says so again, and nothing else happens.
    node.driver.send(flow, b"x")
    await node.endpoint.until(lambda: len(node.endpoint.failed) == 2)
    assert node.endpoint.failed[1] == (flow, "closed")


async def test_sending_while_the_connection_dies_never_raises(
    make_node: MakeNode, peers: Peers
) -> None:
    node, bound = serve(make_node)
    peer = await peers.connect(bound)
    peer.writer.write(message())
    await node.endpoint.until(lambda: bool(node.endpoint.received))
    flow = node.endpoint.received[0][1]
    opened = peer.writer.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.writer.transport.abort()
    for _ in range(200):
        node.driver.send(flow, message())
        await asyncio.sleep(0)
    await node.endpoint.until(lambda: bool(node.endpoint.failed))
    assert node.driver.stats.faults == 0


async def test_flow_to_opens_buffers_and_is_used_again(make_node: MakeNode, peers: Peers) -> None:
    node, _ = serve(make_node)
    other, bound = serve(make_node)
    other.endpoint.answer = other.endpoint.echo
    flow = node.driver.flow_to("TCP", "127.0.0.1", bound.port, now=0.0)
    assert flow is not None
    first, second = message(), message("INFO")
    node.driver.send(flow, first)
    node.driver.send(flow, second)
    assert node.driver.flow_to("TCP", "127.0.0.1", bound.port, now=0.0) is flow
    await node.endpoint.until(lambda: len(node.endpoint.received) == 2)
    assert [data for data, _ in node.endpoint.received] == [first, second]
    assert node.driver.flow_to("TCP", "127.0.0.1", bound.port, now=0.0) is flow
    # Via names where we listen, not the port the connection happens to have.
    assert flow.local == ("127.0.0.1", node.driver.listeners[0].port)
    # The peer reaches us over what we opened; it never takes our listener's address for it.
    inbound = other.endpoint.received[0][1]
    assert inbound.remote[1] != node.driver.listeners[0].port


async def test_inbound_connection_is_no_alias(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node)
    peer = await peers.connect(bound)
    peer.writer.write(message())
    await node.endpoint.until(lambda: bool(node.endpoint.received))
    flow = node.endpoint.received[0][1]
    other = node.driver.flow_to("TCP", *flow.remote, now=0.0)
    assert other is not flow


async def test_refused_connection(make_node: MakeNode) -> None:
    node, _ = serve(make_node)
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    flow = node.driver.flow_to("TCP", "127.0.0.1", port, now=0.0)
    assert flow is not None
    node.driver.send(flow, message())
    await node.endpoint.until(lambda: bool(node.endpoint.failed))
    assert node.endpoint.failed == [(flow, "refused")]
    assert flow.closed
    assert node.driver.flow_to("TCP", "127.0.0.1", port, now=0.0) is not flow


async def test_connecting_takes_a_bounded_time(make_node: MakeNode, silent: socket.socket) -> None:
    node, _ = serve(make_node, QUICK)
    fillers = []
    for _ in range(4):  # the kernel's queue of the silent listener is full then
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(silent.getsockname())
        fillers.append(filler)
    flow = node.driver.flow_to("TCP", *silent.getsockname(), now=0.0)
    assert flow is not None
    await node.endpoint.until(lambda: bool(node.endpoint.failed))
    assert node.endpoint.failed == [(flow, "timeout")]
    for filler in fillers:
        filler.close()


async def test_waiting_output_is_bounded(make_node: MakeNode, silent: socket.socket) -> None:
    node, _ = serve(make_node, StreamLimits(output_bytes=1000))
    flow = node.driver.flow_to("TCP", *silent.getsockname(), now=0.0)
    assert flow is not None
    node.driver.send(flow, b"x" * 2000)
    await node.endpoint.until(lambda: bool(node.endpoint.failed))
    assert node.endpoint.failed == [(flow, "overflow")]


async def test_ban_refuses_connections_and_leaves_those_that_are(
    make_node: MakeNode, peers: Peers
) -> None:
    node, bound = serve(make_node)
    peer = await peers.connect(bound)
    peer.writer.write(b"\r\n\r\n")
    await peer.read(2)
    node.driver.ban("127.0.0.1", time.monotonic() + 60)
    peer.writer.write(b"\r\n\r\n")
    assert await peer.read(2) == b"\r\n"
    assert await (await peers.connect(bound)).rest() == b""
    assert node.driver.stats.banned == 1


async def test_tls_both_ways(
    make_node: MakeNode, peers: Peers, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    node = make_node()
    bound = node.driver.add_tls("127.0.0.1", 0, server_context(CertificateFiles(cert, key)))
    node.driver.start()
    node.endpoint.answer = node.endpoint.echo
    peer = await peers.connect(bound, client_context(cert))
    peer.writer.write(message())
    assert await peer.read(len(message())) == message()
    flow = node.endpoint.received[0][1]
    assert (flow.transport, flow.secure) == ("TLS", True)

    caller = make_node(client_tls=client_context(cert))
    caller.driver.add_tls("127.0.0.1", 0, server_context(CertificateFiles(cert, key)))
    out = caller.driver.flow_to("TLS", "127.0.0.1", bound.port, now=0.0, server_name="ims.test")
    assert out is not None
    caller.driver.send(out, message("INFO"))
    await caller.endpoint.until(lambda: bool(caller.endpoint.received))
    assert caller.endpoint.received == [(message("INFO"), out)]


async def test_tls_to_a_stranger_fails(make_node: MakeNode, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    node = make_node()
    bound = node.driver.add_tls("127.0.0.1", 0, server_context(CertificateFiles(cert, key)))
    node.driver.start()
    caller = make_node(client_tls=client_context())
    caller.driver.add_tls("127.0.0.1", 0, server_context(CertificateFiles(cert, key)))
    flow = caller.driver.flow_to("TLS", "127.0.0.1", bound.port, now=0.0)
    assert flow is not None
    await caller.endpoint.until(lambda: bool(caller.endpoint.failed))
    assert caller.endpoint.failed == [(flow, "tls")]


async def test_who_names_somebody_else_hears_nothing(
    make_node: MakeNode, certificate: tuple[Path, Path]
) -> None:
    """RFC 5922 7.3; and what was proven for one domain serves no other at the same address."""
    files = CertificateFiles(*certificate)
    node = make_node()
    bound = node.driver.add_tls("127.0.0.1", 0, server_context(files))
    node.driver.start()
    context = client_context(files.cert)
    context.check_hostname = False
    caller = make_node(client_tls=context)
    caller.driver.add_tls("127.0.0.1", 0, server_context(files))
    good, bad = (
        caller.driver.flow_to("TLS", "127.0.0.1", bound.port, now=0.0, server_name=name)
        for name in ("IMS.test", "other.test")
    )
    assert good is not None
    assert bad is not None
    assert good is not bad
    for flow in (good, bad):
        caller.driver.send(flow, message("INFO"))
    await caller.endpoint.until(lambda: bool(caller.endpoint.failed))
    await node.endpoint.until(lambda: bool(node.endpoint.received))
    assert caller.endpoint.failed == [(bad, "tls")]
    assert caller.driver.stats.misnamed == 1
    assert good.names == {"ims.test"}
    assert len(node.endpoint.received) == 1


async def test_without_a_context_nothing_is_opened_over_tls(
    make_node: MakeNode, certificate: tuple[Path, Path]
) -> None:
    node = make_node()
    node.driver.add_tls("127.0.0.1", 0, server_context(CertificateFiles(*certificate)))
    assert node.driver.flow_to("TLS", "127.0.0.1", 5061, now=0.0) is None


async def test_handshake_is_bounded_in_time_and_number(
    make_node: MakeNode, peers: Peers, certificate: tuple[Path, Path]
) -> None:
    limits = StreamLimits(handshake_s=0.3, handshakes=2, linger_s=0.1)
    node = make_node(streams=limits)
    bound = node.driver.add_tls("127.0.0.1", 0, server_context(CertificateFiles(*certificate)))
    node.driver.start()
    mute = [await peers.connect(bound) for _ in range(2)]
    await until(lambda: node.driver.stats.handshaking == 2)
    assert await (await peers.connect(bound)).rest() == b""
    assert node.driver.stats.refused_handshakes == 1
    for peer in mute:
        await peer.rest()
    await until(lambda: node.driver.stats.connections == 0)
    assert node.driver.stats.handshake_failed == 2
    assert node.driver.stats.handshaking == 0
    # A garbage handshake hurts nobody either.
    noise = await peers.connect(bound)
    noise.writer.write(b"GET / HTTP/1.0\r\n\r\n")
    await noise.rest()
    good = await peers.connect(bound, client_context(certificate[0]))
    good.writer.write(b"\r\n\r\n")
    assert await good.read(2) == b"\r\n"


async def test_close_delivers_what_waits(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node)
    node.endpoint.answer = node.endpoint.echo
    peer = await peers.connect(bound)
    peer.writer.write(message())
    await node.endpoint.until(lambda: bool(node.endpoint.received))
    await node.driver.close(1.0)
    assert await peer.rest() == message()
    with pytest.raises(ConnectionRefusedError):
        await peers.connect(bound)


async def test_stop_accepting_keeps_what_lives(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node)
    node.endpoint.answer = node.endpoint.echo
    peer = await peers.connect(bound)
    peer.writer.write(b"\r\n\r\n")
    await peer.read(2)
    node.driver.stop_accepting()
    with pytest.raises(ConnectionRefusedError):
        await peers.connect(bound)
    peer.writer.write(message())
    assert await peer.read(len(message())) == message()


async def test_tap_hears_both_directions(make_node: MakeNode, peers: Peers) -> None:
    node, bound = serve(make_node)
    node.endpoint.answer = node.endpoint.echo
    heard: list[tuple[str, bytes]] = []
    node.driver.tap = lambda direction, flow, data, now: heard.append((direction, data))
    peer = await peers.connect(bound)
    peer.writer.write(message())
    await peer.read(len(message()))
    assert heard == [("in", message()), ("out", message())]


async def test_a_connection_accepted_elsewhere_counts_for_its_source(make_node: MakeNode) -> None:
    """RFC 7118: the HTTP listener accepts it, the rules for it are those of every connection."""
    node = make_node(streams=StreamLimits(per_source=1))
    here, there = ("127.0.0.1", 8443), ("127.0.0.1", 50000)
    assert node.driver.adopt("WSS", here, there) is None, "nothing is taken before the start"
    node.driver.start()
    taken = node.driver.adopt("WSS", here, there)
    assert taken is not None
    assert taken.flow.secure
    assert taken.flow.via_line(b"z9hG4bK1").startswith(b"Via: SIP/2.0/WSS 127.0.0.1:8443;")
    assert node.driver.adopt("WSS", here, ("127.0.0.1", 50001)) is None
    assert node.driver.stats.refused_source == 1
    taken.abort("closed")
    again = node.driver.adopt("WS", here, there)
    assert again is not None
    assert not again.flow.secure
    again.abort("closed")
    node.driver.stop_accepting()
    assert node.driver.adopt("WS", here, there) is None
