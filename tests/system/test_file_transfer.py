"""Files in sessions through the node, and to users who are away (RFC 5547, MS-14)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha1
from socket import SHUT_WR
from typing import Any

import pytest

from session_msrp.media import is_session
from session_msrp.outbox import Outgoing
from session_msrp.session import Delivered, Failed
from sip.bodies.sdp import Media, parse_sdp
from tests.support.msrp import Dialog, MsrpClient, final, invite
from tests.support.phone import Phone
from tests.support.running import RunningNode, eventually
from tests.system.test_deferred import Taken

EXTRA = (
    '[msrp]\nlisten = ["tcp:127.0.0.1:0"]\nanchor = "always"\ndeferred = true\n'
    'file_size = 1048576\nfile_types = ["image/*"]\n[content]\ndomains = ["ims.test"]\n'
)
FILE = bytes(range(256)) * 1200


class FileClient(MsrpClient):
    """A client that sends or takes one file. selector: what it says of it."""

    def __init__(self, size: int = len(FILE), kind: str = "image/png", name: str = "x.png",
                 body: bytes = FILE, more: str = "a=sendonly") -> None:  # fmt: skip
        super().__init__()
        digest = ":".join(f"{octet:02X}" for octet in sha1(body).digest())
        self.lines = (
            f'a=file-selector:name:"{name}" type:{kind} size:{size} hash:sha-1:{digest}\r\n'
            f"a=file-transfer-id:{self.own.session.decode()}\r\n{more}\r\n"
        )

    def sdp(self, setup: bytes) -> bytes:
        return super().sdp(setup) + self.lines.encode()


def section(body: bytes) -> Media:
    [media] = [each for each in parse_sdp(body).media if is_session(each)]
    return media


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    home = tmp_path_factory.mktemp("file") / "node"
    with RunningNode(home, extra=EXTRA) as running:
        yield running


@pytest.fixture
def alice(node: RunningNode) -> Iterator[Phone]:
    with Phone(("127.0.0.1", node.ports["udp"]), "alice") as phone:
        yield phone


def story(node: RunningNode, call_id: str, what: str) -> None:
    eventually(lambda: what in node.command("why", call_id).stdout, what=what)


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ({"size": 2 << 20}, "488 File not transferred: a file may have 1048576 octets"),
        ({"kind": "text/html"}, "488 File not transferred: files of type text/html"),
        ({"more": "a=sendonly\r\na=file-range:0-9"}, "488 Session description: a=file-range"),
        ({"more": "a=recvonly"}, "488 File not taken: there is nobody"),
        ({"more": "a=sendonly\r\na=file-range:9-*"}, "488 File not taken: the beginning"),
    ],
)
def test_what_is_refused_before_an_octet_flows(
    alice: Phone, file: dict[str, Any], why: str
) -> None:
    with FileClient(**file) as near:
        invite(alice, "carol", near.offer())
        assert why in final(alice).start


@pytest.mark.parametrize(("body", "verdict"), [(FILE, "file-whole"), (FILE[::-1], "file-differs")])
def test_a_file_between_two_who_are_there(
    node: RunningNode, alice: Phone, body: bytes, verdict: str
) -> None:
    """What is said of it is made safe on the way, and what passes is held against it."""
    with (
        Phone(("127.0.0.1", node.ports["udp"]), "bob") as bob,
        FileClient(name="../x.png") as near,
        FileClient(more="a=recvonly\r\na=file-icon:cid:x\r\na=file-disposition:render") as far,
    ):
        assert bob.register().status == 200
        dialog = Dialog(alice, bob, near, far)
        offered = section(dialog.taken.body).attribute(b"file-selector") or b""
        assert b'name:"x.png"' in offered
        assert near.answered is not None
        assert near.answered.attribute(b"file-icon") is None
        assert near.answered.attribute(b"file-disposition") is None
        assert near.answered.attribute(b"file-transfer-id")
        near.open()
        far.open()
        near.send(body, b"image/png")
        assert far.messages() == [body]
        dialog.hang_up()
        assert bob.register(0).status == 200
        story(node, dialog.invite.get("call-id"), verdict)


def test_a_file_to_somebody_away_over_a_break(node: RunningNode, alice: Phone) -> None:
    """What came before the break is kept; the last answer leaves when the file is kept for good."""
    half = len(FILE) // 2 + 77
    with FileClient() as near:
        call = Taken(alice, "carol", near)
        assert near.answered is not None
        assert near.answered.attribute(b"recvonly") == b""
        assert near.answered.attribute(b"file-date") is None
        message = Outgoing(b"file1", b"image/png", FILE)
        near.session.send(message)
        while message.sent < half:
            octets = near.session.take(0.0)
            assert near.socket is not None
            assert octets is not None
            near.socket.sendall(octets)
        come = message.sent
        assert near.socket is not None
        near.socket.shutdown(SHUT_WR)
        assert final(alice).method == "BYE"
    with FileClient(more=f"a=sendonly\r\na=file-range:{come + 1}-*") as near:
        call = Taken(alice, "carol", near)
        sent = near.send(FILE[come:], b"image/png")
        while Delivered(sent) not in near.events:
            assert near.read()
        call.hang_up()
        story(node, call.invite.get("call-id"), "file-whole")
    with Phone(("127.0.0.1", node.ports["udp"]), "carol") as carol:
        assert carol.register().status == 200
        message_ = final(carol)
        carol.respond(message_, 200)
        assert b"Content-Type: image/png" in message_.body
        assert f"size={len(FILE)}" in message_.get("content-type")
        [token] = re.findall(r"/api/v1/files/([\w-]{32})", message_.get("content-type"))
        got = node.get(f"/api/v1/files/{token}")
        assert got.status_code == 401  # it is for carol alone
        assert carol.register(0).status == 200


def test_another_file_than_announced_is_not_kept(node: RunningNode, alice: Phone) -> None:
    with FileClient() as near:
        call = Taken(alice, "carol", near)
        near.send(FILE[::-1], b"image/png")
        [failed] = near.until(Failed)
        assert isinstance(failed, Failed)
        assert failed.status == 413
        call.hang_up()
        story(node, call.invite.get("call-id"), "file-differs")
