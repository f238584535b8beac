"""MSRP sessions between two clients through the anchoring node (RFC 4975, 6135, 3264)."""

from __future__ import annotations

import contextlib
import json
import re
import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imsnode.tls import self_signed
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.media import ACTIVE, ACTPASS, PASSIVE
from session_msrp.printing import print_request
from session_msrp.session import Delivered, Reported
from tests.support.msrp import WAIT_S, Dialog, MsrpClient, final, invite, within
from tests.support.phone import Phone
from tests.support.running import RunningNode, eventually

EXTRA = '[msrp]\nanchor = "always"\nlisten = ["tcp:127.0.0.1:0", "tls:127.0.0.1:0"]\n'


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with RunningNode(tmp_path_factory.mktemp("sessions") / "node", extra=EXTRA) as running:
        yield running


@pytest.fixture(scope="module")
def phones(node: RunningNode) -> Iterator[tuple[Phone, Phone]]:
    server = ("127.0.0.1", node.ports["udp"])
    with Phone(server, "alice") as alice, Phone(server, "bob") as bob:
        assert bob.register().status == 200
        yield alice, bob


Start = Callable[..., Dialog]


@pytest.fixture
def start(phones: tuple[Phone, Phone]) -> Iterator[Start]:
    """Have alice call bob; both ends are connected, and `first` has passed when it returns."""
    with contextlib.ExitStack() as ends:

        def begin(
            near: MsrpClient | None = None, far: MsrpClient | None = None, first: bytes = b""
        ) -> Dialog:
            near = ends.enter_context(near or MsrpClient())
            far = ends.enter_context(far or MsrpClient())
            dialog = Dialog(*phones, near, far)
            for end in sorted((near, far), key=lambda end: not end.connects):
                end.open()
            if first:
                near.send(first)
                assert far.messages() == [first]
            return dialog

        yield begin


@pytest.mark.parametrize("answers", [ACTPASS, ACTIVE, b""])
def test_a_session_from_the_first_word_to_the_bye(
    node: RunningNode, start: Start, answers: bytes
) -> None:
    """Whoever has to connect, both sides see the node alone, and the far end's own answers."""
    dialog = start(far=MsrpClient(answers))
    near, far = dialog.near, dialog.far
    port = node.msrp["msrp"]
    for end, other in ((near, far), (far, near)):
        assert end.peer is not None
        [uri] = end.peer.path
        assert uri.address == ("127.0.0.1", port)
        assert end.peer.port == port
        assert len(uri.session) >= 20
        assert other.own.raw not in end.session.path
    assert near.peer is not None
    assert near.peer.setup == PASSIVE
    sent = near.send(b"hello", success_report=True)
    assert far.messages() == [b"hello"]
    near.until(Reported)
    assert Delivered(sent) in near.events
    far.send(b"hello yourself")
    assert near.messages() == [b"hello yourself"]
    dialog.hang_up()
    assert near.ended()
    assert far.ended()


@pytest.mark.parametrize("answers", [PASSIVE, ACTIVE])
def test_an_offer_of_passive_leaves_nobody_waiting(start: Start, answers: bytes) -> None:
    """RFC 6135 4.2.2 forbids it; the node connects to whoever waits."""
    dialog = start(MsrpClient(PASSIVE), MsrpClient(answers), b"hello")
    near = dialog.near
    assert near.peer is not None
    assert near.peer.setup == ACTIVE
    assert not near.connects
    dialog.far.send(b"hello yourself")
    assert near.messages() == [b"hello yourself"]
    dialog.hang_up()


def test_a_file_and_a_word_go_both_ways_at_once(start: Start) -> None:
    """A chunk larger than the node holds goes on in several, and arrives whole."""
    dialog = start()
    near, far = dialog.near, dialog.far
    near.session._outbox._chunk_bytes = 1 << 20  # one chunk, whatever its size
    body = bytes(range(256)) * 2048
    sent = near.send(body, b"application/octet-stream")
    far.send(b"meanwhile")
    assert far.messages() == [body]
    assert near.messages() == [b"meanwhile"]
    near.until(Delivered, 2)
    assert Delivered(sent) in near.events
    dialog.hang_up()


