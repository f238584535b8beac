# SPDX-License-Identifier: Apache-2.0
"""XCAP on a running node: digest, trees of users, races, restarts and hostile requests."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from sip.bodies.schema import validate
from sip.bodies.xml import parse_xml
from tests.abuse.runner import CASES, fill, load_cases
from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode

ALICE = "sip:alice@ims.test"
LISTS = b"""<?xml version="1.0" encoding="UTF-8"?>
<!-- mine -->
<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">
  <list name="friends"><entry uri="sip:bob@ims.test"/>
  </list>
</resource-lists>
"""
HARD_STATE = b"""<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:alice@ims.test">
<tuple id="t"><status><basic>closed</basic></status><note>on holiday</note></tuple></presence>"""
BLOCK_BOB = b"""<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"
 xmlns:pr="urn:ietf:params:xml:ns:pres-rules"><rule id="a"><conditions><identity>
<one id="sip:bob@ims.test"/></identity></conditions><actions>
<pr:sub-handling>block</pr:sub-handling></actions></rule></ruleset>"""
LIST_TYPE = {"Content-Type": "application/resource-lists+xml"}
ELEMENT = {"Content-Type": "application/xcap-el+xml"}
EXTRA = """
[[domain]]
name = "ims.test"
algorithms = ["SHA-256", "MD5"]

[presence]
strangers = "allow"
notify_interval = 0

[xcap]
rate = 10000
burst = 10000
documents = 4
document_size = "8KiB"
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with RunningNode(tmp_path_factory.mktemp("xcap") / "node", extra=EXTRA) as running:
        yield running


def root(node: RunningNode) -> str:
    return f"http://{node.http}/xcap"


def client(node: RunningNode, user: str = "alice") -> httpx.Client:
    return httpx.Client(base_url=f"{root(node)}/", auth=httpx.DigestAuth(user, f"pw-{user}"))


def path(auid: str = "resource-lists", name: str = "index", xui: str = ALICE) -> str:
    return f"{auid}/users/{xui}/{name}"


def test_documents_are_put_read_changed_and_deleted(node: RunningNode) -> None:
    with client(node) as alice:
        assert alice.get(path(name="a")).status_code == 404
        put = alice.put(path(name="a"), content=LISTS, headers=LIST_TYPE)
        assert (put.status_code, put.content) == (201, b"")
        assert put.headers["location"] == f"/xcap/{path(name='a')}"
        got = alice.get(path(name="a", xui="sip%3Aalice%40ims.test"))
        assert (got.content, got.headers["etag"]) == (LISTS, put.headers["etag"])
        assert got.headers["content-type"] == LIST_TYPE["Content-Type"]
        assert (
            alice.get(path(name="a"), headers={"If-None-Match": put.headers["etag"]}).status_code
            == 304
        )
        node_uri = (
            path(name="a", xui="alice@ims.test")
            + "/~~/resource-lists/list%5b@name=%22friends%22%5d"
        )
        entry = f"{node_uri}/entry%5b@uri=%22sip:carol@ims.test%22%5d"
        added = alice.put(entry, content=b'<entry uri="sip:carol@ims.test"/>', headers=ELEMENT)
        assert added.status_code == 201
        assert added.headers["etag"] != put.headers["etag"]
        after = alice.get(path(name="a"))
        assert after.headers["etag"] == added.headers["etag"]
        bob, carol = b'<entry uri="sip:bob@ims.test"/>', b'<entry uri="sip:carol@ims.test"/>'
        assert after.content == LISTS.replace(bob, bob + carol)
        name = alice.get(f"{node_uri}/@name")
        assert (name.content, name.headers["content-type"]) == (
            b'"friends"',
            "application/xcap-att+xml",
        )
        scope = alice.get(f"{node_uri}/namespace::*")
        assert scope.content == b'<list xmlns="urn:ietf:params:xml:ns:resource-lists"/>'
        head = alice.head(path(name="a"))
        assert (head.content, head.headers["content-length"]) == (b"", str(len(after.content)))
        assert alice.delete(entry).status_code == 200
        assert alice.get(path(name="a")).content == LISTS
        assert alice.put(path(name="a"), content=LISTS, headers=LIST_TYPE).status_code == 200
        gone = alice.delete(path(name="a"))
        assert (gone.status_code, "etag" in gone.headers) == (200, False)


