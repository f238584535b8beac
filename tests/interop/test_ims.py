# SPDX-License-Identifier: Apache-2.0
"""Kamailio as S-CSCF, this node as its application server: only configuration on our side."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.clients import PEERS, Program, free_port
from tests.support.phone import Phone
from tests.support.running import RunningNode, eventually

CORE = "127.0.0.3"


class Network:
    """Phones know Kamailio alone."""

    def __init__(self, folder: Path) -> None:
        peer = f'[[peer]]\nname = "scscf"\naddress = "{CORE}"\ntrust = "asserted"\nrole = "s-cscf"\n'
        self.node = RunningNode(folder / "node", extra=peer, users=()).start()
        self.port = free_port(socket.SOCK_DGRAM)
        program = shutil.which("kamailio")
        assert program is not None
        text = (PEERS / "kamailio" / "scscf.cfg").read_text()
        text = text.replace("OWN", f"{CORE}:{self.port}")
        config = folder / "scscf.cfg"
        config.write_text(text.replace("sip:SERVER", f"sip:127.0.0.1:{self.node.ports['udp']}"))
        arguments = [program, "-f", str(config), "-DD", "-E", "-m", "32", "-M", "4", "-Y",
                     str(folder), "-w", str(folder)]  # fmt: skip
        self.kamailio = Program(arguments, folder, "kamailio")

    def phone(self, user: str) -> Phone:
        return Phone((CORE, self.port), user, password="")

    def answers(self) -> bool:
        with self.phone("nobody") as phone:
            phone.send(phone.request("REGISTER", "sip:ims.test", "sip:nobody@ims.test"))
            return phone.receive(0.3) is not None

    def drained(self) -> bool:
        return json.loads(self.node.command("message", "list", "--format", "json").stdout) == []

    def close(self) -> None:
        self.kamailio.end()
        if self.node.process is not None:
            self.node.stop()


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path)
    try:
        eventually(made.answers, 20, "kamailio to answer")
        yield made
    finally:
        made.close()


@pytest.mark.peer("kamailio")
def test_an_s_cscf_routes_to_the_node(network: Network) -> None:
    """IM-01, IM-02, IM-05, IM-06: stored, drained, handed back, and passed over when it is gone."""
    with network.phone("alice") as alice, network.phone("bob") as bob:
        assert alice.message("bob", "for later").status == 202
        # The third-party REGISTER drains; Kamailio asks the node about its own delivery as well.
        assert bob.register().status == 200
        assert bob.collect(1) == [b"for later"]
        assert bob.messages()[0].get("p-asserted-identity") == "<sip:alice@ims.test>"
        eventually(network.drained, 20, "the store to be empty")
        alice.send(alice.request("MESSAGE", bob.aor, None, ("Content-Type: text/plain",), b"now"))
        assert bob.collect(2) == [b"for later", b"now"]
        answer = alice.receive(5)
        assert answer is not None
        assert answer.status == 200
        network.node.stop()
        alice.send(alice.request("MESSAGE", bob.aor, None, ("Content-Type: text/plain",), b"still"))
        assert bob.collect(3) == [b"for later", b"now", b"still"]
