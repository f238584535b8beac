"""Messages too large for a way that is not congestion safe (PM-04, RFC 3428 8, RFC 4483)."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from sip.bodies.cpim import parse_cpim
from sip.bodies.filetransfer import parse_file_transfer
from sip.bodies.mime import parameter
from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode

SETTINGS = """
[pager]
large = "indirect"
[content]
domains = ["ims.test"]
inline_size = "20KiB"
[[domain]]
name = "strict.test"
large = "refuse"
[limits]
register_burst = 100
"""
TEXT = b"0123456789\n" * 200
FILES = ';+g.3gpp.iari-ref="urn%3Aurn-7%3A3gpp-application.ims.iari.rcs.fthttp"'


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    made = RunningNode(
        tmp_path_factory.mktemp("oversize") / "node",
        domains=("ims.test", "strict.test"),
        extra=SETTINGS,
    )
    made.command("user", "add", "sip:dan@strict.test", "--password-stdin", text="pw-dan\n")
    with made as running:
        yield running


def phone(node: RunningNode, user: str, transport: str = "TCP", **kw: str) -> Phone:
    return Phone(("127.0.0.1", node.ports[transport.lower()]), user, transport=transport, **kw)


def received(phone: Phone) -> Reply:
    got = phone.receive()
    assert got is not None
    phone.respond(got, 200)
    return got


def send(sender: Phone, receiver: Phone | None, kind: str, body: bytes) -> tuple[int, Reply | None]:
    """Send to bob; the status, and what bob got meanwhile."""
    request = sender.request("MESSAGE", "sip:bob@ims.test", None, (f"Content-Type: {kind}",), body)
    sender.send(request)
    challenge = sender.receive()
    assert challenge is not None
    sender.send(sender.with_credentials(request, challenge))
    got = received(receiver) if receiver is not None else None
    answer = sender.receive()
    assert answer is not None
    return answer.status, got


def fetched(url: str, user: str = "bob") -> bytes:
    """Fetch a file as one it is for; nobody gets it without credentials."""
    assert httpx.get(url, trust_env=False).status_code == 401
    auth = httpx.DigestAuth(user, f"pw-{user}")
    return httpx.get(url, auth=auth, trust_env=False).content


def behind(kind: str) -> bytes:
    """Fetch what an external body refers to."""
    assert kind.startswith("message/external-body")
    url = parameter(kind.encode(), b"url")
    assert url is not None
    return fetched(url.decode())


def test_content_becomes_a_link_where_the_way_is_not_safe(node: RunningNode) -> None:
    with phone(node, "alice") as alice, phone(node, "bob", "UDP") as bob:
        assert bob.register().status == 200
        status, got = send(alice, bob, "text/plain;charset=UTF-8", TEXT)
        assert status == 200
        assert got is not None
        assert len(got.data) < 1300
        assert behind(got.get("content-type")) == TEXT
        assert b"Content-Type: text/plain;charset=UTF-8\r\n" in got.body
        # What is small enough goes as it is.
        assert send(alice, bob, "text/plain", TEXT[:500])[1].body == TEXT[:500]  # type: ignore[union-attr]
        assert bob.register(0).status == 200


def test_what_asks_for_receipts_goes_on_asking(node: RunningNode) -> None:
    head = (
        b"From: <sip:alice@ims.test>\r\nTo: <sip:bob@ims.test>\r\n"
        b"NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m-1\r\n"
        b"imdn.Disposition-Notification: display\r\n\r\n"
    )
    cpim = head + b"Content-Type: text/plain\r\n\r\n" + TEXT
    with phone(node, "alice") as alice, phone(node, "bob", "UDP") as bob:
        assert bob.register().status == 200
        _, got = send(alice, bob, "message/cpim", cpim)
        assert got is not None
        assert got.body.startswith(head)
        part = parse_cpim(got.body).part
        assert behind(part.content_type.decode()) == TEXT
        assert bob.register(0).status == 200


def test_who_takes_files_as_rcs_does_gets_them_so(node: RunningNode) -> None:
    with phone(node, "alice") as alice, phone(node, "bob", "UDP") as bob:
        contact = f"Contact: <{bob.contact}>;expires=600{FILES}"
        request = bob.request("REGISTER", "sip:ims.test", bob.aor, (contact,))
        assert bob.answer_to(request).status == 200
        _, got = send(alice, bob, "text/plain", TEXT)
        assert got is not None
        assert got.get("content-type") == "application/vnd.gsma.rcs-ft-http+xml"
        file = parse_file_transfer(got.body).file
        assert fetched(file.url) == TEXT
        assert bob.register(0).status == 200


def test_a_connection_carries_what_a_datagram_must_not(node: RunningNode) -> None:
    with phone(node, "alice") as alice, phone(node, "bob") as bob:
        assert bob.register().status == 200
        assert send(alice, bob, "text/plain", TEXT)[1].body == TEXT  # type: ignore[union-attr]
        # The operator's own bound holds wherever the way leads.
        large = TEXT * 10
        _, got = send(alice, bob, "text/plain", large)
        assert got is not None
        assert behind(got.get("content-type")) == large
        assert bob.register(0).status == 200


def test_what_waits_is_a_link_and_what_is_no_file_is_refused(node: RunningNode) -> None:
    with phone(node, "alice") as alice, phone(node, "bob", "UDP") as bob:
        assert send(alice, None, "text/plain", TEXT)[0] == 202
        assert send(alice, None, "application/x-unknown", TEXT)[0] == 513
        assert bob.register().status == 200
        assert behind(received(bob).get("content-type")) == TEXT
        assert bob.register(0).status == 200


def test_what_goes_to_many_is_one_file_for_all_of_them(node: RunningNode) -> None:
    node.command(
        "group", "add", "team", "--member", "bob", "--member", "carol", "--senders", "domain"
    )
    token = node.command("token", "add", "x", "--as", "alice").stdout.strip()
    text = TEXT.decode()
    by_api = httpx.post(
        f"http://{node.http}/api/v1/messages",
        json={"from": "alice@ims.test", "to": ["bob@ims.test", "carol@ims.test"], "text": text},
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
    )
    assert by_api.status_code == 202
    boundary = 'Content-Type: multipart/mixed;boundary="b"'
    listed = (
        "--b\r\nContent-Type: text/plain\r\n\r\n" + text + "\r\n--b\r\n"
        "Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n"
        '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>'
        '<entry uri="sip:bob@ims.test"/><entry uri="sip:carol@ims.test"/></list></resource-lists>'
        "\r\n--b--\r\n"
    ).encode()
    with phone(node, "alice") as alice, phone(node, "carol", "UDP") as carol:
        require = "Require: recipient-list-message"
        request = alice.request("MESSAGE", "sip:list@ims.test", None, (boundary, require), listed)
        assert alice.answer_to(request).status == 202
        assert alice.message("sip:team@ims.test", TEXT).status == 202
        assert carol.register().status == 200
        assert carol.collect(3)
        for got in carol.messages():
            assert len(got.data) < 1300
            url = parameter(got.get("content-type").encode(), b"url")
            assert url is not None
            assert fetched(url.decode(), "carol") == fetched(url.decode(), "bob") == TEXT
            auth = httpx.DigestAuth("dan", "pw-dan")
            assert httpx.get(url.decode(), auth=auth, trust_env=False).status_code in (401, 403)
        bearer = node.command("token", "add", "z", "--as", "carol").stdout.strip()
        read = {"authorization": f"Bearer {bearer}"}
        assert httpx.get(url.decode(), headers=read, trust_env=False).content == TEXT
        assert carol.register(0).status == 200
    with phone(node, "bob", "UDP") as bob:
        assert bob.register().status == 200
        assert len(bob.collect(3)) == 3
        assert bob.register(0).status == 200


def test_a_domain_may_refuse_them(node: RunningNode) -> None:
    with phone(node, "dan", domain="strict.test") as dan:
        answer = dan.message("sip:bob@ims.test", TEXT)
        assert answer.status == 513
        assert answer.start.endswith("1300 octets need a connection")
        assert dan.message("sip:bob@ims.test", "short").status == 202
        assert dan.message("sip:team@ims.test", TEXT).status in (403, 513)
    token = node.command("token", "add", "y", "--as", "sip:dan@strict.test").stdout.strip()
    for to in ("bob@ims.test", ["bob@ims.test", "carol@ims.test"]):
        refused = httpx.post(
            f"http://{node.http}/api/v1/messages",
            json={"from": "dan@strict.test", "to": to, "text": TEXT.decode()},
            headers={"authorization": f"Bearer {token}"},
            trust_env=False,
        )
        assert (refused.status_code, "513" in refused.json()["detail"]) == (422, True)