def test_who_may_read_and_write_what(node: RunningNode) -> None:
    anonymous = httpx.get(f"{root(node)}/{path()}")
    assert anonymous.status_code == 401
    challenges = anonymous.headers.get_list("www-authenticate")
    assert [word in line for word, line in zip(("SHA-256", "MD5"), challenges, strict=True)] == [
        True,
        True,
    ]
    assert httpx.get(f"{root(node)}/{path(xui='sip:nobody@ims.test')}").status_code == 401
    wrong = httpx.DigestAuth("alice", "wrong")
    assert httpx.get(f"{root(node)}/{path()}", auth=wrong).status_code == 401
    with client(node, "bob") as bob:
        assert bob.get(path()).status_code == 403
        assert bob.put(path(), content=LISTS, headers=LIST_TYPE).status_code == 403
        assert bob.get(path(xui="sip:nobody@ims.test")).status_code == 404
        assert bob.get("nothing/users/sip:bob@ims.test/index").status_code == 404
        caps = bob.get("xcap-caps/global/index")
        assert caps.headers["content-type"] == "application/xcap-caps+xml"
        validate(parse_xml(caps.content, "caps"), "caps")
        assert (
            bob.get(
                "xcap-caps/global/index", headers={"If-None-Match": caps.headers["etag"]}
            ).status_code
            == 304
        )
        assert (
            bob.put(
                "xcap-caps/global/index",
                content=caps.content,
                headers={"Content-Type": "application/xcap-caps+xml"},
            ).status_code
            == 403
        )
        post = bob.post(path(xui="sip:bob@ims.test"), content=b"x")
        assert (post.status_code, post.headers["allow"]) == (405, "GET, HEAD, PUT, DELETE")


def test_refusals_say_why(node: RunningNode) -> None:
    with client(node) as alice:
        invalid = alice.put(path(), content=LISTS.replace(b"entry", b"exit"), headers=LIST_TYPE)
        assert (invalid.status_code, invalid.headers["content-type"]) == (
            409,
            "application/xcap-error+xml",
        )
        validate(parse_xml(invalid.content, "error"), "error")
        assert b"schema-validation-error" in invalid.content
        assert alice.put(path(), content=LISTS).status_code == 415
        large = LISTS + b" " * 8192
        assert alice.put(path(), content=large, headers=LIST_TYPE).status_code == 413
        orphan = alice.put(path(name="no") + "/~~/resource-lists", content=b"<x/>", headers=ELEMENT)
        assert b"no-parent" in orphan.content
        for number in range(4):
            assert (
                alice.put(path(name=f"n{number}"), content=LISTS, headers=LIST_TYPE).status_code
                == 201
            )
        full = alice.put(path(name="n4"), content=LISTS, headers=LIST_TYPE)
        assert (full.status_code, full.text) == (403, "the user has as many documents as allowed\n")
        listed = alice.get(path("org.openmobilealliance.xcap-directory", "directory.xml"))
        assert listed.text.count("<entry ") == 4
        assert f"{root(node)}/resource-lists/users/sip:alice@ims.test/n0" in listed.text
        for number in range(4):
            assert alice.delete(path(name=f"n{number}")).status_code == 200


def test_of_two_clients_that_race_one_wins(node: RunningNode) -> None:
    with (
        client(node, "carol") as first,
        client(node, "carol") as second,
        ThreadPoolExecutor(2) as pool,
    ):
        own = path(xui="sip:carol@ims.test")
        etag = first.put(own, content=LISTS, headers=LIST_TYPE).headers["etag"]
        second.get(own)
        for turn in range(5):
            bodies = [LISTS + b"<!-- %d %d -->" % (turn, n) for n in (1, 2)]
            headers = {**LIST_TYPE, "If-Match": etag}
            sent = [
                pool.submit(one.put, own, content=body, headers=headers)
                for one, body in zip((first, second), bodies, strict=True)
            ]
            answers = [one.result() for one in sent]
            assert sorted(answer.status_code for answer in answers) == [200, 412]
            winner = next(n for n, answer in enumerate(answers) if answer.status_code == 200)
            got = first.get(own)
            assert got.content == bodies[winner]
            etag = got.headers["etag"]
            assert etag == answers[winner].headers["etag"]


def services(uri: str) -> bytes:
    return (
        '<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">'
        f'<service uri="{uri}"><list/></service></rls-services>'
    ).encode()


