# SPDX-License-Identifier: Apache-2.0
"""SIPS from end to end (RFC 5630): TLS on every hop and SIPS URIs all the way, or not at all."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from imsnode.tls import client_context
from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode


class SecurePhone(Phone):
    """A user agent with a TLS connection to the node; scheme: of its Contact and its AoR."""

    authority = Path()
    scheme = "sips"

    def __init__(self, node: RunningNode, user: str, scheme: str = "sips") -> None:
        self.scheme = scheme
        self.authority = node.directory / "tls" / "self-signed.crt"
        super().__init__(("127.0.0.1", node.ports["tls"]), user, transport="TLS")

    def open(self, host: str) -> tuple[str, int]:
        found = super().open(host)
        context: ssl.SSLContext = client_context(self.authority)
        self.socket = context.wrap_socket(self.socket, server_hostname="ims.test")
        return found

    @property
    def contact(self) -> str:
        return f"{self.scheme}:{self.user}@{self.host}:{self.port};transport=tcp"

    def registered(self, to: str = "") -> Reply:
        line = f"Contact: <{self.contact}>;expires=600"
        uri = to or f"{self.scheme}:{self.domain}"
        return self.answer_to(self.request("REGISTER", uri, self.aor, (line,)))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with RunningNode(
        tmp_path_factory.mktemp("sips") / "node", listen=["udp:127.0.0.1:0", "tls:127.0.0.1:0"]
    ) as running:
        yield running


def reach(sender: Phone, receiver: Phone, uri: str) -> Reply:
    """Send a message and have it answered; what arrived."""
    sender.send(sender.request("MESSAGE", uri, None, ("Content-Type: text/plain",), b"hello"))
    challenge = sender.receive()
    assert challenge is not None
    request = sender.request("MESSAGE", uri, None, ("Content-Type: text/plain",), b"hello")
    sender.send(sender.with_credentials(request, challenge))
    got = receiver.receive()
    assert got is not None
    receiver.respond(got, 200)
    answer = sender.receive()
    assert answer is not None
    assert answer.status == 200
    return got


def test_a_sips_device_is_reached_as_it_was_asked_for(node: RunningNode) -> None:
    plain = Phone(("127.0.0.1", node.ports["udp"]), "alice")
    with plain, SecurePhone(node, "alice") as alice, SecurePhone(node, "bob") as bob:
        assert bob.registered().status == 200
        for sender, scheme in ((plain, "sip"), (alice, "sip"), (alice, "sips")):
            got = reach(sender, bob, f"{scheme}:bob@ims.test")
            # Never up, never down (5.3); over bob's own connection in any case.
            assert got.start == f"MESSAGE {scheme}{bob.contact[4:]} SIP/2.0"
        assert plain.message("sips:bob@ims.test", "in the clear").status == 480


def test_a_sip_device_is_not_reached_by_sips(node: RunningNode) -> None:
    with SecurePhone(node, "alice") as alice, SecurePhone(node, "carol", "sip") as carol:
        assert carol.registered().status == 200
        refused = alice.message("sips:carol@ims.test", "hello")
        assert (refused.status, refused.get("warning")) == (480, '380 ims.test "SIPS Not Allowed"')
        refused = alice.message("sips:alice@ims.test", "nobody there")
        assert refused.status == 480


def test_a_sips_contact_needs_a_sips_registration(node: RunningNode) -> None:
    with SecurePhone(node, "carol") as carol:
        assert carol.registered("sip:ims.test").status == 400
