"""Kamailio's MSRP relay between this node's and a client: every hop answers for itself (RFC 4976)."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from session_msrp.session import Delivered, Reported
from session_msrp.uri import MsrpUri, parse_uri
from tests.interop.clients import PEERS, Program, free_port
from tests.support.msrp import WAIT_S, MsrpClient, granted
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


@pytest.mark.peer("kamailio")
def test_a_foreign_relay_in_the_path(kamailio: MsrpUri, tmp_path: Path) -> None:
    """Words, files in chunks and reports, both ways."""
    with (
        RunningNode(tmp_path / "node", extra=EXTRA) as node,
        MsrpClient() as near,
        MsrpClient() as far,
    ):
        near.socket = socket.create_connection(("127.0.0.1", node.msrp["msrp"]), timeout=WAIT_S)
        ours = granted(near.socket, "alice", near.own.raw)
        near.through(ours, kamailio.raw, far.own.raw)
        far.through(kamailio.raw, ours, near.own.raw)
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
