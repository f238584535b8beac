"""What a browser does, without one: SIP and MSRP over WebSocket (RFC 7118, RFC 7977).

Frames are those of the `websockets` library's client.
"""

from __future__ import annotations

import secrets
import ssl
import time

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.uri import parse_uri
from tests.support.msrp import WAIT_S, MsrpClient
from tests.support.phone import Phone, Reply

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE


def dial(url: str, name: str, **options: object) -> ClientConnection:
    """Open a WebSocket for a subprotocol."""
    tls = TLS if url.startswith("wss:") else None
    made = connect(
        url, subprotocols=[Subprotocol(name)], ssl=tls, compression=None, proxy=None, **options
    )  # type: ignore[arg-type]
    return made.__enter__()  # its user closes it


class WebPhone(Phone):
    """A user agent in a web page; it does not know its own address."""

    def __init__(self, url: str, user: str, domain: str = "ims.test", **options: object) -> None:
        self.link = dial(url, "sip", **options)
        self.user, self.domain, self.password = user, domain, f"pw-{user}"
        self.transport = url.partition(":")[0].upper()
        self.host, self.port = f"{secrets.token_hex(6)}.invalid", 443
        self.instance = ""
        self.inbox: list[Reply] = []
        self.cseq = 0
        self.auto_status = 200

    @property
    def contact(self) -> str:
        return f"sip:{self.user}@{self.host};transport=ws"

    def close(self) -> None:
        self.link.close()

    def send(self, data: bytes) -> None:
        self.link.send(data, text=True)

    def receive(self, seconds: float = 3.0) -> Reply | None:
        try:
            data = self.link.recv(seconds)
        except (TimeoutError, ConnectionClosed):
            return None
        return Reply(data.encode() if isinstance(data, str) else data)


class _Messages:
    """A WebSocket where `MsrpClient` has a socket; counts what does not hold one chunk."""

    def __init__(self, link: ClientConnection) -> None:
        self.link = link
        self.seconds = WAIT_S
        self.largest = 0

    def settimeout(self, seconds: float) -> None:
        self.seconds = seconds

    def sendall(self, data: bytes) -> None:
        self.link.send(data)

    def recv(self, _size: int) -> bytes:
        try:
            data = self.link.recv(self.seconds)
        except ConnectionClosed:
            return b""
        octets = data.encode() if isinstance(data, str) else data
        framer = Framer(Limits(chunk_bytes=1 << 24))
        framer.feed(octets)
        assert framer.next() is not None
        assert not framer.mid_chunk, "more than one chunk in a message"
        self.largest = max(self.largest, len(octets))
        return octets

    def close(self) -> None:
        self.link.close()


class WebMsrp(MsrpClient):
    """One end of a session in a web page. secure: wss, else ws."""

    def __init__(self, secure: bool = True) -> None:
        self.secure = secure
        super().__init__(host=f"{secrets.token_hex(6)}.invalid")
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
        self.socket = _Messages(dial(url, "msrp"))  # type: ignore[assignment]
        self.send(None)

    def accept(self) -> None:
        self.connect()  # there is no other way

    def ended(self) -> bool:
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            if not self.read(0.5):
                return True
        return False
