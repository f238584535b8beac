"""The relay of RFC 4976 on a real node: AUTH over TLS, and a session through it."""

from __future__ import annotations

import secrets
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from session_msrp.chunk import Chunk
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.media import ACTIVE, PASSIVE
from session_msrp.printing import print_request
from session_msrp.session import Delivered, Reported, Session
from sip.digest import SHA_256, answer, ha1, parse_challenge
from tests.support.authority import Authority
from tests.support.msrp import WAIT_S, Dialog, MsrpClient
from tests.support.names import NameServer
from tests.support.phone import Phone
from tests.support.running import RunningNode

EXTRA = (
    '[msrp]\nrelay = true\nanchor = "always"\nlisten = ["tcp:127.0.0.1:0", "tls:127.0.0.1:0"]\n'
    '[network]\nallow = ["127.0.0.0/8"]\n'
)
RELAY = b"msrps://alice@msrp.ims.test;tcp"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with NameServer({("far.test", "A"): ["127.0.0.1"]}) as names:
        extra = f'{EXTRA}name_servers = ["127.0.0.1:{names.address[1]}"]\n'
        with RunningNode(tmp_path_factory.mktemp("relay") / "node", extra=extra) as running:
            yield running


def connect(node: RunningNode, secure: bool = True) -> socket.socket:
    port = node.msrp["msrps" if secure else "msrp"]
    opened = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
    if not secure:
        return opened
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(opened)


def auth(link: socket.socket, own: bytes, *lines: bytes, to: bytes = RELAY) -> Chunk:
    tid = secrets.token_hex(8).encode()
    link.sendall(print_request(tid, b"AUTH", to, own, lines))
    framer = Framer(Limits())
    while (chunk := framer.next()) is None:
        data = link.recv(65536)
        assert data
        framer.feed(data)
    assert (chunk.tid, chunk.to_path, chunk.from_path) == (tid, own, to)
    return chunk


def credentials(
    asked: Chunk, password: str = "pw-alice", count: int = 1, uri: bytes = RELAY
) -> bytes:
    lines = [line for line in asked.headers.split(b"\r\n") if line.startswith(b"WWW-")]
    challenge = parse_challenge(lines[0].partition(b": ")[2])
    assert challenge is not None
    assert (challenge.algorithm, challenge.qop) == (SHA_256, b"auth")
    secret = ha1("alice", challenge.realm, password, SHA_256)
    value = answer(challenge, "alice", secret, "AUTH", uri, b"cn", count)
    return b"Authorization: " + value


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "far.test"])
def test_a_session_through_the_relay(node: RunningNode, host: str) -> None:
    """A client nobody can reach, and one who knows no relay, both ways and with a report."""
    with MsrpClient() as near, MsrpClient(host=host) as far:
        link = connect(node)
        asked = auth(link, near.own.raw)
        assert asked.status == 401
        given = auth(link, near.own.raw, credentials(asked), b"Expires: 900")
        assert given.status == 200
        assert given.fields[b"expires"] == b"900"
        for name in (b"rspauth=", b'cnonce="cn"', b"nc=00000001", b"qop=auth"):
            assert name in given.fields[b"authentication-info"]
        path = given.fields[b"use-path"]
        assert path.startswith(b"msrps://msrp.ims.test:%d/" % node.msrp["msrps"])
        near.socket = link
        for end, to in ((near, far.own.raw), (far, near.own.raw)):
            end.session = Session(
                end.own.raw,
                path + b" " + to,
                lambda: secrets.token_hex(8).encode(),
                Limits(),
                [b"*"],
            )
        sent = near.send(b"hello", success_report=True)
        far.accept()
        assert far.messages() == [b"hello"]
        near.until(Reported)
        assert Delivered(sent) in near.events
        far.send(b"x" * 200_000)
        assert near.messages() == [b"x" * 200_000]
        far.until(Delivered)