def test_a_new_offer_moves_the_session_and_the_same_one_keeps_it(start: Start) -> None:
    """Hold with the same path; resume elsewhere with new URIs (MS-13)."""
    dialog = start(first=b"one")
    near, far = dialog.near, dialog.far
    shown = far.session.path
    hold = dialog.send("INVITE", near.offer() + b"a=sendonly\r\n")
    assert b"a=sendonly" in hold.body
    dialog.answer(hold)
    assert far.session.path == shown
    near.send(b"two")
    assert far.messages(2) == [b"one", b"two"]
    near.renew()
    far.renew()
    dialog.answer(dialog.send("INVITE", near.offer()))
    assert far.session.path != shown
    assert near.ended()
    near.hang_up()
    far.hang_up()
    near.open()
    far.open()
    near.send(b"three")
    assert far.messages(3)[2:] == [b"three"]
    dialog.hang_up()


def test_what_is_no_session_of_ours(
    node: RunningNode, phones: tuple[Phone, Phone], start: Start
) -> None:
    """481 for an unknown URI, 506 for one in use, a close for what is not MSRP; a refused call
    leaves nothing behind."""
    dialog = start(first=b"one")
    near, far = dialog.near, dialog.far
    with MsrpClient() as thief:
        thief.own = near.own
        thief.take(far.answer(near.offer()))
        thief.peer, thief.session.path = near.peer, near.session.path
        thief.connect()
        assert thief.read()
        assert thief.events[0].status == 506  # type: ignore[union-attr]
        thief.session.path = thief.session.path[:-8] + b"nope;tcp"
        thief.send(b"x")
        assert thief.read()
        assert thief.events[1].status == 481  # type: ignore[union-attr]
        assert thief.socket is not None
        thief.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert thief.ended()
        near.send(b"two")
        assert far.messages(2) == [b"one", b"two"]
        dialog.hang_up()
    alice, bob = phones
    with MsrpClient() as near:
        sent = invite(alice, "bob", near.offer())
        bob.respond(final(bob), 486)
        refusal = final(alice)
        assert refusal.status == 486
        alice.send(within(sent, "ACK", refusal.get("to")))
        assert final(bob).method == "ACK"
    eventually(lambda: node.metric("imsnode_msrp_sessions") == 0)


def test_the_loss_of_one_connection_ends_the_other_and_the_ledger_says_why(
    node: RunningNode, start: Start
) -> None:
    dialog = start(first=b"one")
    [row] = json.loads(node.command("session", "list", "--format", "json").stdout)
    assert row["call_id"] == dialog.invite.get("call-id")
    assert (row["caller"], row["callee"]) == ("sip:alice@ims.test", "sip:bob@ims.test")
    assert (row["state"], row["octets"]) == ("connected", 3)
    dialog.far.hang_up()
    assert dialog.near.ended()
    told = node.command("why", dialog.invite.get("call-id")).stdout
    assert "callee: " in told
    dialog.hang_up()


def test_an_offer_in_the_200_is_answered_in_the_ack(
    node: RunningNode, phones: tuple[Phone, Phone]
) -> None:
    alice, bob = phones
    with MsrpClient() as near, MsrpClient() as far:
        sent = invite(alice, "bob", b"")
        taken = final(bob)
        bob.respond(
            taken, 200, (f"Contact: <{bob.contact}>", "Content-Type: application/sdp"), far.offer()
        )
        ok = final(alice)
        answer = near.answer(ok.body)
        target = re.findall(r"<(.*)>", ok.get("contact"))[0]
        routes = [part for value in ok.all("record-route") for part in value.split(", ")][::-1]
        alice.send(within(sent, "ACK", ok.get("to"), target, routes, alice.cseq, answer))
        ack = final(bob)
        assert ack.method == "ACK"
        far.accept_answer(ack.body)
        assert near.peer is not None
        assert far.peer is not None
        assert far.connects
        assert {near.peer.port, far.peer.port} == {node.msrp["msrp"]}
        far.open()
        near.open()
        far.send(b"hello")
        assert near.messages() == [b"hello"]
        alice.cseq += 1
        alice.send(within(sent, "BYE", ok.get("to"), target, routes, alice.cseq))
        bob.respond(final(bob), 200)
        assert final(alice).status == 200
        assert near.ended()


