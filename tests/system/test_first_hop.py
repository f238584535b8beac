"""A node as edge proxy before another one that is the registrar (RFC 5626 section 5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode
from tests.system.test_calls import call, until

SUPPORTED = ("Supported: path, outbound, gruu",)


class Pair:
    """The registrar of home.test, and the edge that its users come in by."""

    def __init__(self, directory: Path) -> None:
        users = [f"user{number}" for number in range(8)]
        self.home = RunningNode(directory / "home", domains=["home.test"], users=users).start()
        extra = (
            f'[edge]\ndomains = ["home.test"]\n[[peer]]\nname = "home"\n'
            f'address = "{self.home.address}"\ndomains = ["home.test"]\n'
            f'targets = ["udp:{self.home.address}"]\n'
        )
        self.edge = RunningNode(directory / "edge", domains=["edge.test"], users=[], extra=extra)
        self.edge.start()

    def outside(self, user: str, transport: str = "UDP") -> Device:
        address = ("127.0.0.1", self.edge.ports[transport.lower()])
        return Device(address, user, "home.test", transport=transport, instance=user)

    def inside(self, user: str) -> Phone:
        return Phone(("127.0.0.1", self.home.ports["udp"]), user, "home.test")


class Device(Phone):
    """A phone that registers over a flow; its address means nothing to the registrar."""

    features = ";reg-id=1"

    @property
    def contact(self) -> str:
        suffix = "" if self.transport == "UDP" else ";transport=tcp"
        return f"sip:{self.user}@192.0.2.66:5060{suffix};ob"

    def sign_in(self, expires: int = 600) -> Reply:
        return self.register(expires, SUPPORTED)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("first-hop"))
    yield made
    made.edge.stop()
    made.home.stop()


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_messages_both_ways_over_the_flow(pair: Pair, transport: str) -> None:
    user = f"user{0 if transport == 'UDP' else 1}"
    with pair.outside(user, transport) as alice, pair.inside("user2") as bob:
        reply = alice.sign_in()
        assert (reply.status, reply.get("require")) == (200, "outbound")
        path = reply.get("path")
        assert re.fullmatch(rf"<sip:[\w-]+@{re.escape(pair.edge.address)};lr;ob>", path)
        bob.register()
        lines = ("Content-Type: text/plain",)
        for sender, receiver in ((bob, alice), (alice, bob)):
            uri = f"sip:{receiver.user}@home.test"
            request = sender.request("MESSAGE", uri, lines=lines, body=b"over the edge")
            sender.send(request)
            sender.send(sender.with_credentials(request, until(sender, 407)))
            got = until(receiver, "MESSAGE")
            assert got.body == b"over the edge"
            assert not got.all("route")
            receiver.respond(got, 200)
            assert until(sender, 200)


def test_a_call_through_the_edge(pair: Pair) -> None:
    with pair.outside("user3") as alice, pair.outside("user4", "TCP") as bob:
        assert alice.sign_in().status == bob.sign_in().status == 200
        leg, other = call(alice, bob)
        other.send("BYE")
        bye = until(alice, "BYE")
        alice.respond(bye, 200)
        assert until(bob, 200).get("call-id") == leg.call_id


def test_a_flow_that_is_gone(pair: Pair) -> None:
    with pair.outside("user5", "TCP") as alice, pair.inside("user2") as bob:
        path = alice.sign_in().get("path").strip("<>")
        alice.close()
        # The registrar's side alone may use the Path; to others it is closed, alive or not.
        bob.socket.connect(("127.0.0.1", pair.edge.ports["udp"]))
        route = (f"Route: <{path}>",)
        bob.send(bob.request("MESSAGE", alice.contact, lines=route))
        assert until_final(bob).status in (403, 430)
        bob.send(bob.request("MESSAGE", alice.contact, lines=(route[0].replace("sip:", "sip:A"),)))
        assert until_final(bob).status == 403


def test_who_is_not_registered_gets_nowhere(pair: Pair) -> None:
    with pair.outside("user6") as alice:
        alice.send(alice.request("MESSAGE", "sip:user2@home.test"))
        assert until_final(alice).status == 403
        assert alice.sign_in().status == 200
        alice.send(alice.request("MESSAGE", "sip:user2@home.test"))
        assert until_final(alice).status == 407
        assert alice.sign_in(0).status == 200
        alice.send(alice.request("MESSAGE", "sip:user2@home.test"))
        assert until_final(alice).status == 403


def until_final(phone: Phone) -> Reply:
    while (reply := phone.receive(20)) is not None:
        if reply.status >= 200:
            return reply
    raise AssertionError("no final answer")
