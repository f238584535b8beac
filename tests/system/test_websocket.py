"""Browsers at a real node: SIP and MSRP over WebSocket (RFC 7118, RFC 7977; rule H1)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from session_msrp.chunk import Chunk
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.printing import print_request
from session_msrp.rooms.values import Access, Room
from sip.digest import answer, ha1, parse_challenge
from tests.support.browser import Link, WebMsrp, WebPhone, WebRoomPhone
from tests.support.msrp import Dialog, MsrpClient
from tests.support.phone import Phone
from tests.support.room_phone import RoomPhone, provide
from tests.support.running import RunningNode, eventually

EXTRA = (
    '[msrp]\nanchor = "always"\nlisten = ["tcp:127.0.0.1:0", "tls:127.0.0.1:0"]\nrelay = true\n'
    '[presence]\nstrangers = "allow"\nnotify_interval = 0\n[limits]\nregister_burst = 100\n'
)
HTTPS = {"IMSNODE_HTTP__TLS_LISTEN": "127.0.0.1:0"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    folder = tmp_path_factory.mktemp("websocket") / "node"
    made = RunningNode(folder, extra=EXTRA, environment=HTTPS)
    provide(made, Room("sip:tea@ims.test", access=Access.OPEN))
    with made as running:
        yield running


@pytest.fixture(scope="module")
def urls(node: RunningNode) -> dict[str, str]:
    return {"ws": f"ws://{node.http}/sip", "wss": f"wss://{node.https}/sip"}


@pytest.fixture(scope="module")
def softphone(node: RunningNode) -> Iterator[Phone]:
    with Phone(("127.0.0.1", node.ports["udp"]), "bob") as phone:
        assert phone.register().status == 200
        yield phone


@pytest.fixture
def bob(softphone: Phone) -> Phone:
    softphone.inbox.clear()
    return softphone


def web_page(url: str, user: str = "alice") -> WebPhone:
    phone = WebPhone(url, user)
    assert phone.register().status == 200
    return phone


def serve_one(phone: Phone) -> bytes:
    """Answer the next request; its body."""
    request = phone.receive(8)
    assert request is not None
    phone.serve(request)
    return request.body


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_browser_and_a_softphone_write_to_each_other(
    node: RunningNode, urls: dict[str, str], bob: Phone, scheme: str
) -> None:
    """Requests to a browser go back over its own connection; when that is gone they wait."""
    with web_page(urls[scheme]) as alice:
        listed = json.loads(node.command("binding", "list", "alice", "--format", "json").stdout)
        [row] = [each for each in listed if alice.host in each["contact"]]
        assert re.fullmatch(scheme + r":127\.0\.0\.1:\d+", row["flow"])
        with ThreadPoolExecutor(1) as pool:
            to_bob = pool.submit(alice.message, "bob", "grüße")
            assert bob.collect(1) == ["grüße".encode()]
            assert to_bob.result().status == 200
            to_alice = pool.submit(bob.message, "alice", "grüße zurück")
            assert alice.collect(1) == ["grüße zurück".encode()]
            assert to_alice.result().status == 200


def test_messages_wait_for_a_closed_page(
    node: RunningNode, urls: dict[str, str], bob: Phone
) -> None:
    page = web_page(urls["wss"], "carol")
    page.link.close()
    eventually(lambda: node.metric('imsnode_websockets{subprotocol="sip"}') == 0)
    assert bob.message("carol", "when you are back").status == 202
    with web_page(urls["wss"], "carol") as again:
        assert again.collect(1) == [b"when you are back"]


def test_a_message_is_a_frame(urls: dict[str, str]) -> None:
    """Text or binary, without Content-Length; with one that does not fit it is refused."""
    with WebPhone(urls["ws"], "alice") as phone:
        options = phone.request("OPTIONS", "sip:ims.test")
        phone.link.send(options.replace(b"Content-Length: 0\r\n", b""), text=False)
        answer = phone.receive()
        assert answer is not None
        assert answer.status == 200
        phone.link.send(b"\r\n\r\n")
        assert phone.link.receive() == b"\r\n"  # RFC 5626 3.5.1
        assert phone.link.ping()
        phone.link.send(options + options)
        answer = phone.receive()
        assert answer is not None
        assert answer.status == 400
        assert phone.receive() is None
        assert phone.link.close_code == 1001


def test_notifies_come_over_the_connection(urls: dict[str, str], bob: Phone) -> None:
    """Dialogs of the node's own: their requests have no other way to a page."""
    with web_page(urls["wss"]) as alice:
        lines = (
            "Event: presence", "Expires: 60", "Accept: application/pidf+xml",
            f"Contact: <{alice.contact}>",
        )  # fmt: skip
        answer = alice.answer_to(alice.request("SUBSCRIBE", "sip:bob@ims.test", None, lines))
        assert answer.status in (200, 202)
        while not any(each.method == "NOTIFY" for each in alice.inbox):
            serve_one(alice)


