# SPDX-License-Identifier: Apache-2.0
"""Lists and rules as XCAP documents at a real node, and members whom another node serves."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx
import pytest

from sip.bodies.multipart import parse_multipart
from sip.bodies.schema import validate
from sip.bodies.xml import parse_xml
from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode

from .test_presence import document, notified, phone, subscribe

ALICE, BOB, EVE = "sip:alice@ims.test", "sip:bob@ims.test", "sip:eve@other.test"
LIST = "sip:alice-friends@ims.test"
SETTINGS = '[presence]\nstrangers = "allow"\nnotify_interval = 0\n'
PEER = '[[peer]]\nname = "other"\naddress = "::1"\ntrust = "asserted"\n'
EVENT = ("Event: presence", "Expires: 600", "Supported: eventlist")
LISTS = """<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">
<list name="friends">{}</list></resource-lists>"""
SERVICES = """<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="{}">
<resource-list>{}/resource-lists/users/sip:alice@ims.test/index/~~/resource-lists/list%5b@name=%22friends%22%5d</resource-list>
<packages><package>presence</package></packages></service></rls-services>"""
FRIENDS_MAY = """<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:p="urn:ietf:params:xml:ns:pres-rules"
 xmlns:o="urn:oma:xml:xdm:common-policy"><rule id="friends"><conditions><o:external-list>
<o:entry anc="{}/resource-lists/users/sip:alice@ims.test/index/~~/resource-lists/list%5b@name=%22friends%22%5d"/>
</o:external-list></conditions><actions><p:sub-handling>allow</p:sub-handling></actions>
<transformations><p:provide-services><p:all-services/></p:provide-services><p:provide-note>true</p:provide-note></transformations>
</rule><rule id="others"><actions><p:sub-handling>polite-block</p:sub-handling></actions></rule></ruleset>"""
TYPES = {
    "resource-lists": "application/resource-lists+xml",
    "rls-services": "application/rls-services+xml",
    "pres-rules": "application/auth-policy+xml",
}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    directory = tmp_path_factory.mktemp("other") / "node"
    listen = ("tcp:127.0.0.1:0", "udp:[::1]:0")
    with RunningNode(
        directory, listen=listen, domains=("other.test",), extra=SETTINGS + PEER, users=("eve",)
    ) as running:
        yield running


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, there: RunningNode) -> Iterator[RunningNode]:
    route = f'[[route]]\ndomain = "other.test"\nnext_hop = "udp:[::1]:{there.ports["udp"]}"\n'
    directory = tmp_path_factory.mktemp("lists") / "node"
    listen = ("udp:127.0.0.1:0", "tcp:127.0.0.1:0", "udp:[::1]:0")
    with RunningNode(directory, listen=listen, extra=SETTINGS + PEER + route) as running:
        yield running


def put(node: RunningNode, auid: str, text: str) -> None:
    """Put a document of alice's."""
    with httpx.Client(auth=httpx.DigestAuth("alice", "pw-alice")) as client:
        answer = client.put(
            f"http://{node.http}/xcap/{auid}/users/{ALICE}/index",
            content=text.encode(),
            headers={"Content-Type": TYPES[auid]},
        )
        assert answer.status_code in (200, 201), answer.text


def entries(*uris: str) -> str:
    return LISTS.format("".join(f'<entry uri="{one}"/>' for one in uris))


def published(client: Phone, note: str) -> int:
    """Publish and return the status of the answer."""
    lines = ("Event: presence", "Expires: 600", "Content-Type: application/pidf+xml")
    body = document(note, client.user).replace(b"ims.test", client.domain.encode())
    return client.answer_to(client.request("PUBLISH", client.aor, None, lines, body)).status


def states(notify: Reply) -> dict[str, str]:
    """Return what a NOTIFY shows of each member: the note of its document, or the state."""
    assert notify.get("require") == "eventlist"
    parts = parse_multipart(notify.get("content-type").encode(), notify.body)
    root = parse_xml(parts[0].content, "rlmi")
    validate(root, "rlmi")
    shown: dict[str, str] = {}
    for resource in root.iter("{*}resource"):
        instance = resource.find("{*}instance")
        text = "" if instance is None else instance.get("state", "")
        for part in parts:
            if (
                instance is not None
                and part.get(b"content-id") == f"<{instance.get('cid')}>".encode()
            ):
                text = parse_xml(part.content, "state").findtext(".//{*}note") or "no note"
        shown[resource.get("uri", "")] = text
    return shown


def until(client: Phone, uri: str, want: str) -> None:
    """Take NOTIFYs until one shows this of a member."""
    while states(notified(client)).get(uri) != want:
        pass


def test_a_list_out_of_documents_with_a_member_elsewhere(
    node: RunningNode, there: RunningNode
) -> None:
    root = f"http://{node.http}/xcap"
    put(node, "resource-lists", entries(BOB))
    put(node, "rls-services", SERVICES.format(LIST, root))
    with phone(node, "alice", "TCP") as alice, phone(node, "bob", "TCP") as bob:
        assert subscribe(alice, "alice-friends", "Event: presence", "Expires: 600").status == 421
        answer = subscribe(alice, "alice-friends", *EVENT)
        assert (answer.status, answer.get("require")) == (200, "eventlist")
        assert list(states(notified(alice))) == [BOB]
        assert published(bob, "here") == 200
        until(alice, BOB, "here")
        put(node, "resource-lists", entries(BOB, EVE))
        until(alice, BOB, "here")
        with Phone(
            ("127.0.0.1", there.ports["tcp"]), "eve", domain="other.test", transport="TCP"
        ) as eve:
            assert published(eve, "there") == 200
        until(alice, EVE, "there")


def test_a_list_that_comes_along_compressed(node: RunningNode) -> None:
    lines = (
        *EVENT, "Require: recipient-list-subscribe", "Content-Disposition: recipient-list",
        "Content-Type: application/resource-lists+xml", "Content-Encoding: deflate",
    )  # fmt: skip
    with phone(node, "carol", "TCP") as carol:
        asked = carol.request(
            "SUBSCRIBE", "sip:rls@ims.test", None, (*lines, f"Contact: <{carol.contact}>"),
            zlib.compress(entries(ALICE).encode()),
        )  # fmt: skip
        assert carol.answer_to(asked).status == 200
        assert list(states(notified(carol))) == [ALICE]


def test_rules_for_a_list_follow_the_list(node: RunningNode) -> None:
    put(node, "resource-lists", entries())
    put(node, "pres-rules", FRIENDS_MAY.format(f"http://{node.http}/xcap"))
    with phone(node, "alice", "TCP") as alice, phone(node, "bob", "TCP") as bob:
        assert published(alice, "secret") == 200
        assert subscribe(bob).status == 200
        assert b"secret" not in notified(bob).body
        put(node, "resource-lists", entries(BOB))
        assert b"secret" in notified(bob).body
