"""What a browser does, without one: SIP and MSRP over WebSocket (RFC 7118, RFC 7977).

Handshake and frames are those of the `websockets` library's client, on one blocking socket.
"""

from __future__ import annotations

import secrets
import socket
import ssl
import time

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri as parse_url

from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.uri import parse_uri
from tests.support.msrp import WAIT_S, MsrpClient
from tests.support.phone import Phone, Reply
from tests.support.room_phone import RoomPhone

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE


class Link:
    """A WebSocket for a subprotocol. Raises: InvalidStatus when it is refused."""

    def __init__(self, url: str, name: str, origin: str | None = None) -> None:
        where = parse_url(url)
        opened = socket.create_connection((where.host, where.port), WAIT_S)
        self.socket = TLS.wrap_socket(opened) if where.secure else opened
        self._frames = ClientProtocol(
            where,
            origin=None if origin is None else Origin(origin),
            subprotocols=[Subprotocol(name)],
        )
        self._parts = b""
        self._messages: list[bytes] = []
        self.pongs = 0
        self._frames.send_request(self._frames.connect())
        self._flush()
        while self._frames.state is State.CONNECTING and self._read(WAIT_S):
            pass
        if self._frames.handshake_exc is not None:
            self.socket.close()
            raise self._frames.handshake_exc

    @property
    def close_code(self) -> int | None:
        """The code that the node closed with."""
        received = self._frames.close_rcvd
        return None if received is None else received.code

    def send(self, data: bytes, text: bool = True) -> None:
        """Send one message."""
        (self._frames.send_text if text else self._frames.send_binary)(data)
        self._flush()

    def ping(self) -> bool:
        """Say whether a ping is answered."""
        self._frames.send_ping(b"")
        self._flush()
        while not self.pongs and self._read(WAIT_S):
            pass
        return self.pongs == 1

    def receive(self, seconds: float = WAIT_S) -> bytes | None:
        """Return the next message, None at the end or when none came in time."""
        end = time.monotonic() + seconds
        while not self._messages:
            left = end - time.monotonic()
            if left <= 0 or not self._read(left):
                return None
        return self._messages.pop(0)

    @property
    def ended(self) -> bool:
        """True when the node has ended the connection."""
        return self._frames.state is State.CLOSED

    def close(self) -> None:
        """Say goodbye and hang up."""
        if self._frames.state is State.OPEN:
            self._frames.send_close(1000)
            self._flush()
        self.socket.close()

    def _read(self, seconds: float) -> bool:
        """Take what comes; False when nothing did, or no more will."""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError):
            return False
        except OSError:
            data = b""
        if not data:
            self._frames.receive_eof()
            return False
        self._frames.receive_data(data)
        for event in self._frames.events_received():
            if not isinstance(event, Frame):
                continue
            if event.opcode is Opcode.PONG:
                self.pongs += 1
            elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._parts += event.data
                if event.fin:
                    self._messages.append(self._parts)
                    self._parts = b""
        self._flush()
        return True

    def _flush(self) -> None:
        for data in self._frames.data_to_send():
            if data:
                self.socket.sendall(data)


class WebPhone(Phone):
    """A user agent in a web page; it does not know its own address."""

    def __init__(self, url: str, user: str, domain: str = "ims.test") -> None:
        self.url = url
        super().__init__(("", 0), user, domain, transport=url.partition(":")[0].upper())

    def open(self, host: str) -> tuple[str, int]:
        self.link = Link(self.url, "sip")
        return f"{secrets.token_hex(6)}.invalid", 443

    @property
    def contact(self) -> str:
        return f"sip:{self.user}@{self.host};transport=ws"

    def close(self) -> None:
        self.link.close()

    def send(self, data: bytes) -> None:
        self.link.send(data)

    def receive(self, seconds: float = 3.0) -> Reply | None:
        data = self.link.receive(seconds)
        return None if data is None else Reply(data)


class _Messages:
    """A WebSocket where `MsrpClient` has a socket. largest: octets of a message that came."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.seconds = WAIT_S
        self.largest = 0

    def settimeout(self, seconds: float) -> None:
        self.seconds = seconds

    def sendall(self, data: bytes) -> None:
        self.link.send(data, text=False)

    def recv(self, _size: int) -> bytes:
        data = self.link.receive(self.seconds)
        if data is None:
            if not self.link.ended:
                raise TimeoutError
            return b""
        framer = Framer(Limits(chunk_bytes=1 << 24))
        framer.feed(data)
        assert framer.next() is not None
        assert not framer.mid_chunk, "more than one chunk in a message"
        self.largest = max(self.largest, len(data))
        return data

    def close(self) -> None:
        self.link.close()


class WebMsrp(MsrpClient):
    """One end of a session in a web page. secure: wss, else ws."""

    def __init__(self, secure: bool = True, types: bytes = b"*") -> None:
        self.secure = secure
        super().__init__(host=f"{secrets.token_hex(6)}.invalid", types=types)
        self.listener.close()

    def renew(self) -> None:
        scheme = "msrps" if self.secure else "msrp"
        self.own = parse_uri(f"{scheme}://{self.host}:2855/{secrets.token_hex(10)};ws".encode())

    def connect(self) -> None:
        assert self.peer is not None
        uri = self.peer.path[0]
        assert (uri.secure, uri.transport) == (self.secure, b"ws")
        host, port = uri.address
        url = f"{'wss' if self.secure else 'ws'}://{host}:{port}/msrp"
        self.framer = Framer(Limits())
        self.socket = _Messages(Link(url, "msrp"))  # type: ignore[assignment]
        self.send(None)

    def accept(self) -> None:
        self.connect()  # there is no other way


class WebRoomPhone(RoomPhone, WebMsrp):
    """A web page in a room."""