def test_who_is_not_let_in(node: RunningNode) -> None:
    own = b"msrps://a.invalid:7000/alice;tcp"
    with connect(node, secure=False) as plain:
        assert auth(plain, own).status == 403
    with connect(node) as link:
        asked = auth(link, own)
        wrong = auth(link, own, credentials(asked, "guess"))
        assert wrong.status == 401
        proof = credentials(asked)
        short = auth(link, own, proof, b"Expires: 1")
        assert (short.status, short.fields[b"min-expires"]) == (423, b"60")
        again = auth(link, own, proof)  # a nonce count counts once
        assert again.status == 401
        assert b"stale=true" in again.headers
        assert auth(link, own, credentials(again), b"Expires: 60").status == 200


def test_who_is_switched_off_has_no_relay(node: RunningNode) -> None:
    own = b"msrps://a.invalid:7000/alice;tcp"
    with connect(node) as link:
        path = auth(link, own, credentials(auth(link, own))).fields[b"use-path"]
        node.command("user", "disable", "sip:alice@ims.test")
        try:
            to = path + b" msrp://127.0.0.1:9/far;tcp"
            link.sendall(print_request(b"send1", b"SEND", to, own, (b"Message-ID: m1",)))
            assert link.recv(65536).startswith(b"MSRP send1 481 ")
        finally:
            node.command("user", "enable", "sip:alice@ims.test")


@pytest.mark.parametrize("setup", [PASSIVE, ACTIVE])
def test_who_is_called_has_the_relay(node: RunningNode, setup: bytes) -> None:
    """The anchor and the relay are the same node: between them nothing leaves it."""
    server = ("127.0.0.1", node.ports["udp"])
    with (
        Phone(server, "carol") as carol, Phone(server, "alice") as alice,
        MsrpClient() as near, MsrpClient(setup) as far,
    ):  # fmt: skip
        assert alice.register().status == 200
        link = connect(node)
        asked = auth(link, far.own.raw)
        far.relay = auth(link, far.own.raw, credentials(asked)).fields[b"use-path"]
        dialog = Dialog(carol, alice, near, far)
        far.socket = link
        if setup == ACTIVE:
            far.send(None)
        near.open()
        sent = near.send(b"hello", success_report=True)
        assert far.messages() == [b"hello"]
        near.until(Reported)
        assert Delivered(sent) in near.events
        far.send(b"x" * 200_000)
        assert near.messages() == [b"x" * 200_000]
        near.send(b"y" * 200_000)
        assert far.messages(2) == [b"hello", b"y" * 200_000]
        dialog.hang_up()
        assert near.ended()


def test_relays_find_each_other_by_dns_and_prove_who_they_are(tmp_path: Path) -> None:
    """A client has a relay of b.test through its own (RFC 4976 5.1, 6.1, 8, 9.2)."""
    authority = Authority(tmp_path)
    outer = b"msrps://alice@relay.b.test;tcp"
    records = {("host.b.test", "A"): ["127.0.0.1"], ("relay.b.test", "A"): ["192.0.2.1"]}

    def relay(domain: str, names: NameServer, *certified: str) -> RunningNode:
        files = authority.issue(*certified)
        extra = (
            f'{EXTRA}name_servers = ["127.0.0.1:{names.address[1]}"]\n'
            f'[tls]\ncertificate = "{files.cert}"\nkey = "{files.key}"\n'
            f'authorities = "{authority.file}"\nclient_certificates = "require"\n'
        )
        return RunningNode(tmp_path / domain, domains=[domain], users=["alice"], extra=extra)

    with (
        NameServer(records) as names, relay("a.test", names, "msrp.a.test") as near,
        relay("b.test", names, "relay.b.test") as far, MsrpClient() as client,
    ):  # fmt: skip
        service = ("_msrps._tcp.relay.b.test", "SRV")
        records[service] = [f"0 0 {far.msrp['msrps']} host.b.test."]
        own, first = client.own.raw, b"msrps://alice@msrp.a.test;tcp"
        with connect(near) as link:
            proof = credentials(auth(link, own, to=first), uri=first)
            inner = auth(link, own, proof, to=first).fields[b"use-path"]
            asked = auth(link, own, to=inner + b" " + outer)
            assert asked.status == 401
            given = auth(link, own, credentials(asked, uri=outer), to=inner + b" " + outer)
            assert given.status == 200
            assert given.fields[b"use-path"].startswith(inner + b" msrps://relay.b.test:")
