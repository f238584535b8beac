# SPDX-License-Identifier: Apache-2.0
"""One WebSocket connection: handshake, frames, keep-alive (RFC 6455)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from .websockets import Service, WebSockets

__all__ = ["WebSocket"]

_OUTPUT_HIGH = 64 * 1024
_OUTPUT_LOW = 16 * 1024
#: Frames one message may come in.
_MOST_FRAMES = 1024
#: How long the other side may take to confirm that the connection ends.
_CLOSING_S = 2.0

_quiet = logging.getLogger("imsnode.http.frames")
_quiet.setLevel(logging.CRITICAL)  # what strangers do wrong is counted, not told line by line


class WebSocket(asyncio.Protocol, asyncio.Transport):
    """A protocol to the socket, and to its user a transport that keeps messages apart.

    Each ``write`` sends one message, each ``data_received`` of the user is one. The user is a
    protocol of the service that the path names, and exists from the 101 on. Compression is not
    offered, so that a message is never larger than what came (rule H1).
    """

    def __init__(self, table: WebSockets) -> None:
        asyncio.Transport.__init__(self)
        self.service = ""
        self._table = table
        self._frames = ServerProtocol(logger=_quiet)
        self._wire: asyncio.Transport
        self._user: asyncio.Protocol | None = None
        self._parts: list[bytes] = []
        self._text = False
        self._reading = True
        self._heard = self._half_since = self._pinged = self._closing_since = 0.0

    # -- from the socket -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Know the socket; the request comes next."""
        self._wire = cast(asyncio.Transport, transport)
        self._wire.set_write_buffer_limits(_OUTPUT_HIGH, _OUTPUT_LOW)

    def data_received(self, data: bytes) -> None:
        """Answer the handshake, then put messages together and hand them on."""
        self._heard = now = self._table.now()
        self._pinged = 0.0
        self._frames.receive_data(data)
        events = self._frames.events_received()
        for event in events:
            if isinstance(event, Request):
                self._greet(event)
            elif isinstance(event, Frame) and event.opcode in (
                Opcode.TEXT,
                Opcode.BINARY,
                Opcode.CONT,
            ):
                self._gather(event)
        if events and not self._parts:
            self._half_since = 0.0
        elif not self._half_since:
            self._half_since = now
        if self._frames.parser_exc is not None:
            self._table.stats.broken += 1
        self._flush()

    def pause_writing(self) -> None:
        """Let the user wait; both users read nothing more then, so pongs cannot pile up either."""
        if self._user is not None:
            self._user.pause_writing()

    def resume_writing(self) -> None:
        """Let the user go on."""
        if self._user is not None:
            self._user.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the user."""
        user, self._user = self._user, None
        if user is not None:
            self._table.left(self)
            user.connection_lost(exc)

    # -- handshake -------------------------------------------------------------------------------

    def _greet(self, request: Request) -> None:
        response = self._answer(request)
        self._frames.send_response(response)
        self._flush()
        user = self._user
        if user is not None:
            self._table.joined(self)
            user.connection_made(self)

    def _answer(self, request: Request) -> Response:
        frames, table = self._frames, self._table
        secure = self._wire.get_extra_info("sslcontext") is not None
        service = table.service(request.path)
        if service is None:
            table.stats.malformed += 1
            return frames.reject(404, "There is nothing here.\n")
        host, origin = (_only(request.headers.get_all(name)) for name in ("Host", "Origin"))
        refusal = table.origins.refusal(host, origin)
        if not refusal and not secure and not service.plain:
            refusal = "This is for wss: alone"
        if refusal:
            table.stats.forbidden += 1
            return frames.reject(403, refusal + ".\n")
        frames.available_subprotocols = [Subprotocol(service.name)]
        frames.max_message_size = service.message_bytes
        response = frames.accept(request)
        if response.status_code != 101:
            table.stats.malformed += 1
            return response
        self._user = self._begin(service, secure)
        if self._user is None:
            response = frames.reject(503, "There is no room for it now.\n")
            response.headers["Retry-After"] = "30"
        elif origin is not None:
            response.headers["Access-Control-Allow-Origin"] = origin  # RFC 7977 7
        return response

    def _begin(self, service: Service, secure: bool) -> asyncio.Protocol | None:
        self.service = service.name
        ends = self._wire.get_extra_info("sockname"), self._wire.get_extra_info("peername")
        if not all(ends):
            return None  # the peer has gone already
        local, remote = ((str(end[0]).partition("%")[0], int(end[1])) for end in ends)
        return service.begin(secure, local, remote)

    # -- messages --------------------------------------------------------------------------------

    def _gather(self, frame: Frame) -> None:
        """Put a message together and hand it on (5.4)."""
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            if len(self._parts) >= _MOST_FRAMES:
                self._fail(CloseCode.POLICY_VIOLATION)
            return
        message = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        if self._text and not _is_text(message):
            self._fail(CloseCode.INVALID_DATA)
        elif self._user is not None and self._frames.state is State.OPEN:
            self._user.data_received(message)

    def _fail(self, code: CloseCode) -> None:
        if self._frames.state is State.OPEN:
            self._table.stats.broken += 1
            self._frames.fail(code)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send one message: as text where it is text (RFC 7118 4.2)."""
        self.writelines((data,))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send messages, each on its own."""
        frames = self._frames
        if frames.state is not State.OPEN:
            return
        for data in list_of_data:
            if _is_text(data):
                frames.send_text(data)
            else:
                frames.send_binary(data)
        self._flush()

    def _flush(self) -> None:
        out = self._frames.data_to_send()
        if not out:
            return
        self._wire.write(b"".join(out))
        if not out[-1]:  # the library's way to say that the connection ends
            self._wire.close()

    # -- a transport, for the user ---------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the socket's."""
        return self._wire.get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As the socket's."""
        self._wire.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """As the socket's: what has not left yet."""
        return self._wire.get_write_buffer_size()

    def pause_reading(self) -> None:
        """Read nothing more."""
        self._reading = False
        if not self._wire.is_closing():
            self._wire.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._reading = True
        self._heard = self._table.now()
        if not self._wire.is_closing():
            self._wire.resume_reading()

    def is_closing(self) -> bool:
        """True once nothing can be sent any more."""
        return self._frames.state is not State.OPEN or self._wire.is_closing()

    def close(self) -> None:
        """Say that it ends; the socket is closed when the other side has confirmed."""
        if self._closing_since:
            return
        self._closing_since = self._table.now()
        if self._frames.state is not State.OPEN:
            self._wire.close()
            return
        self._frames.send_close(CloseCode.GOING_AWAY)
        self._flush()
        self.resume_reading()

    def abort(self) -> None:
        """End it at once."""
        self._wire.abort()

    # -- time ------------------------------------------------------------------------------------

    def check(self, now: float) -> None:
        """Do what is due; called about every second.

        A ping keeps NATs and proxies from forgetting the connection; whoever answers none is gone.
        While nothing is read no answer can be seen.
        """
        table = self._table
        if self._closing_since:
            if now - self._closing_since > _CLOSING_S:
                self.abort()
        elif not self._reading:
            return
        elif self._half_since and now - self._half_since > table.partial_s:
            table.stats.slow += 1
            self.close()
        elif self._pinged and now - self._pinged > table.ping_s:
            table.stats.unanswered += 1
            self.abort()
        elif not self._pinged and now - self._heard > table.ping_s:
            self._pinged = now
            self._frames.send_ping(b"")
            self._flush()


def _only(values: list[str]) -> str | None:
    """Return the value of a header; "", which nothing is, where it came more than once."""
    return (values[0] if len(values) == 1 else "") if values else None


def _is_text(data: bytes | bytearray | memoryview) -> bool:
    octets = bytes(data)
    if octets.isascii():
        return True
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True
