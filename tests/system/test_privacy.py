"""Who does not want to be known: what recipients, trusted peers and the operator see (IM-03)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode

CORE = "127.0.0.2"  # a trusted neighbour; everybody else is at 127.0.0.1
NOBODY = '"Anonymous" <sip:anonymous@anonymous.invalid>'
ALICE = "P-Asserted-Identity: <sip:alice@ims.test>"


class Scene:
    """A node, a trusted server at the other end of one route, a stranger's at that of another."""

    def __init__(self, directory: Path) -> None:
        nowhere = ("127.0.0.1", 9)
        self.core, self.stranger = Phone(nowhere, "core", host=CORE), Phone(nowhere, "stranger")
        self.node = RunningNode(
            directory,
            extra="[limits]\nregister_burst = 100\n"
            f'[[peer]]\nname = "core"\naddress = "{CORE}"\ntrust = "asserted"\nrelay = true\n'
            f'[[route]]\ndomain = "friends.test"\nnext_hop = "udp:{CORE}:{self.core.port}"\n'
            f'[[route]]\ndomain = "far.test"\nnext_hop = "udp:127.0.0.1:{self.stranger.port}"\n',
        ).start()
        self.address = ("127.0.0.1", self.node.ports["udp"])
        for phone in (self.core, self.stranger):
            phone.socket.connect(self.address)

    def phone(self, user: str) -> Phone:
        return Phone(self.address, user)

    def close(self) -> None:
        self.node.stop()
        self.core.close()
        self.stranger.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("privacy") / "node")
    yield made
    made.close()


def anonymous(phone: Phone, request: bytes) -> bytes:
    """Write nobody into From, as RFC 3323 4.1.1.3 recommends."""
    who = f"<{phone.aor}>".encode()
    return request.replace(b"From: " + who, f"From: {NOBODY}".encode())


def send(phone: Phone, to: str, *lines: str, text: bytes = b"hello", hidden: bool = False) -> Reply:
    body = ("Content-Type: text/plain", *lines)
    request = phone.request("MESSAGE", f"sip:{to}", None, body, text)
    return phone.answer_to(anonymous(phone, request) if hidden else request)


def one(phone: Phone, text: bytes) -> Reply:
    """Take the message with this text, and answer it."""
    while True:
        got = phone.receive()
        assert got is not None
        phone.respond(got, 200)
        if got.body == text:
            return got


def history(node: RunningNode, user: str) -> list[dict[str, str]]:
    shown: list[dict[str, str]] = json.loads(
        node.command("history", user, "--format", "json").stdout
    )
    return shown


def names(got: Reply) -> list[str]:
    return [value for name, value in got.headers if "alice" in value and name != "Via"]


@pytest.mark.parametrize(
    ("lines", "hidden"), [(("Privacy: id",), False), (("Privacy: id",), True), ((), True)]
)
def test_nothing_names_the_sender_to_the_recipient(
    scene: Scene, lines: tuple[str, ...], hidden: bool
) -> None:
    """RFC 3325 7; the anonymous From of RFC 3323 4.1.1.3 from who has proved who it is."""
    text = f"{lines} {hidden}".encode()
    with scene.phone("alice") as alice, scene.phone("bob") as bob:
        assert bob.register().status == 200
        request = alice.request(
            "MESSAGE", "sip:bob@ims.test", None,
            ("Content-Type: text/plain", "P-Preferred-Identity: <sip:alice@ims.test>",
             f"Contact: <{alice.contact}>", *lines), text,
        )  # fmt: skip
        asked = anonymous(alice, request) if hidden else request
        alice.send(asked)
        challenge = alice.receive()
        assert challenge is not None
        alice.send(alice.with_credentials(asked, challenge))
        got = one(bob, text)
        answer = alice.receive()
        assert answer is not None
        assert answer.status == 200
        # The answer is to what alice sent, not to what bob got (RFC 3323 5.3).
        assert answer.get("from") == Reply(asked).get("from")
        assert got.get("from").partition(";")[0] == NOBODY
        assert got.get("privacy") == "id"
        assert names(got) == []
        assert str(alice.port) not in got.data.decode()  # no way back: neither Via nor Contact
        assert bob.register(0).status == 200


def test_the_operator_knows_and_the_recipient_does_not(scene: Scene) -> None:
    """The ledger, history and API tell the sender to whom may know it."""
    node = scene.node
    with scene.phone("alice") as alice, scene.phone("bob") as bob:
        assert send(alice, "bob@ims.test", "Privacy: id", text=b"stored").status == 202
        assert bob.register().status == 200
        got = one(bob, b"stored")
        assert names(got) == []
        assert got.get("from").startswith(NOBODY)
        assert bob.register(0).status == 200
    (sent,) = [one for one in history(node, "alice") if one["text"] == "stored"]
    (received,) = [one for one in history(node, "bob") if one["text"] == "stored"]
    assert sent["peer"] == "sip:bob@ims.test"
    assert received["peer"] == "sip:anonymous@anonymous.invalid"
    assert sent["message_id"] == received["message_id"]
    why = node.command("why", sent["message_id"]).stdout
    assert "sip:alice@ims.test" in why
    assert "the sender does not want to be known to the recipient" in why
    for user, who in (("alice", "alice@ims.test"), ("bob", "anonymous@anonymous.invalid")):
        token = node.command("token", "add", user, "--as", user).stdout.strip()
        status = httpx.get(
            f"http://{node.http}/api/v1/messages/{sent['message_id']}",
            headers={"Authorization": f"Bearer {token}"},
        ).json()
        assert status["from"] == f"sip:{who}"
    file = node.directory / "bob.json"
    node.command("user", "export-data", "bob", "--out", str(file))
    exported = json.loads(file.read_text())
    assert [one["id"] for one in exported["ledger"]].count(sent["message_id"])
    assert [one["id"] for one in exported["messages"]] == [sent["message_id"]]
    assert "alice" not in file.read_text()
    (entry,) = {one["call_id"] for one in exported["ledger"] if one["id"] == sent["message_id"]}
    assert entry == sent["message_id"]  # that of the sender may name their device