def test_over_tls_both_sides_hold_the_fingerprint(
    node: RunningNode, phones: tuple[Phone, Phone], start: Start, tmp_path: Path
) -> None:
    """The node connects to whom the SDP names, and to nobody else in that place."""
    files = self_signed(tmp_path, ["bob"])
    dialog = start(MsrpClient(certificate=files), MsrpClient(certificate=files), b"hello")
    near = dialog.near
    assert near.peer is not None
    assert near.peer.path[0].address == ("127.0.0.1", node.msrp["msrps"])
    near.until(Delivered)
    dialog.hang_up()
    assert near.ended()
    with MsrpClient(certificate=files) as near, MsrpClient(certificate=files) as far:
        far.fingerprint = far.fingerprint[:-5] + b"00:00"
        dialog = Dialog(*phones, near, far)
        near.open()
        with contextlib.suppress(OSError):  # whether the handshake is seen to end or not
            far.open()
            assert not far.read()
        assert near.ended()
        assert far.events == []
        dialog.hang_up()


def test_a_reader_who_stops_is_waited_for_and_nothing_is_lost(
    start: Start,
) -> None:
    """What the node holds of a large chunk is bounded, however long its reader takes."""
    dialog = start(first=b"x")
    near, far = dialog.near, dialog.far
    near.until(Delivered, 2)
    assert near.socket is not None
    assert far.socket is not None
    head = (b"Message-ID: large", b"Failure-Report: no", b"Content-Type: a/b")
    whole = print_request(b"large123", b"SEND", near.session.path, near.own.raw, head, b"")
    end = b"\r\n-------large123$\r\n"
    near.socket.sendall(whole.removesuffix(end))
    near.socket.setblocking(False)
    body = bytes(1 << 20)
    most, sent = 64 << 20, 0
    while sent < most and select.select([], [near.socket], [], 0.3)[1]:
        sent += near.socket.send(body)
    assert sent < most
    near.socket.setblocking(True)
    rest = threading.Thread(target=near.socket.sendall, args=(body + end,))
    rest.start()
    octets, far.framer, flag = 0, Framer(Limits()), b""
    far.socket.settimeout(WAIT_S)
    while flag != b"$":
        far.framer.feed(far.socket.recv(1 << 20))
        while (chunk := far.framer.next()) is not None:
            octets += len(chunk.body)
            flag = chunk.flag
    rest.join()
    assert octets == sent + len(body)
    dialog.hang_up()


def test_from_end_to_end_over_ipv6(tmp_path: Path) -> None:
    """SIP, the node's own URIs, and connections in both directions."""
    extra = EXTRA.replace("127.0.0.1:0", "[::1]:0")
    with (
        RunningNode(tmp_path / "node", listen=("udp:[::1]:0",), extra=extra) as running,
        Phone(("::1", running.ports["udp"]), "alice") as alice,
        Phone(("::1", running.ports["udp"]), "bob") as bob,
        MsrpClient(host="::1") as near,
        MsrpClient(PASSIVE, host="::1") as far,
    ):
        assert bob.register().status == 200
        dialog = Dialog(alice, bob, near, far)
        assert near.peer is not None
        assert near.peer.path[0].address == ("::1", running.msrp["msrp"])
        assert near.peer.host == "::1"
        near.open()
        far.open()
        near.send(b"hello")
        far.send(b"hello yourself")
        assert far.messages() == [b"hello"]
        assert near.messages() == [b"hello yourself"]
        dialog.hang_up()
