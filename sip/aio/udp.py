# SPDX-License-Identifier: Apache-2.0
"""UDP: a drain loop of our own instead of one callback per datagram.

One wake-up reads what waits, up to a bound, hands all of it to the endpoint, and sends the answers
together. With the compiled module `_mmsg` a system call carries up to 64 datagrams.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..flow import Flow
from . import pktinfo
from .listener import Address, Bound, local_address

if TYPE_CHECKING:
    from .driver import Driver

_batches: Callable[[int, int, bool], Batch] | None
try:
    from ._mmsg import Batch

    _batches = Batch
except ImportError:  # built without a C compiler
    _batches = None

# A socket address: raw octets (struct sockaddr) with _mmsg, the tuple of the socket module without.
# A listener on every address has our own packed address with it: behind the octets, or as the
# second of a pair. Any: a socket uses one form for its life, and a tuple differs by family.
Peer = Any

_LARGEST = 65535
_BATCH = 64
_ERRORS_PER_WAKE = 64
# Output beyond this many datagrams leaves at once, also in the middle of a wake-up.
_EAGER_FLUSH = 512
# Linux values that the socket module of Python 3.11 does not name.
_IP_RECVERR = 11
_IPV6_RECVERR = 25
# Octets of struct sockaddr_in and sockaddr_in6.
_V4_NAME = 16
_V6_NAME = 28
_EXTENDED_ERROR = struct.Struct("=IBBBB")
_ORIGIN_ICMP = 2
_ORIGIN_ICMP6 = 3
# Errors that speak of one destination, not of our socket.
_DESTINATION_ERRORS = frozenset(
    (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EPERM,
     errno.EACCES, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EINVAL)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class UdpOptions:
    """Sizes of one UDP listener; buffers in octets, the rest in datagrams or addresses."""

    receive_buffer_bytes: int = 8 << 20
    send_buffer_bytes: int = 4 << 20
    datagrams_per_wake: int = 128
    queued: int = 4096
    flows: int = 65536
    batched: bool = True
    reuse_port: bool = False


class UdpFlow(Flow):
    """The pair of a UDP listener and one remote address."""

    __slots__ = ("channel", "peer")

    def __init__(
        self, channel: UdpSocket, local: Address, remote: Address, peer: Peer, sent_by: bytes
    ) -> None:
        super().__init__("UDP", local, remote, sent_by=sent_by)
        self.channel = channel
        self.peer: Peer = peer


class UdpSocket:
    """One bound UDP socket and the flows seen on it.

    Limits: `flows` remote addresses are remembered in two generations; an address that was silent
    for a whole generation gets a new flow object when it speaks again. A flow holds no state.
    """

    __slots__ = (
        "_batch", "_blocked", "_driver", "_fd", "_half", "_local", "_marked", "_old", "_options",
        "_out", "_peers", "_poller", "_scratch", "_sent_by", "_socket", "_young", "bound",
    )  # fmt: skip

    def __init__(
        self, driver: Driver, opened: socket.socket, bound: Bound, options: UdpOptions
    ) -> None:
        self.bound = bound
        self._driver = driver
        self._options = options
        self._socket = opened
        self._fd = opened.fileno()
        self._sent_by = driver.advertised(bound)
        self._local: dict[str, Address] = {}
        self._marked = bound.wildcard
        self._batch = (
            _batches(_BATCH, _LARGEST, self._marked) if _batches and options.batched else None
        )
        self._scratch = bytearray(0 if self._batch else _LARGEST)
        self._young: dict[Peer, UdpFlow] = {}
        self._old: dict[Peer, UdpFlow] = {}
        self._half = max(1, options.flows // 2)
        self._out: list[bytes] = []
        self._peers: list[Peer] = []
        self._blocked = False
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.receive_buffer_bytes)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.send_buffer_bytes)
        if self._marked:
            pktinfo.request(opened)
        # RFC 3261 18.4 wants ICMP errors reported, so they are asked for. A pending error shows as
        # POLLERR, on which uvloop stops watching a descriptor for good: the socket therefore sits
        # in an epoll set of its own, and the loop watches that set, which only ever gets readable.
        v6 = opened.family == socket.AF_INET6
        with suppress(OSError):
            if v6:
                opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            else:
                opened.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        self._poller = select.epoll()
        self._poller.register(self._fd, select.EPOLLIN)

    @property
    def pending(self) -> bool:
        """True while datagrams wait that could be sent now."""
        return bool(self._out) and not self._blocked

    @property
    def batched(self) -> bool:
        """True when the compiled batches are in use."""
        return self._batch is not None

    def start(self) -> None:
        """Let the loop wake us when something arrives."""
        self._driver.loop.add_reader(self._poller.fileno(), self._on_ready)

    def close(self) -> None:
        """Send what can be sent at once and close the socket."""
        self.flush()
        self._driver.loop.remove_reader(self._poller.fileno())
        self._poller.close()
        self._socket.close()
        self._out.clear()
        self._peers.clear()

    # -- flows ---------------------------------------------------------------------------------

    def flow_for(self, host: str, port: int) -> UdpFlow:
        """Return the flow to an IP literal of this listener's family."""
        peer: Peer
        if self._batch is not None:
            peer = _pack(host, port)
        elif ":" in host:
            peer = (host, port, 0, 0)
        else:
            peer = (host, port)
        if self._marked:
            peer = self._join(peer, pktinfo.packed(self._local_for(host)[0]))
        return self._young.get(peer) or self._missing(peer)

    def _missing(self, peer: Peer) -> UdpFlow:
        flow = self._young.get(peer)
        if flow is not None:  # the generations changed in the middle of a batch
            return flow
        flow = self._old.pop(peer, None) or self._new_flow(peer)
        if len(self._young) >= self._half:
            self._old = self._young
            # A new dictionary: the compiled reader is handed the current one with every call.
            self._young = {}
        self._young[peer] = flow
        return flow

    def _new_flow(self, peer: Peer) -> UdpFlow:
        address, asked = self._split(peer)
        host, port = _unpack(address) if isinstance(address, bytes) else (address[0], address[1])
        if pktinfo.can_answer(asked):
            local = (pktinfo.literal(asked), self.bound.port)
        else:
            local = self._local_for(host)
            peer = self._join(address, b"")
        return UdpFlow(self, local, (host.partition("%")[0], port), peer, self._sent_by)

    def _join(self, address: Peer, local: bytes) -> Peer:
        if not self._marked:
            return address
        return address + local if self._batch is not None else (address, local)

    def _split(self, peer: Peer) -> tuple[Peer, bytes]:
        if not self._marked:
            return peer, b""
        if self._batch is None:
            return peer[0], peer[1]
        size = _V6_NAME if len(peer) >= _V6_NAME else _V4_NAME
        return peer[:size], peer[size:]

    def _local_for(self, remote: str) -> Address:
        if not self.bound.wildcard:
            return (self.bound.host, self.bound.port)
        local = self._local.get(remote)
        if local is None:
            if len(self._local) >= self._half:
                self._local.clear()
            local = self._local[remote] = local_address(self.bound, remote)
        return local

    # -- in ------------------------------------------------------------------------------------

    def _on_ready(self) -> None:
        driver = self._driver
        now = driver.begin()
        driver.stats.udp_wakeups += 1
        try:
            if self._blocked:
                self._poller.modify(self._fd, select.EPOLLIN)
                self._blocked = False
            if self._batch is not None:
                self._drain_batches(self._batch.receive, now)
            else:
                self._drain_single(now)
        finally:
            driver.finish(now)

    def _drain_batches(self, receive: Callable[..., int], now: float) -> None:
        left = self._options.datagrams_per_wake
        idle = True
        while left > 0:
            payloads: list[bytes] = []
            senders: list[UdpFlow] = []
            try:
                got = receive(self._fd, self._young, self._missing, payloads, senders)
            except OSError:
                self._read_errors()
                left -= 1
                continue
            if got:
                idle = False
                self._driver.deliver_datagrams(payloads, senders, now)
                left -= got
            if got < _BATCH:
                break
        if idle:
            self._read_errors()

    def _drain_single(self, now: float) -> None:
        payloads: list[bytes] = []
        senders: list[UdpFlow] = []
        receive = self._receive_marked if self._marked else self._socket.recvfrom_into
        scratch, known = self._scratch, self._young
        view = memoryview(scratch)
        for _ in range(self._options.datagrams_per_wake):
            try:
                size, peer = receive(scratch)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self._read_errors()
                continue
            payloads.append(bytes(view[:size]))
            flow = known.get(peer)
            if flow is None:
                flow = self._missing(peer)
                known = self._young
            senders.append(flow)
        if payloads:
            self._driver.deliver_datagrams(payloads, senders, now)
        else:
            self._read_errors()

    def _receive_marked(self, scratch: bytearray) -> tuple[int, Peer]:
        size, control, _, address = self._socket.recvmsg_into((scratch,), pktinfo.ROOM)
        return size, (address, pktinfo.asked(control))

    def _read_errors(self) -> None:
        """Take ICMP errors off the socket's error queue and report them by destination."""
        for _ in range(_ERRORS_PER_WAKE):
            try:
                _, control, _, peer = self._socket.recvmsg(0, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return
            self._driver.stats.udp_errors += 1
            for level, _, payload in control:
                known = level in (socket.IPPROTO_IP, socket.IPPROTO_IPV6)
                if not known or len(payload) < _EXTENDED_ERROR.size or not peer:
                    continue
                number, origin, kind, code, _ = _EXTENDED_ERROR.unpack_from(payload)
                if _is_failure(origin, kind, code):
                    key = _pack(peer[0], peer[1]) if self._batch is not None else peer
                    self._report(self._join(key, pktinfo.named(control)), number)

    def _report(self, peer: Peer, number: int) -> None:
        flow = self._young.get(peer) or self._old.get(peer)
        if flow is not None:
            reason = "refused" if number == errno.ECONNREFUSED else "unreachable"
            self._driver.report(flow, reason)

    # -- out -----------------------------------------------------------------------------------

    def transmit(self, flow: UdpFlow, data: bytes) -> None:
        """Queue one datagram; it leaves when the wake-up ends."""
        waiting = len(self._out)
        if waiting >= _EAGER_FLUSH:
            if self._blocked:
                if waiting >= self._options.queued:
                    self._driver.stats.udp_send_full += 1
                    return
            else:
                self.flush()
        self._out.append(data)
        self._peers.append(flow.peer)

    def flush(self) -> None:
        """Send what is queued; what the system does not take now waits for the socket."""
        if not self._out or self._blocked:
            return
        out, peers = self._out, self._peers
        sent = self._send_batches(out, peers) if self._batch is not None else self._send_single()
        if sent >= len(out):
            out.clear()
            peers.clear()
            return
        del out[:sent]
        del peers[:sent]
        self._blocked = True
        self._poller.modify(self._fd, select.EPOLLIN | select.EPOLLOUT)

    def _send_batches(self, out: list[bytes], peers: list[Peer]) -> int:
        assert self._batch is not None
        send, fd, stats = self._batch.send, self._fd, self._driver.stats
        done, total, retried = 0, len(out), -1
        while done < total:
            try:
                sent = send(fd, out, peers, done)
            except OSError as error:
                # The first may only have met an ICMP error that an earlier datagram caused.
                if retried == done:
                    self._refused(peers[done], error)
                    done += 1
                else:
                    retried = done
                continue
            if not sent:
                break
            done += sent
            stats.udp_out += sent
        return done

    def _send_single(self) -> int:
        out, peers, stats = self._out, self._peers, self._driver.stats
        send = self._send_marked if self._marked else self._socket.sendto
        done, total, retried = 0, len(out), -1
        while done < total:
            try:
                send(out[done], peers[done])
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                if retried != done:
                    retried = done
                    continue
                self._refused(peers[done], error)
                done += 1
                continue
            done += 1
            stats.udp_out += 1
        return done

    def _send_marked(self, data: bytes, peer: Peer) -> int:
        address, local = peer
        return self._socket.sendmsg((data,), pktinfo.mark(local), 0, address)

    def _refused(self, peer: Peer, error: OSError) -> None:
        self._driver.stats.udp_dropped += 1
        if error.errno in _DESTINATION_ERRORS:
            self._report(peer, error.errno or 0)


def _is_failure(origin: int, kind: int, code: int) -> bool:
    """Tell errors that end an attempt from those that do not (RFC 3261 18.4).

    Unreachable host, network, port and protocol and parameter problems do; time exceeded, source
    quench and a too large packet do not.
    """
    if origin == _ORIGIN_ICMP:
        return (kind == 3 and code != 4) or kind == 12
    return origin == _ORIGIN_ICMP6 and kind in (1, 4)


def _pack(host: str, port: int) -> bytes:
    """Return struct sockaddr_in or sockaddr_in6 as the kernel hands it out."""
    if ":" in host:
        return struct.pack(
            "=H2sI16sI", socket.AF_INET6, port.to_bytes(2, "big"), 0,
            socket.inet_pton(socket.AF_INET6, host), 0,
        )  # fmt: skip
    return struct.pack("=H2s4s8x", socket.AF_INET, port.to_bytes(2, "big"), socket.inet_aton(host))


def _unpack(peer: bytes) -> tuple[str, int]:
    port = int.from_bytes(peer[2:4], "big")
    if len(peer) >= _V6_NAME:
        return socket.inet_ntop(socket.AF_INET6, peer[8:24]), port
    return socket.inet_ntoa(peer[4:8]), port