def test_service_uris_are_unique_and_indexed(node: RunningNode) -> None:
    kind = {"Content-Type": "application/rls-services+xml"}
    with client(node) as alice, client(node, "bob") as bob:
        mine, his = path("rls-services"), path("rls-services", xui="sip:bob@ims.test")
        assert (
            alice.put(mine, content=services("sip:team@ims.test"), headers=kind).status_code == 201
        )
        for taken in ("sip:team@ims.test", "sip:carol@ims.test", "sip:echo@ims.test"):
            refused = bob.put(his, content=services(taken), headers=kind)
            assert (refused.status_code, b"uniqueness-failure" in refused.content) == (409, True)
            assert b"-2@ims.test</alt-value>" in refused.content
        assert bob.put(his, content=services("sip:crew@ims.test"), headers=kind).status_code == 201
        # It tells of everybody's lists, and is for the node alone (RFC 4826 4.4.9).
        assert bob.get("rls-services/global/index").status_code == 403
        assert alice.delete(mine).status_code == 200
        assert bob.put(his, content=services("sip:team@ims.test"), headers=kind).status_code == 200
        assert bob.delete(his).status_code == 200


HOSTILE_PATHS = [
    "resource-lists/users/../../../../../../etc/passwd",
    "resource-lists/users/..%5c..%5cetc%5cpasswd/index",
    f"resource-lists/users/{ALICE}/index%00.xml",
    f"resource-lists/users/{ALICE}/a%2f..%2fb",
    f"resource-lists/users/{ALICE}/index/~~/resource-lists/ancestor::node()",
    f"resource-lists/users/{ALICE}/index/~~/resource-lists/list%5b@name=%22x%22%20or%20%221%22=%221%22%5d",
    f"resource-lists/users/{ALICE}/index/~~/" + "/".join(["*"] * 500),
    f"resource-lists/users/{ALICE}/index/~~/a?" + "xmlns(a=" * 300,
]
BOMB = b"".join(b'<!ENTITY e%d "&e%d;&e%d;">' % (n + 1, n, n) for n in range(40))
HOSTILE_DOCUMENTS = {
    "entities": b'<!DOCTYPE r [<!ENTITY e0 "ha">' + BOMB + b"]><r>&e40;</r>",
    "external": b'<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><r>&e;</r>',
    "depth": b"<a>" * 1000 + b"</a>" * 1000,
    "attributes": b"<a " + b" ".join(b"a%d='1'" % n for n in range(900)) + b"/>",
    "utf-16": "<resource-lists/>".encode("utf-16"),
    "octets": bytes(range(256)),
    "markup": b"<!--" * 2000,
}


def raw(node: RunningNode, octets: bytes) -> bytes:
    """Send octets as they are; gives all that comes back until the connection ends."""
    host, port = node.http.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_hostile_requests_are_refused_and_leave_no_trace(node: RunningNode) -> None:
    for path_of in HOSTILE_PATHS:
        for method in (b"GET", b"PUT", b"DELETE"):
            answer = raw(
                node,
                b"%b /xcap/%b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                % (method, path_of.encode()),
            )
            assert answer.split()[1] == b"401"
    with client(node) as alice:
        signed = alice.get(path(name="none")).request.headers["authorization"]
        assert signed.startswith("Digest ")
        assert alice.get(
            path(name="none"), headers={"Authorization": "Digest x"}, auth=None
        ).status_code in (400, 401)
        for name, octets in HOSTILE_DOCUMENTS.items():
            refused = alice.put(path(name=name), content=octets, headers=LIST_TYPE)
            assert (name, refused.status_code) == (name, 409)
            assert alice.get(path(name=name)).status_code == 404
            element = path(name=name) + "/~~/resource-lists"
            assert alice.put(element, content=octets, headers=ELEMENT).status_code == 409
    assert httpx.get(f"http://{node.http}/healthz").status_code == 200
    assert (
        'imsnode_xcap_answers_total{status="409"}' in httpx.get(f"http://{node.http}/metrics").text
    )


def phone(node: RunningNode, user: str) -> Phone:
    return Phone(("127.0.0.1", node.ports["udp"]), user)


def subscribe(client: Phone, to: str, event: str, body: bytes = b"") -> bytes:
    """Subscribe and return the body of the first NOTIFY."""
    lines = [f"Event: {event}", "Expires: 600", f"Contact: <{client.contact}>"]
    lines += ["Content-Type: application/resource-lists+xml"] if body else []
    asked = client.request("SUBSCRIBE", f"sip:{to}@ims.test", None, lines, body)
    assert client.answer_to(asked).status == 200
    return notified(client).body


def notified(client: Phone) -> Reply:
    """Return the next NOTIFY, answered."""
    while True:
        got = client.inbox.pop(0) if client.inbox else client.receive(8.0)
        assert got is not None
        if got.method == "NOTIFY":
            client.respond(got, 200)
            return got


