"""Sessions that the node takes for users who are not there, and messages it brings in sessions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from session_msrp.outbox import Outgoing
from session_msrp.session import Delivered, Reported
from sip.bodies.cpim import parse_cpim
from tests.support.imdn import asking, telling, told
from tests.support.msrp import MsrpClient, final, invite, within
from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode

EXTRA = (
    '[msrp]\nlisten = ["tcp:127.0.0.1:0"]\ndeferred = true\ninterwork = true\n'
    '[content]\ndomains = ["ims.test"]\n[pager]\ndefer_after = 0.5\n'
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    people = (
        "alice",
        "bob",
        "carol",
        "dave",
        "erin",
        "frank",
        "grace",
        "heidi",
        "ivan",
        "judy",
        "kate",
        "liam",
        "mia",
    )
    home = tmp_path_factory.mktemp("deferred") / "node"
    with RunningNode(home, extra=EXTRA, users=people) as running:
        yield running


@pytest.fixture
def alice(node: RunningNode) -> Iterator[Phone]:
    with Phone(("127.0.0.1", node.ports["udp"]), "alice") as phone:
        yield phone


class Taken:
    """A session of a caller with the node itself."""

    def __init__(
        self,
        caller: Phone,
        called: str,
        near: MsrpClient,
        sent: Reply | None = None,
        lines: tuple[str, ...] = (),
    ) -> None:
        self.caller, self.near = caller, near
        self.invite = sent or invite(caller, called, near.offer(), lines)
        self.ok = final(caller)
        assert self.ok.status == 200, self.ok.data
        near.accept_answer(self.ok.body)
        [self.target] = re.findall(r"<(.*)>", self.ok.get("contact"))
        self.request("ACK")
        near.open()

    def request(self, method: str, body: bytes = b"") -> None:
        """Send a request of the dialog."""
        if method != "ACK":
            self.caller.cseq += 1
        self.caller.send(
            within(self.invite, method, self.ok.get("to"), self.target, [], self.caller.cseq, body)
        )

    def hang_up(self) -> None:
        self.request("BYE")
        assert final(self.caller).status == 200
        assert self.near.ended()


class Called:
    """A session with the node that the node asked for."""

    def __init__(self, callee: Phone, far: MsrpClient) -> None:
        self.callee, self.far = callee, far
        self.invite = final(callee)
        assert self.invite.method == "INVITE", self.invite.data
        answer = far.answer(self.invite.body)
        lines = (f"Contact: <{callee.contact}>", "Content-Type: application/sdp")
        callee.respond(self.invite, 200, lines, answer)
        assert final(callee).method == "ACK"
        far.open()


def words(phone: Phone, count: int) -> list[bytes]:
    """Take so many MESSAGEs; return their contents."""
    bodies = []
    for _ in range(count):
        message = final(phone)
        assert message.method == "MESSAGE", message.data
        phone.respond(message, 200)
        bodies.append(message.body)
    return bodies


def story(node: RunningNode, message_id: str) -> str:
    return node.command("why", message_id).stdout


def test_a_session_to_somebody_away_becomes_messages(node: RunningNode, alice: Phone) -> None:
    """Each message is in the store before its MSRP 200; they come when the user does."""
    with MsrpClient() as near, Phone(("127.0.0.1", node.ports["udp"]), "bob") as bob:
        call = Taken(alice, "bob", near)
        sent = [near.send(b"one", success_report=True), near.send(b"two " * 5000)]
        near.until(Delivered, 3)  # the first opened the connection
        near.until(Reported)
        assert {Delivered(each) for each in sent} < set(near.events)
        [row] = json.loads(node.command("session", "list", "--format", "json").stdout)
        assert (row["callee"], row["state"]) == ("sip:bob@ims.test", "connected")
        call.hang_up()
        assert bob.register().status == 200
        assert words(bob, 2) == [b"one", b"two " * 5000]
        why = story(node, call.invite.get("call-id"))
        assert "session-taken" in why
        assert "no device of the called user is registered: its messages are stored" in why
        assert "it came in the session of this Call-ID" in why


def test_a_session_is_taken_up_again_when_its_connection_broke(
    node: RunningNode, alice: Phone
) -> None:
    """A message that comes again under its old Message-ID is the same message (MS-13)."""
    with MsrpClient() as near:
        call = Taken(alice, "ivan", near)
        sent = near.send(b"once")
        near.until(Delivered, 2)
        near.hang_up()
        near.renew()
        call.request("INVITE", near.offer())
        ok = final(alice)
        assert ok.status == 200, ok.data
        near.accept_answer(ok.body)
        call.request("ACK")
        near.open()
        again = Outgoing(sent.id, b"text/plain", b"once")
        near.session.send(again)
        near.send(b"more")
        while Delivered(again) not in near.events:
            assert near.read()
        call.hang_up()
    with Phone(("127.0.0.1", node.ports["udp"]), "ivan") as ivan:
        assert ivan.register().status == 200
        assert words(ivan, 2) == [b"once", b"more"]


def test_a_session_to_a_device_that_says_nothing(node: RunningNode, alice: Phone) -> None:
    """The caller waits no longer than for the answer to a MESSAGE."""
    with Phone(("127.0.0.1", node.ports["udp"]), "judy") as judy, MsrpClient() as near:
        assert judy.register().status == 200
        call = Taken(alice, "judy", near)
        near.send(b"hello")
        near.until(Delivered, 2)
        call.hang_up()
        why = story(node, call.invite.get("call-id"))
        assert "no device of the called user took the call: its messages are stored" in why


def test_a_caller_who_hides_is_not_taken(alice: Phone) -> None:
    """Messages of the session would be told to be the caller's (RFC 3323)."""
    with MsrpClient() as near:
        invite(alice, "bob", near.offer(), ("Privacy: id",))
        assert final(alice).status == 480


