# SPDX-License-Identifier: Apache-2.0
"""Two domains that know of each other by DNS and by certificates alone, over TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from imsnode.certificates import Contexts, TlsSettings
from tests.support.authority import Authority
from tests.support.names import NameServer
from tests.support.phone import Phone, Reply
from tests.support.proxied import request_text
from tests.support.running import RunningNode

SETTINGS = """
[network]
name_servers = ["{dns[0]}:{dns[1]}"]
[tls]
certificate = "{files.cert}"
key = "{files.key}"
authorities = "{authorities}"
client_certificates = "ask"
[interconnect]
find = ["*"]
admit = ["a.test", "b.test"]
patience = 0.5
"""


class Domains:
    """a.test and b.test, a name server that knows both, and a target of b.test that is dead."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        self.records: dict[tuple[str, str], list[str]] = {("sip.test", "A"): ["127.0.0.1"]}
        self.dns = NameServer(self.records)
        self.dns.__enter__()
        self.nodes = {name: self._node(directory, name) for name in ("a.test", "b.test")}
        with socket.create_server(("127.0.0.1", 0)) as closed:
            dead = closed.getsockname()[1]
        for name, node in self.nodes.items():
            service = f"_sips._tcp.{name}"
            self.records[(name, "NAPTR")] = [f'10 10 "s" "SIPS+D2T" "" {service}.']
            self.records[(service, "SRV")] = [
                f"10 1 {dead} sip.test.",
                f"20 1 {node.ports['tls']} sip.test.",
            ]

    def _node(self, directory: Path, name: str) -> RunningNode:
        extra = SETTINGS.format(
            dns=self.dns.address, files=self.authority.issue(name), authorities=self.authority.file
        )
        return RunningNode(
            directory / name, domains=[name], extra=extra,
            listen=["udp:127.0.0.1:0", "tls:127.0.0.1:0"],
        ).start()  # fmt: skip

    def phone(self, user: str, domain: str) -> Phone:
        return Phone(("127.0.0.1", self.nodes[domain].ports["udp"]), user, domain)

    def stranger(self, domain: str, *names: str) -> ssl.SSLSocket:
        """Connect to a domain's node, with a certificate for these names if there are any."""
        shown = self.authority.issue(*names) if names else None
        files = self.authority.issue("x.test")
        context = Contexts(TlsSettings(files, shown, authorities=self.authority.file)).sip
        opened = socket.create_connection(("127.0.0.1", self.nodes[domain].ports["tls"]), 20)
        return context.wrap_socket(opened, server_hostname=domain)

    def close(self) -> None:
        for node in self.nodes.values():
            node.stop()
        self.dns.__exit__()


@pytest.fixture(scope="module")
def domains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domains]:
    made = Domains(tmp_path_factory.mktemp("interconnect"))
    yield made
    made.close()


def test_users_of_two_domains_write_to_each_other(domains: Domains) -> None:
    """The first target of each domain is dead: everybody gets through by the second."""
    with domains.phone("alice", "a.test") as alice, domains.phone("bob", "b.test") as bob:
        for phone in (alice, bob):
            assert phone.register().status == 200
        for sender, receiver in ((alice, bob), (bob, alice), (alice, bob)):
            request = sender.request(
                "MESSAGE", receiver.aor, None, ("Content-Type: text/plain",), b"hello"
            )
            sender.send(request)
            challenge = sender.receive()
            assert challenge is not None
            assert challenge.status == 407
            sender.send(sender.with_credentials(request, challenge))
            got = receiver.receive()
            assert got is not None
            assert (got.method, got.body) == ("MESSAGE", b"hello")
            assert sender.aor in got.get("from")
            receiver.respond(got, 200)
            answer = sender.receive()
            assert answer is not None
            assert answer.status == 200
    for node in domains.nodes.values():
        assert node.metric("imsnode_servers_resting") == 1
        assert node.metric("imsnode_auth_certified_total") > 0


def ask(opened: ssl.SSLSocket, sender: str, to: str) -> Reply:
    text = request_text(uri=f"sip:{to}", body="hello", transport="TLS")
    opened.sendall(text.replace(b"sip:alice@ims.test", f"sip:{sender}".encode()))
    return Reply(opened.recv(65536))


@pytest.mark.parametrize(
    ("names", "sender", "to", "status"),
    [
        # Without a certificate, or with one for somebody else, everybody is a stranger.
        ((), "alice@a.test", "bob@b.test", 407),
        (("c.test",), "alice@a.test", "bob@b.test", 407),
        # Proven, and not admitted.
        (("c.test",), "carol@c.test", "bob@b.test", 407),
        # Nobody outside speaks for users of the domain, whatever was proven.
        (("b.test",), "bob@b.test", "alice@b.test", 407),
        # Who is admitted reaches users here, and is no relay's customer.
        (("a.test",), "alice@a.test", "nobody@b.test", 404),
        (("a.test",), "alice@a.test", "carol@c.test", 403),
        (("a.test",), "alice@a.test", "other@a.test", 403),
    ],
)
def test_who_may_hand_in_what(
    domains: Domains, names: tuple[str, ...], sender: str, to: str, status: int
) -> None:
    with domains.stranger("b.test", *names) as opened:
        assert ask(opened, sender, to).status == status


def test_a_domain_that_is_nowhere(domains: Domains) -> None:
    with domains.phone("alice", "a.test") as alice:
        assert alice.message("sip:x@nowhere.test", "hello").status == 404
