"""The same node over every transport: IPv6, TLS, keep-alives, framing, and size (flow PM-03)."""

from __future__ import annotations

import itertools
import re
import socket
import ssl
from collections.abc import Callable, Iterator

import pytest

from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode

LISTEN = (
    "udp:127.0.0.1:0", "tcp:127.0.0.1:0", "tls:127.0.0.1:0", "udp:[::1]:0", "tcp:[::1]:0",
)  # fmt: skip
WAIT_S = 10.0
_users = itertools.count()
NewPhone = Callable[..., Phone]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    directory = tmp_path_factory.mktemp("transports") / "node"
    users = [f"user{number}" for number in range(120)]
    with RunningNode(directory, listen=LISTEN, users=users) as running:
        yield running


def address(node: RunningNode, transport: str) -> tuple[str, int]:
    """The node's address for UDP, TCP, TLS, or UDP6 and TCP6 for IPv6."""
    host = "::1" if transport.endswith("6") else "127.0.0.1"
    written = f"[{host}]" if ":" in host else host
    prefix = f"{transport.rstrip('6').lower()}:{written}:"
    found = next(item for item in node.listen if item.startswith(prefix))
    return host, int(found.removeprefix(prefix))


class TlsPhone(Phone):
    """A phone that speaks TLS and verifies the node's own certificate."""

    def __init__(self, node: RunningNode, user: str) -> None:
        super().__init__(address(node, "TLS"), user, transport="TLS")
        context = ssl.create_default_context(cafile=node.directory / "tls" / "self-signed.crt")
        self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")


@pytest.fixture
def new(node: RunningNode) -> Iterator[NewPhone]:
    phones: list[Phone] = []

    def make(transport: str = "UDP") -> Phone:
        user = f"user{next(_users)}"
        if transport == "TLS":
            phones.append(TlsPhone(node, user))
        else:
            server = address(node, transport)
            phones.append(Phone(server, user, transport=transport.rstrip("6")))
        return phones[-1]

    yield make
    for phone in phones:
        phone.close()


def start_message(sender: Phone, to: Phone, body: bytes) -> None:
    """Send a MESSAGE with credentials; its answer is still to come."""
    request = sender.request("MESSAGE", to.aor, None, ("Content-Type: text/plain",), body)
    sender.send(request)
    challenge = sender.receive(WAIT_S)
    assert challenge is not None
    sender.send(sender.with_credentials(request, challenge))


def got(phone: Phone, method: str = "MESSAGE") -> Reply:
    message = phone.receive(WAIT_S)
    assert message is not None
    assert message.method == method
    return message


def status(phone: Phone) -> int:
    """Status of the next final answer."""
    while (reply := phone.receive(WAIT_S)) is not None:
        if reply.status >= 200:
            return reply.status
    raise AssertionError("no final answer")


KINDS = ["UDP", "TCP", "TLS", "UDP6", "TCP6"]


@pytest.mark.parametrize("far", KINDS)
@pytest.mark.parametrize("near", KINDS)
def test_a_message_from_any_transport_to_any(new: NewPhone, near: str, far: str) -> None:
    alice, bob = new(near), new(far)
    assert bob.register().status == 200
    start_message(alice, bob, b"hello")
    message = got(bob)
    assert message.body == b"hello"
    top = message.get("via")
    assert top.startswith(f"SIP/2.0/{bob.transport} {bracketed(bob.server)}")
    bob.respond(message, 200)
    assert status(alice) == 200


def bracketed(server: tuple[str, int]) -> str:
    return f"[{server[0]}]:{server[1]}" if ":" in server[0] else f"{server[0]}:{server[1]}"


