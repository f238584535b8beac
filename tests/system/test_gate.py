"""What a Route of ours proves, and which addresses are ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    with RunningNode(tmp_path / "node") as running:
        yield running


def phone(node: RunningNode, user: str, **kw: str) -> Phone:
    return Phone(("127.0.0.1", node.ports["udp"]), user, **kw)


def established(alice: Phone, bob: Phone) -> Reply:
    """Set a call up and return the INVITE as bob got it."""
    request = alice.request("INVITE", "sip:bob@ims.test", None, (f"Contact: <{alice.contact}>",))
    alice.send(request)
    challenge = alice.receive()
    assert challenge is not None
    alice.send(alice.with_credentials(request, challenge))
    invite = bob.receive()
    assert invite is not None
    assert invite.method == "INVITE"
    bob.respond(invite, 200, (f"Contact: <{bob.contact}>",))
    return invite


def test_a_route_of_ours_is_no_credential_for_a_message(node: RunningNode) -> None:
    """Threats A1, A2: a party of a call cannot speak for others by way of its Route."""
    with (
        phone(node, "alice") as alice,
        phone(node, "bob") as bob,
        phone(node, "carol", password="") as thief,
    ):
        assert bob.register().status == 200
        invite = established(alice, bob)
        routes = tuple(f"Route: {value}" for value in invite.all("record-route"))
        assert routes
        forged = thief.request(
            "MESSAGE", "sip:bob@ims.test", None,
            (*routes, "P-Asserted-Identity: <sip:carol@ims.test>", "Content-Type: text/plain"),
            b"from carol, honestly", call_id=invite.get("call-id"),
        )  # fmt: skip
        to = b"To: <sip:bob@ims.test>"
        stranger = forged.replace(to, to + b";tag=zz")
        assert thief.answer_to(stranger).status == 403
        tag = invite.get("from").partition(";tag=")[2].encode()
        party = forged.replace(to, to + b";tag=" + tag).replace(b"z9hG4bK", b"z9hG4bKx")
        assert thief.answer_to(party).status == 407
        # A method of dialogs goes to those who have one, and to no other host.
        elsewhere = party.replace(b"MESSAGE sip:bob@ims.test", b"INFO sip:x@192.0.2.9")
        elsewhere = elsewhere.replace(b"MESSAGE", b"INFO").replace(b"z9hG4bK", b"z9hG4bKy")
        assert thief.answer_to(elsewhere).status in (403, 407)
        bob.inbox.clear()
        assert bob.collect(1, 0.5) == []


def test_a_listener_on_every_address_knows_the_one_it_was_asked_at(tmp_path: Path) -> None:
    """Contract: a softphone that is configured with a bare address of the machine works."""
    with RunningNode(tmp_path / "node", listen=("udp:0.0.0.0:0", "tcp:0.0.0.0:0")) as node:
        server = ("127.0.0.2", node.ports["tcp"])
        with Phone(server, "alice", domain="127.0.0.2", transport="TCP") as alice:
            assert alice.register().status == 200
            assert alice.message("echo", "x").status == 200
