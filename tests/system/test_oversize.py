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


def behind(kind: str) -> bytes:
    """Fetch what an external body refers to."""
    assert kind.startswith("message/external-body")
    url = parameter(kind.encode(), b"url")
    assert url is not None
    return httpx.get(url.decode(), trust_env=False).content


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
        assert httpx.get(file.url, trust_env=False).content == TEXT
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


def test_a_domain_may_refuse_them(node: RunningNode) -> None:
    with phone(node, "dan", domain="strict.test") as dan:
        answer = dan.message("sip:bob@ims.test", TEXT)
        assert answer.status == 513
        assert answer.start.endswith("1300 octets need a connection")
        assert dan.message("sip:bob@ims.test", "short").status == 202