SESSIONS = ";+g.oma.sip-im"
ONLY_SESSIONS = ';methods="INVITE,ACK,BYE,CANCEL"'
ONLY_MESSAGES = ';methods="MESSAGE"'


def test_what_waited_comes_in_a_session_where_the_device_takes_some(
    node: RunningNode, alice: Phone
) -> None:
    """One call brings all of it, in order; receipts and words go back through it."""
    with MsrpClient() as near, MsrpClient(types=b"message/cpim") as far:
        call = Taken(alice, "carol", near)
        body = asking(b"imdn-7", "positive-delivery", recipient=b"sip:carol@ims.test")
        near.send(body, b"message/cpim")
        near.send(b"plain")
        near.until(Delivered, 3)
        call.hang_up()
        assert alice.register().status == 200
        with Phone(("127.0.0.1", node.ports["udp"]), "carol") as bob:
            bob.features = SESSIONS
            assert bob.register().status == 200
            came = Called(bob, far)
            assert "<sip:alice@ims.test>" in came.invite.get("from")
            one, two = far.messages(2)
            assert one == body
            plain = parse_cpim(two)
            assert plain.part.content == b"plain"
            assert plain.get(b"From") == b"<sip:alice@ims.test>"
            far.send(
                telling("imdn-7", "delivery", "delivered", sender=b"sip:carol@ims.test"),
                b"message/cpim",
            )
            assert told(words(alice, 1)) == [("imdn-7", "delivery", "delivered")]
            assert "answered 200 in an MSRP session" in story(node, "imdn-7")
        assert "the device says that it has the message" in story(node, "imdn-7")


def test_a_message_to_a_device_that_takes_sessions_alone(node: RunningNode, alice: Phone) -> None:
    """It is stored, brought in a session, and answered as a message."""
    with Phone(("127.0.0.1", node.ports["udp"]), "dave") as bob, MsrpClient() as far:
        bob.features = ONLY_SESSIONS
        assert bob.register().status == 200
        assert alice.message("dave", "hello").status == 202
        Called(bob, far)
        assert far.messages() == [b"hello"]
        assert alice.message("dave", "again").status == 202
        assert far.messages(2)[1] == b"again"
        assert alice.register().status == 200
        far.send(b"hello yourself")
        assert words(alice, 1) == [b"hello yourself"]


@pytest.mark.parametrize(("called", "features"), [("erin", ONLY_MESSAGES), ("frank", "")])
def test_a_session_to_devices_that_take_none(
    node: RunningNode, alice: Phone, called: str, features: str
) -> None:
    """They say so when they register, or when they are called; either way they get messages."""
    with Phone(("127.0.0.1", node.ports["udp"]), called) as bob, MsrpClient() as near:
        bob.features = features
        assert bob.register().status == 200
        if features:
            call = Taken(alice, called, near)
        else:
            sent = invite(alice, called, near.offer())
            asked = final(bob)
            bob.respond(asked, 488)
            assert final(bob).method == "ACK"
            call = Taken(alice, called, near, sent)
        near.send(b"hello")
        assert words(bob, 1) == [b"hello"]
        near.until(Delivered, 2)
        call.hang_up()