def test_who_may_not_connect(node: RunningNode, urls: dict[str, str]) -> None:
    for url, name, origin, status in (
        (urls["wss"], "sip", "https://evil.test", 403),
        (urls["ws"].replace("/sip", "/msrp"), "msrp", None, 403),  # RFC 7977 5.1: WSS alone
        (urls["ws"], "msrp", None, 400),
    ):
        with pytest.raises(InvalidStatus) as refused:
            Link(url, name, origin)
        assert refused.value.response.status_code == status
    assert node.get("/sip").status_code == 426
    assert httpx.get(f"https://{node.https}/healthz", verify=False).text == "ok\n"
    assert node.metric('imsnode_websockets_refused_total{reason="forbidden"}') == 2
    assert node.metric('imsnode_websockets_refused_total{reason="malformed"}') == 1


# ----------------------------------------------------------------------------- MSRP


def test_a_browser_calls_a_softphone(urls: dict[str, str], bob: Phone) -> None:
    with web_page(urls["wss"]) as alice, WebMsrp() as near, MsrpClient() as far:
        dialog = Dialog(alice, bob, near, far)
        assert any(";transport=ws;lr>" in route for route in dialog.routes)  # RFC 7118 5.2
        assert far.peer is not None
        assert not far.peer.secure
        near.open()
        far.open()
        near.send("grüße".encode())
        assert far.messages() == ["grüße".encode()]
        far.send(b"\xff\xfe not text", b"application/octet-stream")
        assert near.messages() == [b"\xff\xfe not text"]
        dialog.hang_up()
        assert near.ended()
        assert far.ended()


def test_a_softphone_calls_a_browser(urls: dict[str, str], bob: Phone) -> None:
    """A large chunk reaches it in several, each a message of its own."""
    with web_page(urls["wss"]) as alice, MsrpClient() as near, WebMsrp() as far:
        dialog = Dialog(bob, alice, near, far)
        near.open()
        far.open()
        near.session._outbox._chunk_bytes = 1 << 20
        body = bytes(range(256)) * 4096
        near.send(body, b"application/octet-stream")
        assert far.messages() == [body]
        assert far.socket.largest < len(body) / 2  # type: ignore[union-attr]
        far.send(b"got it")
        assert near.messages() == [b"got it"]
        dialog.hang_up()


def test_a_browser_is_in_a_room(urls: dict[str, str], bob: Phone) -> None:
    with (
        web_page(urls["wss"]) as alice,
        WebRoomPhone(alice, "tea") as page,
        RoomPhone(bob, "tea") as softphone,
    ):
        page.join()
        softphone.join()
        page.tell(b"hello")
        assert softphone.texts(1) == [b"hello"]
        softphone.tell(b"hello yourself")
        softphone.tell(b"all well?")
        assert page.texts(2) == [b"hello yourself", b"all well?"]
        assert page.nickname("Al") == 200
        page.leave()
        assert page.ended()
        softphone.leave()


def test_two_chunks_in_a_message_end_the_connection(node: RunningNode) -> None:
    chunk = print_request(b"tid0", b"SEND", b"msrps://a:1/x;ws", b"msrps://b.invalid:1/y;ws", ())
    with closing(Link(f"wss://{node.https}/msrp", "msrp")) as link:
        link.send(chunk)
        assert b" 481 " in (link.receive() or b"")
        link.send(chunk + chunk)
        assert link.receive() is None
        assert link.ended


def test_a_browser_has_a_relay(node: RunningNode) -> None:
    """AUTH over the WebSocket; others come to the URI it gets by TCP (RFC 7977 8.1)."""
    relay = f"msrps://{node.https};ws".encode()
    with closing(Link(f"wss://{node.https}/msrp", "msrp")) as link:
        asked = auth(link, relay)
        challenge = parse_challenge(asked.fields[b"www-authenticate"])
        assert challenge is not None
        secret = ha1("alice", challenge.realm, "pw-alice", challenge.algorithm)
        credentials = answer(challenge, "alice", secret, "AUTH", relay, b"cn", 1)
        granted = auth(link, relay, b"Authorization: " + credentials)
    assert granted.status == 200
    assert re.fullmatch(
        rb"msrps://127\.0\.0\.1:%d/[\w-]{20};tcp" % node.msrp["msrps"],
        granted.fields[b"use-path"],
    )


def auth(link: Link, relay: bytes, *lines: bytes) -> Chunk:
    link.send(print_request(b"tid1", b"AUTH", relay, b"msrps://df7.invalid:1/98cjs;ws", lines))
    framer = Framer(Limits())
    framer.feed(link.receive() or b"")
    chunk = framer.next()
    assert chunk is not None
    return chunk


def test_the_node_says_goodbye(node: RunningNode, urls: dict[str, str]) -> None:
    """The last test here: a page learns that the node goes down, and the node does not wait."""
    with WebPhone(urls["wss"], "alice") as page:
        assert node.stop() == 0
        assert page.receive() is None
        assert page.link.close_code == 1001
