"""Sessions that the node takes for users who are not there, and messages it brings in sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from session_msrp.session import Delivered, Reported
from tests.support.msrp import MsrpClient, final, invite, within
from tests.support.phone import Phone
from tests.support.running import RunningNode

EXTRA = '[msrp]\nlisten = ["tcp:127.0.0.1:0"]\ndeferred = true\ninterwork = true\n'


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with RunningNode(tmp_path_factory.mktemp("deferred") / "node", extra=EXTRA) as running:
        yield running


@pytest.fixture
def alice(node: RunningNode) -> Iterator[Phone]:
    with Phone(("127.0.0.1", node.ports["udp"]), "alice") as phone:
        yield phone


class Taken:
    """A session of a caller with the node itself."""

    def __init__(self, caller: Phone, called: str, near: MsrpClient) -> None:
        self.caller, self.near = caller, near
        self.invite = invite(caller, called, near.offer())
        self.ok = final(caller)
        assert self.ok.status == 200, self.ok.data
        near.accept_answer(self.ok.body)
        [self.target] = re.findall(r"<(.*)>", self.ok.get("contact"))
        self.request("ACK")
        near.open()

    def request(self, method: str) -> None:
        """Send a request of the dialog."""
        if method != "ACK":
            self.caller.cseq += 1
        self.caller.send(
            within(self.invite, method, self.ok.get("to"), self.target, [], self.caller.cseq)
        )

    def hang_up(self) -> None:
        self.request("BYE")
        assert final(self.caller).status == 200
        assert self.near.ended()


def test_a_session_to_somebody_away_becomes_messages(node: RunningNode, alice: Phone) -> None:
    """Each message is in the store before its MSRP 200; they come when the user does."""
    with MsrpClient() as near, Phone(("127.0.0.1", node.ports["udp"]), "bob") as bob:
        call = Taken(alice, "bob", near)
        sent = [near.send(b"one", success_report=True), near.send(b"two " * 5000)]
        near.until(Delivered, 3)  # the first opened the connection
        near.until(Reported)
        assert {Delivered(each) for each in sent} < set(near.events)
        call.hang_up()
        assert bob.register().status == 200
        came = []
        for _ in sent:
            message = final(bob)
            bob.respond(message, 200)
            came.append(message.body)
        assert came == [b"one", b"two " * 5000]
