"""Notifications octet for octet: what a node on the way says (RFC 5438 7.2.1, 11)."""

from __future__ import annotations

import pytest

from pager import PagerSettings
from sip.bodies.imdn import Notification, build_imdn, wrap_imdn
from tests.support.imdn import CPIM_TYPE, asking
from tests.support.pager_world import ALICE, BOB, World

DOCUMENT = (
    b"<?xml version='1.0' encoding='UTF-8'?>\n"
    b'<imdn xmlns="urn:ietf:params:xml:ns:imdn">'
    b"<message-id>id-1</message-id><datetime>2026-11-23T12:00:00Z</datetime>"
    b"<recipient-uri>sip:bob@ims.test</recipient-uri>%b</imdn>\n"
)
WRAPPED = (
    b"From: <sip:bob@ims.test>\r\nTo: <sip:alice@ims.test>\r\n"
    b"NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: %b\r\n\r\n"
    b"Content-Type: message/imdn+xml\r\nContent-Disposition: notification\r\n"
    b"Content-Length: %d\r\n\r\n%b"
)
STATUS = b"<%b-notification><status><%b/></status></%b-notification>"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("delivery", "delivered"), ("delivery", "failed"), ("delivery", "forbidden"),
        ("delivery", "error"), ("display", "displayed"), ("display", "forbidden"),
        ("display", "error"), ("processing", "processed"), ("processing", "stored"),
        ("processing", "forbidden"), ("processing", "error"),
    ],
)  # fmt: skip
def test_every_status_as_it_is_written(kind: str, status: str) -> None:
    said = Notification(kind, status, "id-1", "2026-11-23T12:00:00Z", BOB)
    word = kind.encode()
    assert build_imdn(said) == DOCUMENT % (STATUS % (word, status.encode(), word))


def test_the_names_of_a_list_and_the_way_back_as_they_are_written() -> None:
    said = Notification("display", "displayed", "id-1", "2026-11-23T12:00:00Z", BOB, "sip:team@x")
    document = build_imdn(said)
    assert b"<original-recipient-uri>sip:team@x</original-recipient-uri><display-" in document
    routes = (b"sip:imdn@ims.test;proof=1", b"sip:edge.test")
    assert (
        wrap_imdn(document, b"n-1", BOB.encode(), ALICE.encode(), routes).encode()
        == (
            b"From: <sip:bob@ims.test>\r\nTo: <sip:alice@ims.test>\r\n"
            b"NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: n-1\r\n"
            b"imdn.IMDN-Route: <sip:imdn@ims.test;proof=1>\r\nimdn.IMDN-Route: <sip:edge.test>\r\n\r\n"
            b"Content-Type: message/imdn+xml\r\nContent-Disposition: notification\r\n"
            b"Content-Length: %d\r\n\r\n" % len(document)
        )
        + document
    )


@pytest.mark.parametrize(
    ("online", "wants", "says"),
    [
        (True, "processing", (b"processing", b"processed")),
        (False, "processing", (b"processing", b"stored")),
        (False, "negative-delivery", (b"delivery", b"failed")),
    ],
)
def test_what_the_sender_gets_from_the_node(
    online: bool, wants: str, says: tuple[bytes, bytes]
) -> None:
    world = World(settings=PagerSettings(message_lifetime_s=60.0))
    alice = world.phone("a", "198.51.100.7", "<a>", ALICE)
    world.register(alice)
    if online:
        world.register(world.phone("b", "198.51.100.2", "<b>"))
    world.alice.send(asking(b"id-1", wants), headers=CPIM_TYPE)
    world.network.run(200.0)
    (got,) = alice.received
    kind, status = says
    document = DOCUMENT % (STATUS % (kind, status, kind))
    mine = got.body.partition(b"imdn.Message-ID: ")[2].partition(b"\r\n")[0]
    assert got.body == WRAPPED % (mine, len(document), document)
    assert got.lines[got.names.index("content-type")] == b"Content-Type: message/cpim"
    assert got.get("content-length") == b"%d" % len(got.body)
    assert got.uri == alice.uri
