# SPDX-License-Identifier: Apache-2.0
"""WebSocket connections on octets: handshake, messages, what ends them (RFC 6455; rule H1)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from imsnode.http.origins import Origins
from imsnode.http.websockets import Service, WebSockets

PING_S, PARTIAL_S = 25.0, 20.0


class Wire(asyncio.Transport):
    """A socket that keeps what is written."""

    def __init__(self, secure: bool) -> None:
        super().__init__(
            {"sockname": ("192.0.2.1", 8443), "peername": ("192.0.2.9", 50000)}
            | ({"sslcontext": object()} if secure else {})
        )
        self.out = b""
        self.end = ""
        self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.out += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return bool(self.end)

    def close(self) -> None:
        self.end = "closed"

    def abort(self) -> None:
        self.end = "aborted"

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class User(asyncio.Protocol):
    """Whoever uses a connection."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.transport: Any = None
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.messages.append(data)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True


class Table(WebSockets):
    """Two services, and a clock of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        services = {
            "/sip": Service("sip", 1000, self.begin),
            "/msrp": Service("msrp", 100, self.begin, plain=False),
        }
        origins = Origins(("ims.test",), ("https://phone.test",))
        super().__init__(loop, services, origins, PING_S, PARTIAL_S)
        self.clock = 100.0
        self.room = True
        self.users: list[tuple[User, bool, tuple[str, int], tuple[str, int]]] = []

    def now(self) -> float:  # type: ignore[override]
        return self.clock

    def begin(
        self, secure: bool, local: tuple[str, int], remote: tuple[str, int]
    ) -> asyncio.Protocol | None:
        if not self.room:
            return None
        self.users.append((User(), secure, local, remote))
        return self.users[-1][0]


class Client:
    """A browser on the other side of the wire."""

    def __init__(self, table: Table, path: str = "/sip", *names: str, secure: bool = True) -> None:
        self.table = table
        self.wire = Wire(secure)
        self.connection = table(config=None)
        self.connection.connection_made(self.wire)
        uri = parse_uri(f"wss://ims.test:8443{path}")
        self.frames = ClientProtocol(uri, subprotocols=[*names] or None)  # type: ignore[list-item]
        self.request = self.frames.connect()

    def open(self, **headers: str) -> Response:
        """Shake hands, with some headers as given."""
        for name, value in headers.items():
            field = name.replace("_", "-")
            if name in ("Host", "Sec_WebSocket_Key", "Sec_WebSocket_Version"):
                del self.request.headers[field]
            self.request.headers[field] = value
        self.frames.send_request(self.request)
        [response, *_] = self.pass_on()
        assert isinstance(response, Response)
        return response

    def pass_on(self) -> list[Frame | Response]:
        """Carry octets both ways; returns what the client was sent."""
        self.connection.data_received(b"".join(self.frames.data_to_send()))
        return self.received()

    def received(self) -> list[Frame | Response]:
        out, self.wire.out = self.wire.out, b""
        self.frames.receive_data(out)
        return self.frames.events_received()  # type: ignore[return-value]

    def raw(self, data: bytes) -> list[Frame | Response]:
        self.connection.data_received(data)
        return self.received()

    @property
    def user(self) -> User:
        return self.table.users[-1][0]


@pytest.fixture
def table() -> Iterator[Table]:
    loop = asyncio.new_event_loop()
    yield Table(loop)
    loop.close()


@pytest.fixture
def client(table: Table) -> Client:
    found = Client(table, "/sip", "sip")
    assert found.open().status_code == 101
    return found


# ------------------------------------------------------------------------ handshake


def test_the_subprotocol_is_echoed(table: Table) -> None:
    client = Client(table, "/sip?phone=1", "chat", "sip")
    response = client.open(Origin="https://phone.test")
    assert response.status_code == 101
    assert client.frames.subprotocol == "sip"
    assert response.headers["Access-Control-Allow-Origin"] == "https://phone.test"
    assert "Sec-WebSocket-Extensions" not in response.headers
    user, secure, local, remote = table.users[0]
    assert (secure, local, remote) == (True, ("192.0.2.1", 8443), ("192.0.2.9", 50000))
    assert user.transport is client.connection
    assert table.counts() == {"sip": 1, "msrp": 0}


@pytest.mark.parametrize(
    ("path", "names", "headers", "status"),
    [
        ("/sip", (), {}, 400),
        ("/sip", ("msrp",), {}, 400),
        ("/msrp", ("sip",), {}, 400),
        ("/other", ("sip",), {}, 404),
        ("/sip", ("sip",), {"Origin": "https://evil.test"}, 403),
        ("/sip", ("sip",), {"Origin": "null"}, 403),
        ("/sip", ("sip",), {"Host": "evil.test"}, 403),
        ("/sip", ("sip",), {"Origin": "https://phone.test", "origin": "https://phone.test"}, 403),
        ("/sip", ("sip",), {"Sec_WebSocket_Version": "8"}, 400),
        ("/sip", ("sip",), {"Sec_WebSocket_Key": "short"}, 400),
    ],
)
def test_refused(
    table: Table, path: str, names: tuple[str, ...], headers: dict[str, str], status: int
) -> None:
    client = Client(table, path, *names)
    assert client.open(**headers).status_code == status
    assert client.wire.end == "closed"
    assert not table.users
    assert table.stats.forbidden + table.stats.malformed == 1
    client.connection.connection_lost(None)


def test_plain_where_tls_is_wanted_and_a_full_house(table: Table) -> None:
    assert Client(table, "/msrp", "msrp", secure=False).open().status_code == 403
    assert Client(table, "/msrp", "msrp").open().status_code == 101
    table.room = False
    response = Client(table, "/sip", "sip").open()
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "30"


# ------------------------------------------------------------------------- messages


def test_messages_both_ways(client: Client) -> None:
    client.frames.send_text(b"as text")
    client.frames.send_binary(b"\xff as binary")
    client.frames.send_text(b"in ", fin=False)
    client.frames.send_ping(b"between")
    client.frames.send_continuation("zwölf".encode(), fin=True)
    assert [frame.opcode for frame in client.pass_on() if isinstance(frame, Frame)] == [Opcode.PONG]
    assert client.user.messages == [b"as text", b"\xff as binary", "in zwölf".encode()]
    transport = client.user.transport
    transport.write(b"words")
    transport.writelines([b"\xff\xfe", "ü".encode()])
    sent = [frame for frame in client.received() if isinstance(frame, Frame)]
    assert [(frame.opcode, bytes(frame.data)) for frame in sent] == [
        (Opcode.TEXT, b"words"), (Opcode.BINARY, b"\xff\xfe"), (Opcode.TEXT, "ü".encode()),
    ]  # fmt: skip


def masked(head: bytes, payload: bytes = b"") -> bytes:
    return head + b"\0\0\0\0" + payload


def test_every_cut_gives_the_same_messages(table: Table) -> None:
    octets = (
        masked(b"\x81\x85", b"hello") + masked(b"\x02\x83", b"in ") + masked(b"\x89\x81", b"?")
        + masked(b"\x80\x85", b"parts") + masked(b"\x82\xfe\x00\x80", b"x" * 128)
    )  # fmt: skip
    for cut in range(len(octets) + 1):
        client = Client(table, "/sip", "sip")
        client.open()
        client.raw(octets[:cut])
        client.raw(octets[cut:])
        assert client.user.messages == [b"hello", b"in parts", b"x" * 128]


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"\x81\x05hello", 1002),  # not masked
        (masked(b"\xc1\x81", b"x"), 1002),  # RSV1 without an extension
        (masked(b"\x83\x80"), 1002),  # an opcode nobody knows
        (masked(b"\x89\xfe\x00\x7e", b"x" * 126), 1002),  # a ping too large
        (masked(b"\x80\x81", b"x"), 1002),  # continues nothing
        (masked(b"\x81\xff" + (1 << 62).to_bytes(8, "big")), 1009),
        (masked(b"\x82\xfe\x03\xe9", b"x" * 1001), 1009),
        (masked(b"\x81\x82", b"\xc3\x28"), 1007),
        (masked(b"\x01\x80") + masked(b"\x00\x80") * 1100, 1008),  # a message in too many frames
    ],
)
def test_what_breaks_the_rules_ends_it(client: Client, octets: bytes, code: int) -> None:
    client.raw(octets)
    assert client.frames.close_rcvd is not None
    assert client.frames.close_rcvd.code == code
    assert client.wire.end == "closed"
    assert client.user.messages == []
    assert client.table.stats.broken == 1
    client.connection.connection_lost(None)
    assert client.user.ended
    assert client.table.counts()["sip"] == 0


# ------------------------------------------------------------------- its end, its time


def test_the_client_says_goodbye(client: Client) -> None:
    client.frames.send_close(1000)
    client.pass_on()
    assert client.wire.end == "closed"
    assert client.user.transport.is_closing()
    client.user.transport.write(b"too late")
    assert client.wire.out == b""


def test_we_say_goodbye(client: Client) -> None:
    transport = client.user.transport
    transport.pause_reading()
    transport.close()
    assert not client.wire.paused, "or the answer would not be seen"
    assert transport.is_closing()
    client.received()
    assert client.wire.end == ""
    client.pass_on()
    assert client.frames.state is State.CLOSING
    assert client.wire.end == "closed"


def test_who_does_not_confirm_is_cut_off(client: Client) -> None:
    client.table.close()
    client.connection.check(client.table.clock + 1)
    assert client.wire.end == ""
    client.connection.check(client.table.clock + 3)
    assert client.wire.end == "aborted"


def test_silence_is_asked_and_no_answer_ends_it(client: Client) -> None:
    check, now = client.connection.check, client.table.clock
    check(now + PING_S - 1)
    assert client.received() == []
    check(now + PING_S + 1)
    [ping] = client.received()
    assert isinstance(ping, Frame)
    assert ping.opcode is Opcode.PING
    client.table.clock += PING_S + 2
    client.pass_on()  # the pong
    check(now + 2 * PING_S + 3)
    assert client.wire.end == ""
    check(now + 3 * PING_S + 4)
    check(now + 4 * PING_S + 5)
    assert client.wire.end == "aborted"


def test_who_is_not_read_is_not_asked(client: Client) -> None:
    """A client that waits for another one's slow reader is no silent client."""
    client.connection.pause_writing()
    assert client.wire.paused
    client.connection.check(client.table.clock + 10 * PING_S)
    assert client.wire.end == ""
    client.connection.resume_writing()
    assert not client.wire.paused


@pytest.mark.parametrize(
    "half", [masked(b"\x81\x85", b"ha"), masked(b"\x01\x84", b"half"), b"\x81"]
)
def test_half_a_message_does_not_wait_for_ever(client: Client, half: bytes) -> None:
    client.raw(half)
    client.connection.check(client.table.clock + PARTIAL_S - 1)
    assert not client.user.transport.is_closing()
    client.connection.check(client.table.clock + PARTIAL_S + 1)
    assert client.user.transport.is_closing()
    assert client.table.stats.slow == 1
    with contextlib.suppress(Exception):
        client.connection.connection_lost(None)
