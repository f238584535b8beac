# SPDX-License-Identifier: Apache-2.0
"""Users with SIM cards on a real node: provisioned by command, challenged, over a kill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sip.aka import SequenceArray
from tests.support.card_phone import KEYS, CardPhone
from tests.support.phone import Phone
from tests.support.running import RunningNode

IMPI = "001010000000001@ims.test"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with RunningNode(tmp_path_factory.mktemp("cards") / "node") as running:
        running.command(
            "user", "set", "sip:carol@ims.test", "--aka-k-stdin", "--opc", KEYS.opc.hex(),
            "--impi", IMPI, text=KEYS.key.hex() + "\n",
        )  # fmt: skip
        yield running


def carol(node: RunningNode, transport: str = "TCP") -> CardPhone:
    return CardPhone(("127.0.0.1", node.ports[transport.lower()]), "carol", IMPI, transport)


def test_a_card_registers_and_its_connection_vouches_for_it(node: RunningNode) -> None:
    server = ("127.0.0.1", node.ports["tcp"])
    with carol(node) as phone, Phone(server, "bob", transport="TCP") as bob:
        assert phone.register().status == 200
        assert phone.challenges == 1
        assert bob.register().status == 200
        phone.send(
            phone.request("MESSAGE", "sip:bob@ims.test", None, ("Content-Type: text/plain",), b"hi")
        )
        assert bob.collect(1) == [b"hi"]
        answer = phone.receive(5.0)
        assert answer is not None
        assert answer.status == 200
        assert bob.message("carol", "hello").status  # to her device over the same connection
        with Phone(server, "carol", password="", transport="TCP") as stranger:
            refused = stranger.message("bob", "not me")
        assert refused.status == 407
        assert "algorithm=AKAv1-MD5" in refused.get("proxy-authenticate")


def test_sequence_numbers_outlive_a_kill_and_follow_the_card(node: RunningNode) -> None:
    with carol(node, "UDP") as phone:
        assert phone.register().status == 200
        node.kill()
        node.start()
        assert phone.register().status == 200
        assert phone.challenges == 2
        phone.card.sequences = SequenceArray(1_000_000)
        assert phone.register().status == 200
        assert phone.challenges == 4


def test_keys_are_in_no_file_of_the_node(node: RunningNode) -> None:
    shown = node.command("user", "show", "carol@ims.test", "--format", "json").stdout
    assert '"aka": "milenage"' in shown
    assert IMPI in shown
    export = node.command("user", "export", "--with-hashes").stdout
    files = [file for file in Path(node.directory).rglob("*") if file.is_file()]
    kept = shown.encode() + export.encode() + b"".join(file.read_bytes() for file in files)
    for secret in (KEYS.key, KEYS.opc):
        assert secret not in kept
        assert secret.hex().encode() not in kept.lower()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--aka-k-stdin",), "give one of --op and --opc"),
        (("--aka-k-stdin", "--opc", "00"), "--opc is not 32 hexadecimal digits"),
        (("--aka-k-stdin", "--opc", "00" * 16, "--amf", "1"), "--amf '1' is not 4"),
        (("--aka-k-stdin", "--op", "00" * 16, "--aka-algorithm", "x"), "milenage, tuak"),
        (("--op", "00" * 16), "give it with --aka-k-stdin"),
        (("--impi", "a b"), "--impi 'a b' is not a name"),
    ],
)
def test_what_is_wrong_is_said(node: RunningNode, words: tuple[str, ...], said: str) -> None:
    done = node.command("user", "set", "bob@ims.test", *words, check=False, text="00" * 16 + "\n")
    assert done.returncode == 2
    assert said in done.stderr
    secret = node.command(
        "user", "set", "bob@ims.test", "--aka-k-stdin", "--opc", "00" * 16, check=False,
        text="5ec2e7\n",
    )  # fmt: skip
    assert secret.returncode == 2
    assert "5ec2e7" not in secret.stderr
