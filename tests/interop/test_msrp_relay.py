"""Kamailio's MSRP relay between this node's and a client: every hop answers for itself (RFC 4976)."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.printing import print_request
from session_msrp.session import Delivered, Reported, Session
from session_msrp.uri import MsrpUri, parse_uri
from sip.digest import SHA_256, answer, ha1, parse_challenge
from tests.interop.clients import PEERS, Program, free_port
from tests.support.msrp import WAIT_S, MsrpClient
from tests.support.running import RunningNode, eventually

EXTRA = (
    '[msrp]\nrelay = true\nrelay_plain = true\nlisten = ["tcp:127.0.0.1:0", "tls:127.0.0.1:0"]\n'
    '[network]\nallow = ["127.0.0.0/8"]\n'
)


@pytest.fixture
def kamailio(tmp_path: Path) -> Iterator[MsrpUri]:
    """Kamailio as a relay that asks nobody who they are; gives the URI by which it is used."""
    program, port = shutil.which("kamailio"), free_port(socket.SOCK_STREAM)
    assert program is not None
    config = tmp_path / "msrp.cfg"
    text = (PEERS / "kamailio" / "msrp.cfg").read_text()
    config.write_text(text.replace("MSRP_PORT", str(port)))
    folder = str(tmp_path)
    running = Program(
        [
            program,
            "-f",
            str(config),
            "-DD",
            "-E",
            "-m",
            "32",
            "-M",
            "4",
            "-Y",
            folder,
            "-w",
            folder,
        ],
        tmp_path,
        "kamailio",
    )

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    eventually(listens, WAIT_S, "kamailio to listen")
    yield parse_uri(b"msrp://127.0.0.1:%d/relay;tcp" % port)
    running.end()


def granted(link: socket.socket, own: bytes, relay: bytes) -> bytes:
    """Ask this node for a URI of its relay."""
    lines: tuple[bytes, ...] = ()
    framer = Framer(Limits())
    while True:
        link.sendall(print_request(secrets.token_hex(8).encode(), b"AUTH", relay, own, lines))
        while (chunk := framer.next()) is None:
            framer.feed(link.recv(65536))
        if chunk.status == 200:
            return chunk.fields[b"use-path"]
        assert not lines, chunk.raw
        asked = [line for line in chunk.lines() if line.startswith(b"WWW-Authenticate: ")]
        challenge = parse_challenge(asked[0].partition(b": ")[2])
        assert challenge is not None
        secret = ha1("alice", challenge.realm, "pw-alice", SHA_256)
        proof = answer(challenge, "alice", secret, "AUTH", relay, b"cn", 1)
        lines = (b"Authorization: " + proof,)


@pytest.mark.peer("kamailio")
def test_a_foreign_relay_in_the_path(kamailio: MsrpUri, tmp_path: Path) -> None:
    """Words, files in chunks and reports, both ways."""
    with (
        RunningNode(tmp_path / "node", extra=EXTRA) as node,
        MsrpClient() as near,
        MsrpClient() as far,
    ):
        relay = ("127.0.0.1", node.msrp["msrp"])
        near.socket = socket.create_connection(relay, timeout=WAIT_S)
        ours = granted(
            near.socket, near.own.raw, b"msrp://alice@%b:%d;tcp" % (b"127.0.0.1", relay[1])
        )
        for end, path in (
            (near, (ours, kamailio.raw, far.own.raw)),
            (far, (kamailio.raw, ours, near.own.raw)),
        ):
            end.session = Session(
                end.own.raw,
                b" ".join(path),
                lambda: secrets.token_hex(8).encode(),
                Limits(),
                [b"*"],
                chunk_bytes=8192,  # Kamailio takes no frame of more than 10240 octets
            )
        sent = near.send(b"hello", success_report=True)
        far.accept()
        assert far.messages() == [b"hello"]
        near.until(Reported)
        assert Delivered(sent) in near.events
        body = bytes(range(256)) * 800
        back = far.send(body, success_report=True)
        assert near.messages() == [body]
        far.until(Reported)
        assert Delivered(back) in far.events
