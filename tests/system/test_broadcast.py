"""A broadcast over kill -9: every user's copy comes, and comes once.

``IMSNODE_BROADCAST_USERS`` says how many users there are; half of them are online.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.support.crowd import Crowd
from tests.support.running import RunningNode, eventually
from tests.support.traffic import TRUST

USERS = int(os.environ.get("IMSNODE_BROADCAST_USERS", "300"))
#: Sent within about a second and a half, whatever the count.
RATE = USERS / 1.5
SETTINGS = TRUST + '\n[pager]\nretry_min = "1s"\nmailbox_messages = 1000\n'
BODY = b"the network is down for maintenance tonight"

pytestmark = pytest.mark.timeout(120 + USERS // 20)


@pytest.fixture
def node(tmp_path: Path) -> RunningNode:
    names = Crowd.names_of(USERS)
    return RunningNode(tmp_path / "node", extra=SETTINGS, users=["operator", *names])


def report(node: RunningNode, job: str) -> dict[str, int | str]:
    (shown,) = json.loads(node.command("broadcast", "show", job, "--format", "json").stdout)
    assert isinstance(shown, dict)
    return shown


def waiting(node: RunningNode) -> Counter[str]:
    listed = node.command("message", "list", "--format", "json", "--limit", "1000000").stdout
    return Counter(row["recipient"] for row in json.loads(listed))


def test_every_copy_comes_once_over_kills(node: RunningNode) -> None:
    with Crowd(USERS) as crowd, node:
        online, offline = crowd.names[::2], crowd.names[1::2]
        server = ("127.0.0.1", node.ports["udp"])
        crowd.register(online, server)
        words = ("broadcast", "send", "--from", "operator", "--to", "ims.test")
        sent = node.command(*words, "--rate", str(RATE), BODY.decode())
        job = sent.stdout.strip()
        for part in (0.2, 0.4, 0.6):
            eventually(lambda part=part: crowd.taken >= part * len(online), 60)
            node.kill()
            node.start()
        eventually(lambda: report(node, job)["state"] == "done", 60 + USERS / 50)
        eventually(lambda: len(crowd.got) == len(online), 60)
        eventually(lambda: report(node, job)["waiting"] == len(offline), 60)
        assert waiting(node) == Counter(f"sip:{name}@ims.test" for name in offline)
        shown = report(node, job)
        assert (shown["total"], shown["stored"], shown["left"]) == (USERS, USERS, 0)
        assert (shown["delivered"], shown["waiting"]) == (len(online), len(offline))
        crowd.register(offline, server)
        eventually(lambda: len(crowd.got) == USERS, 60)
        eventually(lambda: report(node, job)["delivered"] == USERS, 60)
    assert {name: list(bodies) for name, bodies in crowd.got.items()} == {
        name: [BODY] for name in crowd.names
    }
    assert {len(seen) for bodies in crowd.got.values() for seen in bodies.values()} == {1}


def test_a_broadcast_waits_for_the_node_and_can_be_ended(tmp_path: Path) -> None:
    node = RunningNode(tmp_path / "node", extra=SETTINGS)
    words = ("broadcast", "send", "--from", "alice", "--to", "ims.test", "--rate", "1", "hello")
    first = node.command(*words).stdout.strip()
    second = node.command(*words).stdout.strip()
    node.command("broadcast", "cancel", second)
    with node:
        eventually(lambda: report(node, first)["state"] == "done")
        assert waiting(node) == {"sip:bob@ims.test": 1, "sip:carol@ims.test": 1}
        third = node.command(*words[:-1], "again").stdout.strip()
        node.command("broadcast", "cancel", third)
        assert report(node, third)["state"] == "cancelled"
        listed = json.loads(node.command("broadcast", "list", "--format", "json").stdout)
        assert [row["id"] for row in listed] == [third, second, first]
        refused = node.command("broadcast", "cancel", third, check=False)
        assert (refused.returncode, "does not run" in refused.stderr) == (1, True)
        story = node.command("why", first).stdout
        assert story.count("sip:bob@ims.test") >= 1


def test_what_cannot_be_broadcast_is_refused(tmp_path: Path) -> None:
    node = RunningNode(tmp_path / "node", users=("alice",))
    words = ("broadcast", "send", "--from", "alice", "--to")
    for target, code, reason in (
        ("ims.test", 1, "nobody is in ims.test"),
        ("sip:team@ims.test", 1, "no group"),
        ("other.test", 1, "no domain served here"),
    ):
        refused = node.command(*words, target, "hello", check=False)
        assert (refused.returncode, reason in refused.stderr) == (code, True), refused.stderr
    assert node.command("broadcast", "show", "b1", check=False).returncode == 1