def test_each_of_two_has_one_of_the_modes(node: RunningNode) -> None:
    """One writes in a session, the other by MESSAGE; the answers come in the session there is."""
    server = ("127.0.0.1", node.ports["udp"])
    with Phone(server, "kate") as kate, Phone(server, "liam") as liam, MsrpClient() as near:
        kate.features, liam.features = ONLY_MESSAGES, ONLY_SESSIONS
        assert kate.register().status == 200
        assert liam.register().status == 200
        call = Taken(liam, "kate", near)
        near.send(b"hello")
        assert words(kate, 1) == [b"hello"]
        for text in ("hello yourself", "and more"):
            assert kate.message("liam", text).status == 202
        assert near.messages(2) == [b"hello yourself", b"and more"]
        near.send(b"bye")
        assert words(kate, 1) == [b"bye"]
        call.hang_up()


LARGE_SERVICE = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg"
LARGE_REF = '+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg"'
LARGE_MODE = (
    "Conversation-ID: f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "Contribution-ID: abcdef-1234-5678-90ab-cdef01234567",
    f"Accept-Contact: *;{LARGE_REF};explicit;require",
    f"P-Preferred-Service: {LARGE_SERVICE}",
)
LARGE_BODY = asking(
    b"large-1", "positive-delivery", recipient=b"sip:grace@ims.test", text=b"word " * 50_000
)


def heads(request: Reply) -> list[str]:
    """The header lines that make an INVITE one of large mode."""
    names = [line.partition(":")[0] for line in LARGE_MODE]
    return [f"{name}: {request.get(name)}" for name in names]


def test_a_large_message_to_who_is_there_and_to_who_is_away(
    node: RunningNode, alice: Phone
) -> None:
    """PM-23: direct where a device takes it, else taken, kept and brought in large mode again."""
    server = ("127.0.0.1", node.ports["udp"])
    with MsrpClient() as near:
        call = Taken(alice, "grace", near, lines=LARGE_MODE)
        near.send(LARGE_BODY, b"message/cpim")
        near.until(Delivered, 2)
        call.hang_up()
    assert alice.register().status == 200
    with Phone(server, "grace") as grace, MsrpClient() as far:
        grace.features = ";" + LARGE_REF
        assert grace.register().status == 200
        came = Called(grace, far)
        assert heads(came.invite) == list(LARGE_MODE)
        assert far.messages() == [LARGE_BODY]
        about = telling("large-1", "delivery", "delivered", sender=b"sip:grace@ims.test")
        far.send(about, b"message/cpim")
        assert told(words(alice, 1)) == [("large-1", "delivery", "delivered")]
        with MsrpClient() as near:
            invite(alice, "grace", near.offer(), LARGE_MODE)
            direct = final(grace)
            assert heads(direct) == list(LARGE_MODE)
            assert near.own.raw in direct.body
            grace.respond(direct, 486)
            assert final(grace).method == "ACK"
            assert final(alice).status == 486


def test_a_large_message_to_a_device_without_sessions_is_a_link(
    node: RunningNode, alice: Phone
) -> None:
    with MsrpClient() as near:
        call = Taken(alice, "heidi", near, lines=LARGE_MODE)
        near.send(b"word " * 50_000)
        near.until(Delivered, 2)
        call.hang_up()
    with Phone(("127.0.0.1", node.ports["udp"]), "heidi") as heidi:
        heidi.features = ONLY_MESSAGES
        assert heidi.register().status == 200
        message = final(heidi)
        heidi.respond(message, 200)
        assert message.get("content-type").startswith("message/external-body;")
        assert "size=250000" in message.get("content-type")
        assert message.get("conversation-id") == "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


def test_what_was_answered_200_survives_the_node(node: RunningNode, alice: Phone) -> None:
    """The answer to a message leaves behind its commit; the node is killed right after it."""
    with MsrpClient() as near:
        Taken(alice, "mia", near)
        near.send(b"one")
        near.send(b"two")
        near.until(Delivered, 3)
        node.kill()
    node.start()
    with Phone(("127.0.0.1", node.ports["udp"]), "mia") as mia:
        assert mia.register().status == 200
        assert words(mia, 2) == [b"one", b"two"]