def test_the_certificate_is_for_the_listener(node: RunningNode) -> None:
    """TLS 1.2 or later, and a client that trusts nobody else accepts the node's own."""
    context = ssl.create_default_context(cafile=node.directory / "tls" / "self-signed.crt")
    with (
        socket.create_connection(address(node, "TLS"), 5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        assert secure.version() in ("TLSv1.2", "TLSv1.3")
    with socket.create_connection(address(node, "TLS"), 5) as plain, pytest.raises(ssl.SSLError):
        ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1")


def test_plain_sip_at_the_tls_port_is_closed(node: RunningNode) -> None:
    """It gets a TLS alert or nothing, never a SIP answer."""
    with socket.create_connection(address(node, "TLS"), 5) as plain:
        plain.settimeout(WAIT_S)
        plain.sendall(b"OPTIONS sip:ims.test SIP/2.0\r\n\r\n")
        try:
            while data := plain.recv(100):
                assert b"SIP/2.0" not in data
        except ConnectionError:
            pass


# ------------------------------------------------------------------ keep-alives


@pytest.mark.parametrize("transport", ["TCP", "TLS", "TCP6"])
def test_a_ping_gets_its_pong(new: NewPhone, transport: str) -> None:
    """Two CRLF are answered by one (RFC 5626 3.5.1), also between messages."""
    phone = new(transport)
    phone.socket.settimeout(WAIT_S)
    for _ in range(3):
        phone.send(b"\r\n\r\n")
        assert phone.socket.recv(100) == b"\r\n"
    assert phone.register().status == 200
    phone.send(b"\r\n\r\n")
    assert phone.socket.recv(100) == b"\r\n"


def test_crlf_over_udp_is_ignored(new: NewPhone) -> None:
    phone = new("UDP")
    phone.send(b"\r\n\r\n")
    phone.send(b"\r\n")
    phone.send(b"\0" * 4)
    assert phone.receive(0.5) is None
    assert phone.register().status == 200


# --------------------------------------------------------------------- framing


def options(phone: Phone, number: int) -> bytes:
    host = bracketed(phone.server)
    return phone.request("OPTIONS", f"sip:{host}", call_id=f"options-{phone.port}-{number}")


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
def test_pipelined(new: NewPhone, transport: str) -> None:
    """Many requests in one write, blank lines and pings between them: each gets its answer."""
    phone = new(transport)
    many = [options(phone, number) for number in range(50)]
    phone.send(b"\r\n".join(many[:25]) + b"\r\n\r\n" + b"".join(many[25:]))
    seen = {phone.receive(WAIT_S).get("call-id") for _ in many}  # type: ignore[union-attr]
    assert seen == {f"options-{phone.port}-{number}" for number in range(50)}


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
def test_one_octet_at_a_time(new: NewPhone, transport: str) -> None:
    phone = new(transport)
    phone.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in options(phone, 0):
        phone.send(bytes([octet]))
    reply = phone.receive(WAIT_S)
    assert reply is not None
    assert reply.status == 200
    assert phone.receive(0.3) is None


def test_a_message_cut_anywhere(new: NewPhone) -> None:
    """Body and head arrive in pieces that end in the middle of a line or of the empty line."""
    alice, bob = new("TCP"), new("TCP")
    assert bob.register().status == 200
    body = bytes(range(256)) + b"\r\n\r\nMESSAGE sip:x SIP/2.0\r\n\r\n"
    request = alice.request("MESSAGE", bob.aor, None, ("Content-Type: a/b",), body)
    alice.send(request)
    challenge = alice.receive(WAIT_S)
    assert challenge is not None
    data = alice.with_credentials(request, challenge)
    end = data.index(b"\r\n\r\n")
    cuts = [0, 1, 9, end + 1, end + 2, end + 3, end + 4, end + 5, len(data) - 1, len(data)]
    for start, stop in itertools.pairwise(cuts):
        alice.send(data[start:stop])
    message = got(bob)
    assert message.body == body
    bob.respond(message, 200)
    assert status(alice) == 200


def test_what_cannot_be_framed_closes_the_connection(new: NewPhone) -> None:
    """A negative Content-Length: 400, then closed; nothing behind it is looked at (rule F)."""
    phone = new("TCP")
    bad = options(phone, 0).replace(b"Content-Length: 0", b"Content-Length: -1")
    phone.send(bad + options(phone, 1))
    reply = phone.receive(WAIT_S)
    assert reply is not None
    assert reply.status == 400
    assert reply.get("call-id") == f"options-{phone.port}-0"
    phone.socket.settimeout(WAIT_S)
    assert phone.socket.recv(100) == b""


# ------------------------------------------------------------------------- size


class TwoEars(Phone):
    """A phone that registers over UDP and also accepts connections at the same port."""

    TRIES = 20  # another program may have the port that the system gave for UDP

    def __init__(self, server: tuple[str, int], user: str) -> None:
        for left in reversed(range(self.TRIES)):
            super().__init__(server, user)
            try:
                self.ear = socket.create_server((self.host, self.port))
                break
            except OSError:
                super().close()
                if not left:
                    raise
        self.ear.settimeout(WAIT_S)

    def close(self) -> None:
        self.ear.close()
        super().close()


BIG = b"long " * 400  # more than 1300 octets with its header
FITS = b"short"


def test_a_large_message_goes_by_tcp(node: RunningNode, new: NewPhone) -> None:
    """PM-03, RFC 3261 18.1.1: over 1300 octets the node connects to the same port by TCP."""
    alice = new()
    with TwoEars(address(node, "UDP"), f"user{next(_users)}") as bob:
        assert bob.register().status == 200
        start_message(alice, bob, BIG)
        accepted, _ = bob.ear.accept()
        over = Phone.__new__(Phone)
        over.__dict__.update(bob.__dict__, socket=accepted, transport="TCP", buffer=b"")
        with over:
            message = got(over)
            assert message.body == BIG
            assert message.get("via").startswith("SIP/2.0/TCP ")
            over.respond(message, 200)
            assert status(alice) == 200
        assert bob.receive(0.3) is None
        start_message(alice, bob, FITS)
        small = got(bob)
        assert small.get("via").startswith("SIP/2.0/UDP ")
        bob.respond(small, 200)
        assert status(alice) == 200


def test_a_large_message_falls_back_to_udp(new: NewPhone) -> None:
    """PM-03: nothing accepts connections there, so it goes as a datagram after all."""
    alice, bob = new(), new()
    assert bob.register().status == 200
    for _ in range(2):
        start_message(alice, bob, BIG)
        message = got(bob)
        assert message.body == BIG
        assert message.get("via").startswith("SIP/2.0/UDP ")
        bob.respond(message, 200)
        assert status(alice) == 200


def test_a_large_datagram_is_taken_whole(new: NewPhone) -> None:
    """The largest body a MESSAGE may have comes in one datagram and goes out over a connection."""
    alice, bob = new("UDP"), new("TCP")
    assert bob.register().status == 200
    body = b"x" * 32768
    start_message(alice, bob, body)
    message = got(bob)
    assert message.body == body
    bob.respond(message, 200)
    assert status(alice) == 200
    request = alice.request("MESSAGE", bob.aor, None, ("Content-Type: a/b",), body + b"x")
    assert alice.answer_to(request).status == 413


# ------------------------------------------------------------ where answers go


def test_rport_and_received(new: NewPhone) -> None:
    """The answer goes to the source of the request, whatever its Via says (RFC 3581)."""
    phone = new("UDP")
    request = options(phone, 0)
    request = re.sub(rb"SIP/2.0/UDP [^;]*;rport", b"SIP/2.0/UDP 192.0.2.99:9;rport", request)
    phone.send(request)
    reply = phone.receive(WAIT_S)
    assert reply is not None
    assert f"rport={phone.port}" in reply.get("via")
    assert "received=127.0.0.1" in reply.get("via")


def test_a_lost_connection_is_replaced(new: NewPhone, node: RunningNode) -> None:
    """The old flow is gone, the device registers on a new one: it gets what waited meanwhile."""
    alice, bob = new("TCP"), new("TCP")
    assert bob.register().status == 200
    bob.close()
    assert alice.message(bob.user, "while away").status == 202
    with Phone(address(node, "TCP"), bob.user, transport="TCP") as again:
        assert again.register().status == 200
        assert again.collect(1, WAIT_S) == [b"while away"]
