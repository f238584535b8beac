# SPDX-License-Identifier: Apache-2.0
"""One MSRP connection: octets to chunks, chunks to octets, and who waits for whom."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import hmac
import socket
import sys
import termios
from typing import TYPE_CHECKING, cast

from session_msrp.anchor import Leg
from session_msrp.chunk import Body
from session_msrp.errors import FramingError
from session_msrp.framer import Framer
from sip.certificates import host_names

if TYPE_CHECKING:
    from .connections import Connections
    from .ends import End

__all__ = ["Connection"]

_OUTPUT_HIGH = 64 * 1024
_OUTPUT_LOW = 16 * 1024
_IDLE_S = 300  # without a word after which a peer is asked whether it is there
_JOINED_BYTES = 4096  # parts that are smaller on average are cheaper in one piece
_HASHES = {b"sha-256": hashlib.sha256, b"sha-384": hashlib.sha384, b"sha-512": hashlib.sha512}


class Connection(asyncio.Protocol):
    """The protocol object of one connection, inbound or opened by us; a `Link` of the anchor.

    What is written while the loop handles one wake-up leaves in one piece. When the peer does not
    read, those who send to it are not read either: ``held`` has whom this one waits for. legs: the
    ends that are reached over it; ends: those of our own that use it. local: our own address and
    port, once it stands.
    """

    __slots__ = ("_framer", "_out", "_out_bytes", "_table", "_transport", "choked_since", "closing",
                 "ends", "fingerprint", "held", "inbound", "last", "legs", "local", "names",
                 "opened", "reason", "remote", "secure", "source")  # fmt: skip

    def __init__(
        self, table: Connections, remote: tuple[str, int], source: str, secure: bool, inbound: bool
    ) -> None:
        self.remote = remote
        self.local = ("", 0)
        self.source = source
        self.secure = secure
        self.inbound = inbound
        self.legs: set[Leg] = set()
        self.ends: set[End] = set()
        self.held: set[object] = set()
        self.opened = self.last = table.now()
        # Nothing can leave before a connection of ours stands: whoever sends to it waits.
        self.choked_since = 0.0 if inbound else self.opened
        self.closing = False
        self.names: frozenset[str] = frozenset()
        self.reason = ""
        #: What the peer's certificate must be, as a=fingerprint has it; b"" asks an authority.
        self.fingerprint = b""
        self._table = table
        self._framer = Framer(table.limits.msrp)
        self._transport: asyncio.Transport | None = None
        self._out: list[Body] = []
        self._out_bytes = 0

    # -- asyncio.Protocol ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what waited."""
        stream = cast(asyncio.Transport, transport)
        self._transport = stream
        if self.fingerprint and not _matches(_certificate(stream), self.fingerprint):
            self.reason = "the certificate is not the one in the SDP"
            self.closing = True
        if self.closing:
            stream.abort()
            return
        certificate = stream.get_extra_info("peercert")
        if certificate:
            self.names = host_names(certificate)
        raw: socket.socket = stream.get_extra_info("socket")
        local = stream.get_extra_info("sockname")
        self.local = (str(local[0]).partition("%")[0], int(local[1]))
        _prepare(raw, self._table.limits.stall_s)
        stream.set_write_buffer_limits(_OUTPUT_HIGH, _OUTPUT_LOW)
        self.opened = self.last = self._table.now()
        if self.held:
            stream.pause_reading()
        if not self.inbound:
            self.resume_writing()
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Cut the octets into chunks and pass them on."""
        if self.closing:
            return
        table = self._table
        self.last = table.now()
        self._framer.feed(data)
        try:
            self._take()
        except FramingError as error:
            table.stats.framing_errors += 1
            self.close(error.reason)
        table.flush()

    def _take(self) -> None:
        """Pass on what is complete. Raises: FramingError."""
        table, framer, now = self._table, self._framer, self.last
        while (chunk := framer.next()) is not None:
            table.receive(chunk, self, now)

    def eof_received(self) -> bool:
        """End with the peer; half a session is none."""
        return False

    def pause_writing(self) -> None:
        """Read nothing more from this peer and from those who send to it."""
        self.choked_since = self._table.now()
        self.hold(self)
        for leg in self.legs:
            sender = leg.other.link
            if sender is not None:
                sender.hold(self)
        if self._table.relay is not None:
            self._table.relay.choked(self)

    def resume_writing(self) -> None:
        """Read on."""
        self.choked_since = 0.0
        self.release(self)
        self._table.released(self)
        for end in list(self.ends):
            end.pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the sessions that used it."""
        self.closing = True
        self._table.lost(self, self.reason or ("closed" if exc is None else "reset"))

    # -- flow control --------------------------------------------------------------------------

    def hold(self, whom: object) -> None:
        """Read nothing more until `whom` can take it."""
        if not self.held and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
        self.held.add(whom)
        self._table.holding.add(self)

    def release(self, whom: object) -> None:
        """Read on unless somebody else has to be waited for."""
        if whom not in self.held:
            return
        self.held.discard(whom)
        if self.held:
            return
        self._table.holding.discard(self)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def bound(self, leg: Leg) -> None:
        """Carry an end from now on."""
        self.legs.add(leg)
        sender = leg.other.link
        if sender is not None:
            sender.release(leg)
            if self.choked_since:
                sender.hold(self)
        if isinstance(sender, Connection) and sender.choked_since:
            self.hold(sender)

    # -- out -----------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """True once the transport exists (for TLS: after the handshake)."""
        return self._transport is not None

    @property
    def mid_chunk(self) -> bool:
        """True while a chunk has begun and is not complete."""
        return self._framer.mid_chunk

    @property
    def unacknowledged(self) -> bool:
        """True while the peer's TCP has not confirmed all that was written, or there is no peer."""
        transport = self._transport
        if transport is None or transport.is_closing() or self._out:
            return True
        raw: socket.socket = transport.get_extra_info("socket")
        queued = fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, bytes(4))
        return bool(transport.get_write_buffer_size() or int.from_bytes(queued, sys.byteorder))

    def write(self, data: Body) -> None:
        """Send with everything else that is written in this wake-up."""
        if not self._out:
            self._table.dirty.append(self)
        self._out.append(data)
        self._out_bytes += len(data)

    def write_large(self, head: bytes, body: Body, end: bytes) -> None:
        """Send a chunk without putting it together."""
        self.write(head)
        self.write(body)
        self.write(end)

    def flush(self) -> None:
        """Hand over what was written; a peer that leaves too much unread is cut off."""
        transport = self._transport
        if transport is None or not self._out:
            return
        out, size = self._out, self._out_bytes
        self._out, self._out_bytes = [], 0
        if transport.is_closing():
            return
        self._hand_over(transport, out, size)
        if transport.get_write_buffer_size() > self._table.limits.output_bytes:
            self._table.stats.closed_output += 1
            self.abort("too much unread")

    def _hand_over(self, transport: asyncio.Transport, out: list[Body], size: int) -> None:
        if size < _JOINED_BYTES * len(out):
            transport.write(b"".join(out))
        else:
            transport.writelines(out)

    def close(self, reason: str) -> None:
        """Close after the output has left; nothing that arrives from now on is looked at."""
        if self.closing:
            return
        self.flush()
        self.closing = True
        self.reason = reason
        if self._transport is None:
            self._table.lost(self, reason)
        else:
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Close at once, whatever waits to be sent."""
        self.closing = True
        self.reason = self.reason or reason
        if self._transport is None:
            self._table.lost(self, self.reason)
        else:
            self._transport.abort()


def _prepare(opened: socket.socket, patience_s: float) -> None:
    """Have nothing delayed, and whoever vanished noticed: sessions may be silent for hours."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_S)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(patience_s * 1000))


def _certificate(transport: asyncio.Transport) -> bytes:
    tls = transport.get_extra_info("ssl_object")
    return (tls.getpeercert(binary_form=True) or b"") if tls is not None else b""


def _matches(certificate: bytes, fingerprint: bytes) -> bool:
    """Hold a certificate against an a=fingerprint before anything is sent (RFC 8122 5)."""
    name, _, value = fingerprint.partition(b" ")
    method = _HASHES.get(name.lower())
    if method is None or not certificate:
        return False
    seen = method(certificate).hexdigest().encode()
    return hmac.compare_digest(seen, value.strip().replace(b":", b"").lower())
