"""Other servers as peers of a real node: made by commands, asked, chosen, passed over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode

FIRST, SECOND = "127.0.0.2", "127.0.0.3"
CHANGE = "out add X-Network: ours"


class Scene:
    """A node and two servers of carriers, to which commands give ranges."""

    def __init__(self, directory: Path) -> None:
        self.node = RunningNode(directory).start()
        self.address = ("127.0.0.1", self.node.ports["udp"])
        self.first = Phone(self.address, "first", host=FIRST)
        self.second = Phone(self.address, "second", host=SECOND)
        self.alice = Phone(self.address, "alice")

    def add(self, name: str, phone: Phone, *words: str) -> None:
        target = f"udp:{phone.host}:{phone.port}"
        self.node.command("peer", "add", name, "--target", target, "--ping", "0", *words)

    def send(self, uri: str, *lines: str) -> bytes:
        """Send a message of alice's, with credentials; returns what identifies it."""
        lines = ("Content-Type: text/plain", *lines)
        request = self.alice.request("MESSAGE", uri, None, lines, b"hi")
        challenge = self.alice._transact(request, 5.0)
        assert challenge.status == 407
        self.alice.send(self.alice.with_credentials(request, challenge))
        return request

    def outcome(self) -> int:
        reply = self.alice.receive()
        assert reply is not None
        return reply.status

    def states(self) -> dict[str, dict[str, object]]:
        shown = self.node.command("peer", "list", "--format", "json").stdout
        return {row["name"]: row for row in json.loads(shown)}

    def close(self) -> None:
        for phone in (self.first, self.second, self.alice):
            phone.close()
        self.node.stop()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("peers") / "node")
    yield made
    made.close()


def taken(phone: Phone, method: str = "MESSAGE", options: int = 0) -> Reply:
    """Take a request of this method; OPTIONS before it are answered with a status."""
    while True:
        got = phone.receive()
        assert got is not None
        if got.method == method:
            return got
        assert got.method == "OPTIONS"
        phone.respond(got, options)


def test_commands_take_effect_on_the_running_node(scene: Scene) -> None:
    scene.add("one", scene.first, "--number", "+49", "--priority", "1", "--domain", "one.test")
    scene.add("two", scene.second, "--number", "+49", "--priority", "2")
    scene.send("sip:+49-30-123@ims.test")
    got = taken(scene.first)
    assert got.start.split()[1] == "sip:+4930123@one.test;user=phone"
    scene.first.respond(got, 503)
    got = taken(scene.second)
    assert got.start.split()[1] == f"sip:+4930123@{SECOND};user=phone"
    scene.second.respond(got, 200)
    assert scene.outcome() == 200
    states = scene.states()
    assert (states["one"]["failed"], states["two"]["requests"]) == (1, 1)
    scene.node.command("peer", "set", "two", "--number", "+4930", "--hide", "--header", CHANGE)
    scene.send("sip:+4930124@ims.test")
    got = taken(scene.second)
    assert (len(got.all("Via")), got.get("X-Network")) == (1, "ours")
    assert got.get("Call-ID").startswith("imsn-")
    scene.second.respond(got, 404)
    assert scene.outcome() == 404
    scene.node.command("peer", "remove", "one")
    scene.node.command("peer", "remove", "two")
    assert scene.states() == {}


def test_who_answers_no_options_is_left_out(scene: Scene) -> None:
    scene.add("silent", scene.first, "--domain", "far.test", "--ping", "1s", "--priority", "1")
    asked = taken(scene.first, "OPTIONS")
    scene.first.respond(asked, 503)
    scene.add("other", scene.second, "--domain", "far.test", "--priority", "2")
    scene.send("sip:bob@far.test")
    scene.second.respond(taken(scene.second), 200)
    assert scene.outcome() == 200
    assert scene.states()["silent"]["state"] == "down"
    assert 'imsnode_peer_up{peer="silent"} 0.0' in scene.node.get("/metrics").text
    while (again := taken(scene.first, "OPTIONS")).get("Call-ID") == asked.get("Call-ID"):
        scene.first.respond(again, 503)
    scene.first.respond(again, 405)
    scene.send("sip:bob@far.test")
    scene.first.respond(taken(scene.first, options=405), 200)
    assert scene.outcome() == 200
    for name in ("silent", "other"):
        scene.node.command("peer", "remove", name)


def test_what_was_not_sent_takes_no_place(scene: Scene) -> None:
    scene.add("narrow", scene.first, "--domain", "narrow.test", "--concurrent", "1")
    scene.send("sip:bob@narrow.test", "Max-Breadth: 0")
    assert scene.outcome() == 440
    scene.send("sip:bob@narrow.test")
    scene.first.respond(taken(scene.first), 200)
    assert scene.outcome() == 200
    scene.node.command("peer", "remove", "narrow")


def test_what_is_wrong_is_said(scene: Scene) -> None:
    refused = scene.node.command("peer", "add", "bad", "--number", "0049", check=False)
    assert refused.returncode == 2
    assert 'numbers[0] = "0049"' in refused.stderr
    refused = scene.node.command("peer", "add", "bad", "--domain", "x.test", check=False)
    assert (refused.returncode, "neither are targets" in refused.stderr) == (2, True)
    gone = scene.node.command("peer", "remove", "nobody", check=False)
    assert gone.returncode == 1


def test_a_peer_is_tested_from_the_command_line(scene: Scene) -> None:
    """The node asked is this very node: it answers OPTIONS to anybody."""
    target = f"udp:127.0.0.1:{scene.address[1]}"
    scene.node.command("peer", "add", "self", "--target", target, "--ping", "0")
    good = scene.node.command("peer", "test", "self")
    assert "OPTIONS sip:127.0.0.1" in good.stdout
    assert "it is there and answers 200" in good.stdout
    scene.node.command("peer", "set", "self", "--target", "tcp:127.0.0.1:9")
    bad = scene.node.command("peer", "test", "self", check=False)
    assert bad.returncode == 1
    assert "no connection: refused" in bad.stdout
    scene.node.command("peer", "remove", "self")
