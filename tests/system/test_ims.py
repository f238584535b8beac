# SPDX-License-Identifier: Apache-2.0
"""A node behind an S-CSCF: what it keeps over a restart, and what its charging records say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode, eventually

CORE = "127.0.0.2"
DANA = "sip:dana@ims.test"  # nobody here has heard of her


class Core:
    """An S-CSCF at an address of its own, with the node as its application server."""

    def __init__(self, directory: Path) -> None:
        self.phone = Phone(("127.0.0.1", 9), "scscf", password="", host=CORE)
        peer = (
            f'[[peer]]\nname = "scscf"\naddress = "{CORE}"\ntrust = "asserted"\nrole = "s-cscf"\n'
        )
        self.node = RunningNode(directory, extra='[ims]\nioi = "op.test"\n' + peer).start()
        self.connect()

    def connect(self) -> None:
        self.phone.socket.connect(("127.0.0.1", self.node.ports["udp"]))

    @property
    def way_back(self) -> str:
        return f"<sip:{CORE}:{self.phone.port};lr;odi=77>"

    def register(self, expires: int) -> Reply:
        lines = (
            f"Contact: <sip:{CORE}:{self.phone.port}>",
            f"Expires: {expires}",
            "P-Charging-Vector: icid-value=reg1;orig-ioi=home1.net",
        )
        return self.phone.answer_to(self.phone.request("REGISTER", "sip:ims.test", DANA, lines))

    def hand_in(self, text: bytes, state: str = "unreg") -> Reply:
        here = f"<sip:127.0.0.1:{self.node.ports['udp']};lr>"
        lines = (
            f"Route: {here}, {self.way_back}",
            "P-Asserted-Identity: <sip:alice@ims.test>",
            f"P-Served-User: <{DANA}>;sescase=term;regstate={state}",
            "P-Charging-Vector: icid-value=abc;orig-ioi=home1.net",
            "Content-Type: text/plain",
        )
        return self.phone.answer_to(self.phone.request("MESSAGE", DANA, None, lines, text))


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    made = Core(tmp_path_factory.mktemp("ims") / "node")
    yield made
    made.node.stop()
    made.phone.close()


def records(node: RunningNode) -> list[dict[str, str]]:
    file = node.directory / "cdr.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_stored_charged_and_drained(core: Core) -> None:
    """IM-01, IM-04, IM-05: a user without an account; the ICID in every record."""
    answer = core.hand_in(b"for later")
    assert answer.status == 202
    assert answer.get("p-charging-vector") == "icid-value=abc;orig-ioi=home1.net;term-ioi=op.test"
    registered = core.register(100_000)
    assert (registered.status, registered.get("expires")) == (200, "100000")
    assert core.phone.collect(1) == [b"for later"]
    (delivered,) = core.phone.messages()
    assert delivered.get("route") == f"<sip:{CORE}:{core.phone.port};lr>"
    assert "orig-ioi=op.test;" in delivered.get("p-charging-vector")
    assert "related-icid=abc" in delivered.get("p-charging-vector")
    eventually(lambda: records(core.node), 10, "a charging record")
    assert [one.get("icid") for one in records(core.node)] == ["abc"]
    assert records(core.node)[0]["orig_ioi"] == "home1.net"
    listed = core.node.command("cdr", "list", "--icid", "abc", "--format", "json").stdout
    assert [one["to"] for one in json.loads(listed)] == [DANA]


def test_who_is_registered_elsewhere_survives_a_restart(core: Core) -> None:
    """The node goes on reaching users through the S-CSCF."""
    core.register(100_000)
    core.node.stop()
    core.node.start()
    core.connect()
    core.phone.inbox.clear()
    core.node.command("message", "send", "--from", "alice", "--to", DANA, "hello again")
    assert core.phone.collect(1) == [b"hello again"]
    assert core.phone.messages()[0].get("p-asserted-identity") == "<sip:alice@ims.test>"