def test_a_trusted_peer_is_told_and_a_strange_one_is_not(scene: Scene) -> None:
    """RFC 3325 5: added for whom we trust, kept from whom we do not."""
    cases = (
        (scene.core, "friends.test", (), False, ["<sip:alice@ims.test>"]),
        (scene.core, "friends.test", ("Privacy: id",), True, ["<sip:alice@ims.test>"]),
        (scene.core, "friends.test", ("P-Asserted-Identity: <sip:boss@ims.test>",), False,
         ["<sip:alice@ims.test>"]),
        (scene.stranger, "far.test", (), False, []),
        (scene.stranger, "far.test", ("Privacy: id",), False, []),
    )  # fmt: skip
    with scene.phone("alice") as alice:
        for number, (server, domain, lines, hidden, identities) in enumerate(cases):
            text = b"case %d" % number
            request = alice.request(
                "MESSAGE", f"sip:zoe@{domain}", None, ("Content-Type: text/plain", *lines), text
            )
            asked = anonymous(alice, request) if hidden else request
            alice.send(asked)
            challenge = alice.receive()
            assert challenge is not None
            alice.send(alice.with_credentials(asked, challenge))
            got = one(server, text)
            assert got.all("p-asserted-identity") == identities
            assert got.get("from").startswith(NOBODY) is bool(lines and "Privacy" in lines[0])
            answer = alice.receive()
            assert answer is not None
            assert (answer.status, answer.get("from")) == (200, Reply(asked).get("from"))


def test_what_a_peer_asserts(scene: Scene) -> None:
    """Kept for the operator and from the recipient; at most one sip and one tel URI (9.1)."""
    node = scene.node
    with scene.phone("bob") as bob:
        assert bob.register().status == 200
        asserted = "P-Asserted-Identity: <sip:ann@friends.test>, <tel:+3912345>"
        for number, (lines, seen) in enumerate((
            ((asserted, "P-Asserted-Identity: <sip:eve@friends.test>"),
             ["<sip:ann@friends.test>, <tel:+3912345>"]),
            ((asserted, "Privacy: id"), []),
            ((asserted, "Privacy: none"), ["<sip:ann@friends.test>, <tel:+3912345>"]),
        )):  # fmt: skip
            text = b"from the core %d" % number
            scene.core.send(
                scene.core.request(
                    "MESSAGE", "sip:bob@ims.test", None, ("Content-Type: text/plain", *lines), text
                )
            )
            got = one(bob, text)
            assert got.all("p-asserted-identity") == seen
            assert ("ann" in got.data.decode()) is bool(seen)
            assert scene.core.receive() is not None
        assert bob.register(0).status == 200
    senders = [
        one["peer"] for one in history(node, "bob") if one["text"].startswith("from the core")
    ]
    known = "sip:ann@friends.test"
    assert senders == [known, "sip:anonymous@anonymous.invalid", known]


def test_lists_and_groups_keep_it(scene: Scene) -> None:
    node = scene.node
    node.command("group", "add", "staff", "--member", "bob", "--senders", "anyone")
    with scene.phone("alice") as alice, scene.phone("bob") as bob:
        assert bob.register().status == 200
        request = alice.request(
            "MESSAGE",
            "sip:staff@ims.test",
            None,
            ("Content-Type: text/plain", "Privacy: id"),
            b"all",
        )
        alice.send(request)
        challenge = alice.receive()
        assert challenge is not None
        alice.send(alice.with_credentials(request, challenge))
        got = one(bob, b"all")
        assert names(got) == []
        assert got.get("from").startswith(NOBODY)
        assert bob.register(0).status == 200


def test_what_cannot_be_had_fails_only_when_it_is_critical(scene: Scene) -> None:
    """RFC 3323 4.3 and 5."""
    with scene.phone("alice") as alice:
        refused = send(alice, "bob@ims.test", "Privacy: id;telepathy;critical")
        assert refused.status == 500
        assert refused.start.endswith("Privacy failure: no telepathy")
        lines = ("Privacy: id;critical", "Proxy-Require: privacy")
        assert send(alice, "bob@ims.test", *lines).status == 202
        assert send(alice, "bob@ims.test", "Privacy: telepathy").status == 202
        assert send(alice, "bob@ims.test", "Proxy-Require: telepathy").status == 420
        invite = alice.request("INVITE", "sip:bob@ims.test", None, ("Privacy: user;critical",))
        assert alice.answer_to(invite).status == 500
    with scene.phone("carol") as carol:
        # Anonymous is not unauthenticated, and a name that is somebody else's is no anonymity.
        stranger = Phone(scene.address, "carol", password="")
        assert send(stranger, "bob@ims.test", hidden=True).status == 407
        stranger.close()
        request = carol.request("MESSAGE", "sip:bob@ims.test", None, ("Privacy: id",), b"x")
        forged = request.replace(b"From: <sip:carol@", b"From: <sip:alice@")
        assert carol.answer_to(forged).status == 403
