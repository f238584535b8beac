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
IMSI = IMPI  # the address a terminal makes of it (TS 23.003 13.4B)
PLAN = '[[domain]]\nname = "ims.test"\ncountry_code = "49"\n'


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with RunningNode(tmp_path_factory.mktemp("cards") / "node", extra=PLAN) as running:
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


def test_a_terminal_that_insists_on_protection_is_told_what_there_is(node: RunningNode) -> None:
    tags = ("Require: sec-agree", "Proxy-Require: sec-agree")
    with carol(node) as phone:
        phone.challenges = 9  # answers none
        ipsec = "Security-Client: ipsec-3gpp;alg=hmac-sha-1-96;spi-c=1;spi-s=2;port-c=1;port-s=2"
        challenge = phone.register(lines=(*tags, ipsec, "Security-Client: digest"))
        assert challenge.status == 401
        assert "algorithm=AKAv1-MD5" in challenge.get("www-authenticate")
        assert challenge.all("security-server") == ["digest;q=0.1"]
        refused = phone.register(lines=(*tags, ipsec))
        assert refused.status == 494
        assert refused.all("security-server") == ["digest;q=0.1"]


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
        (("--impi", "a b"), "'a b' is not a private identity"),
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


def test_one_of_a_set_registers_all(node: RunningNode) -> None:
    """Identities by command: registered together, reached by each, asserted by the sender's wish."""
    for uri, *more in (("tel:0170-1234567",), ("sip:ann@ims.test",), (f"sip:{IMSI}", "--barred")):
        node.command("user", "identity", "add", "carol@ims.test", uri, *more)
    listed = node.command("user", "identity", "list", "--format", "csv").stdout
    assert "sip:carol@ims.test,tel:+491701234567," in listed
    server = ("127.0.0.1", node.ports["tcp"])
    with carol(node) as phone, Phone(server, "alice", transport="TCP") as alice:
        phone.public = f"sip:{IMSI}"
        told = phone.register()
        assert told.get("p-associated-uri") == (
            "<sip:carol@ims.test>, <tel:+491701234567>, <sip:ann@ims.test>"
        )
        sent = [
            alice.request("MESSAGE", uri, None, ("Content-Type: text/plain",), uri.encode())
            for uri in ("tel:+49-170-1234567", "sip:01701234567@ims.test;user=phone")
        ]
        alice.register()
        for request in sent:
            alice.send(alice.with_credentials(request, alice._transact(request, 5.0)))
        assert len(phone.collect(2)) == 2
        assert alice.message(f"sip:{IMSI}", "barred").status == 404


def test_a_file_brings_cards_and_identities(node: RunningNode, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    head = "aor,password,impi,identities,aka_k,aka_opc\n"
    file.write_text(
        head
        + f"sip:dave@ims.test,,0020@ims.test,tel:+4930123 !sip:0020@ims.test,{'11' * 16},{'22' * 16}\n"
    )
    node.command("user", "import", str(file))
    shown = node.command("user", "show", "dave", "--format", "json").stdout
    assert '"identities": "tel:+4930123 !sip:0020@ims.test"' in shown
    assert '"aka": "milenage"' in shown
    file.write_text(head + f"sip:erin@ims.test,,,,{'11' * 16},\nsip:fred@ims.test,x,a b,,,\n")
    refused = node.command("user", "import", str(file), check=False)
    assert refused.returncode == 1
    assert "line 2: give one of --op and --opc" in refused.stderr
    assert "line 3: 'a b' is not a private identity" in refused.stderr
