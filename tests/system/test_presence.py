# SPDX-License-Identifier: Apache-2.0
"""Presence at a real node: who may, what is kept over a kill, what the operator sees."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode

SETTINGS = '[presence]\nstrangers = "allow"\nnotify_interval = 0\n'
PIDF = "Content-Type: application/pidf+xml"
EVENT = ("Event: presence", "Expires: 600")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with RunningNode(tmp_path_factory.mktemp("presence") / "node", extra=SETTINGS) as running:
        yield running


def phone(node: RunningNode, user: str, transport: str = "UDP") -> Phone:
    return Phone(("127.0.0.1", node.ports[transport.lower()]), user, transport=transport)


def document(note: str, user: str = "alice") -> bytes:
    return (
        f'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:{user}@ims.test"><tuple id="t">'
        f"<status><basic>open</basic></status></tuple><note>{note}</note></presence>"
    ).encode()


def publish(client: Phone, note: str, etag: str = "") -> Reply:
    lines = (*EVENT, PIDF, *((f"SIP-If-Match: {etag}",) if etag else ()))
    return client.answer_to(client.request("PUBLISH", client.aor, None, lines, document(note)))


def subscribe(client: Phone, to: str = "alice", *lines: str) -> Reply:
    lines = lines or EVENT
    contact = f"Contact: <{client.contact}>"
    return client.answer_to(
        client.request("SUBSCRIBE", f"sip:{to}@ims.test", None, (*lines, contact))
    )


def notified(client: Phone) -> Reply:
    """Return the next NOTIFY, answered."""
    if client.inbox:
        return client.inbox.pop(0)
    while True:
        got = client.receive(8.0)
        assert got is not None
        if got.method == "NOTIFY":
            client.respond(got, 200)
            return got


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_subscription_outlives_a_kill(node: RunningNode, transport: str) -> None:
    with phone(node, "alice") as alice, phone(node, "bob", transport) as bob:
        tag = publish(alice, "here").get("sip-etag")
        assert subscribe(bob).status == 200
        first = notified(bob)
        assert first.get("subscription-state").startswith("active;expires=")
        assert b"here" in first.body
        if transport == "UDP":
            node.kill()
            node.start()
            again = notified(bob)
            assert (again.get("call-id"), again.body) == (first.get("call-id"), first.body)
            assert int(again.get("cseq").split()[0]) > int(first.get("cseq").split()[0])
            first = again
        with phone(node, "alice") as elsewhere:
            assert publish(elsewhere, "gone", tag).status == 200
        assert b"gone" in notified(bob).body
        # The end, in the dialog, to the Contact of the node.
        uri = first.get("contact").strip("<>")
        contact = f"Contact: <{bob.contact}>"
        over = bob.request(
            "SUBSCRIBE", uri, None, ("Event: presence", "Expires: 0", contact),
            call_id=first.get("call-id"), tag=first.get("to").split("tag=")[1],
        )  # fmt: skip
        over = over.replace(f"To: <{uri}>".encode(), f"To: {first.get('from')}".encode())
        assert bob.answer_to(over).status == 200
        assert notified(bob).get("subscription-state") == "terminated;reason=timeout"


def test_only_the_authenticated(node: RunningNode) -> None:
    with Phone(("127.0.0.1", node.ports["udp"]), "mallory", password="") as mallory:
        assert subscribe(mallory).status in (401, 403, 407)
        assert publish(mallory, "x").status in (401, 403, 407)
    with phone(node, "bob") as bob:
        body = document("x", "alice")
        asked = bob.request("PUBLISH", "sip:alice@ims.test", None, (*EVENT, PIDF), body)
        assert bob.answer_to(asked).status == 403
        assert subscribe(bob, "alice", "Event: nonsense").get("allow-events")
        assert subscribe(bob, "nobody").status == 404


def test_what_the_operator_sees_and_ends(node: RunningNode) -> None:
    with phone(node, "alice") as alice, phone(node, "carol") as carol:
        publish(alice, "at work")
        subscribe(carol)
        assert notified(carol).get("subscription-state").startswith("active")
        (row,) = json.loads(
            node.command("subscription", "list", "--of", "carol", "--format", "json").stdout
        )
        assert (row["package"], row["resource"]) == ("presence", "sip:alice@ims.test")
        (watcher,) = json.loads(
            node.command("presence", "watchers", "alice", "--format", "json").stdout
        )
        assert (watcher["state"], watcher["standing"]) == ("active", "allowed")
        assert watcher["rule"] == "default of the domain"
        shown = node.command("presence", "show", "alice").stdout
        assert shown.count("at work") == 2
        listed = node.command("presence", "publications", "alice", "--format", "json").stdout
        assert {one["package"] for one in json.loads(listed)} == {"presence"}
        assert node.metric("imsnode_subscriptions") == 1
        node.command("subscription", "remove", str(row["number"]))
        assert notified(carol).get("subscription-state") == "terminated;reason=deactivated"
        again = node.command("subscription", "remove", str(row["number"]), check=False)
        assert again.returncode == 1
        assert "there is no subscription" in again.stderr


def test_the_story_of_a_subscription(node: RunningNode) -> None:
    with phone(node, "bob") as bob:
        assert subscribe(bob, "carol").status == 200
        first = notified(bob)
        (row,) = json.loads(
            node.command("subscription", "list", "--to", "carol", "--format", "json").stdout
        )
        end = ("--reason", "probation", "--retry-after", "30")
        assert node.command("subscription", "remove", str(row["number"]), *end).returncode == 0
        last = notified(bob)
        assert last.get("subscription-state") == "terminated;reason=probation;retry-after=30"
        story = node.command("why", first.get("call-id")).stdout
    said = [line.strip() for line in story.splitlines()]
    assert said[1] == "sip:bob@ims.test follows sip:carol@ims.test (presence)"
    steps = [story.index(f"  {step}") for step in ("active", "notified", "terminated")]
    assert steps == sorted(steps)
    assert "because default of the domain" in said
    assert "because probation" in said
    assert "2 NOTIFYs" in story