def test_changes_are_notified(node: RunningNode) -> None:
    own = path(name="followed")
    follow = LISTS.replace(b"sip:bob@ims.test", own.encode())
    with client(node) as alice, phone(node, "alice") as watcher:
        assert own.encode() not in subscribe(watcher, "alice", "xcap-diff", follow)
        first = alice.put(own, content=LISTS, headers=LIST_TYPE).headers["etag"].strip('"')
        told = notified(watcher).body
        validate(parse_xml(told, "diff"), "diff")
        assert f'<d:document sel="{own}" new-etag="{first}"/>'.encode() in told
        alice.delete(own)
        assert f'sel="{own}" previous-etag="{first}"/>'.encode() in notified(watcher).body


def test_hard_state_and_rules_have_effect_at_once(node: RunningNode) -> None:
    state, rules = path("pidf-manipulation"), path("pres-rules")
    kinds = [{"Content-Type": f"application/{kind}+xml"} for kind in ("pidf", "auth-policy")]
    with client(node) as alice, phone(node, "bob") as bob:
        assert b"on holiday" not in subscribe(bob, "alice", "presence")
        assert alice.put(state, content=HARD_STATE, headers=kinds[0]).status_code == 201
        assert b"on holiday" in notified(bob).body
        assert alice.put(rules, content=BLOCK_BOB, headers=kinds[1]).status_code == 201
        assert notified(bob).get("subscription-state") == "terminated;reason=rejected"
        assert [alice.delete(one).status_code for one in (state, rules)] == [200, 200]


def test_what_an_operator_puts_is_there_at_once(node: RunningNode, tmp_path: Path) -> None:
    file = tmp_path / "lists.xml"
    file.write_bytes(LISTS)
    own = path(xui="sip:bob@ims.test", name="given")
    with client(node, "bob") as bob:
        assert bob.get(own).status_code == 404
        assert node.command("xcap", "put", own, str(file)).stdout == f"created {own}\n"
        assert bob.get(own).content == LISTS
        assert bob.delete(own).status_code == 200


def test_documents_outlive_the_node_but_not_their_user(node: RunningNode) -> None:
    own = path(xui="sip:carol@ims.test")
    with client(node, "carol") as carol:
        etag = carol.put(own, content=LISTS, headers=LIST_TYPE).headers["etag"]
    node.stop()
    node.start()
    with client(node, "carol") as carol:
        got = carol.get(own)
        assert (got.content, got.headers["etag"]) == (LISTS, etag)
    node.command("user", "remove", "sip:carol@ims.test")
    node.command("user", "add", "sip:carol@ims.test", "--password", "pw-carol")
    with client(node, "carol") as carol:
        assert carol.get(own).status_code == 404


def test_hostile_requests_of_other_servers_incidents(node: RunningNode) -> None:
    """Smuggled lengths, paths that lead elsewhere, XPath that is none (threats.md H2, X4, X5)."""
    host, port = node.http.split(":")
    names = {
        "HOST": host, "PORT": port, "USER": "alice", "DOMAIN": "ims.test", "XCAPROOT": "/xcap",
    }  # fmt: skip
    cases = load_cases("http")
    assert len(cases) >= 14
    for case in cases:
        file = CASES / "http" / f"{case['id']}.http"
        got = raw(node, fill(file.read_bytes(), names))
        status = got.split(b" ", 2)[1].decode() if got else "close"
        allowed = [want.replace("xx", "") for want in case["want"]]
        assert "any" in allowed or status.startswith(tuple(allowed)), (case["id"], status)
        assert not any(status.startswith(no.rstrip("x")) for no in case.get("must_not", ())), case
        assert not any(never.encode() in got for never in case.get("bytes_never", ())), case
    assert httpx.get(f"http://{node.http}/healthz").status_code == 200


def test_hostile_xml_is_no_document(node: RunningNode) -> None:
    """What PUBLISH is sent in `tests/abuse` is no document either (threats.md X1 to X3)."""
    names = {"USER": "alice", "DOMAIN": "ims.test", "PEER": "bob"}
    where, kind = path("pidf-manipulation"), {"Content-Type": "application/pidf+xml"}
    with client(node) as alice:
        for file in sorted((CASES / "xml").iterdir()):
            body = fill(file.read_bytes(), names).partition(b"\r\n\r\n")[2]
            answer = alice.put(where, content=body, headers=kind)
            if answer.status_code == 201:
                assert file.stem == "pi-stylesheet"  # an instruction that nobody follows
                assert alice.delete(where).status_code == 200
            else:
                assert answer.status_code in (409, 413), file.name
            assert alice.get(where).status_code == 404
            assert b"root:x:" not in answer.content
