"""xcap-diff: which documents and nodes a watcher is told of, and how (RFC 5875, RFC 5874)."""

from __future__ import annotations

from typing import Any, cast

import pytest
from lxml import etree

from presence.event.package import Refused, Standing, Terms
from presence.event.subscription import Subscription
from presence.packages.xcap_diff import XcapDiffPackage
from presence.xcap import GLOBAL, Limits, Server, all_usages
from sip.bodies.schema import validate
from sip.bodies.xml import parse_xml

ALICE, BOB = "sip:alice@ims.test", "sip:bob@ims.test"
TYPE = b"application/resource-lists+xml"
INDEX = f"resource-lists/users/{ALICE}/index"
FRIENDS = f"{INDEX}/~~/resource-lists/list%5b@name=%22friends%22%5d"


def lists(content: str, root: str = "resource-lists") -> bytes:
    return f'<{root} xmlns="urn:ietf:params:xml:ns:resource-lists">{content}</{root}>'.encode()


class World:
    """Documents that tell a package of their changes, and a notifier that says whom it touched."""

    root = "http://xcap.ims.test/xcap"

    def __init__(self) -> None:
        self.server = Server(all_usages(), "/xcap", Limits())
        self.kept: dict[tuple[str, str, str], tuple[str, bytes]] = {}
        self.touched: list[int] = []
        self.package = XcapDiffPackage(self, {ALICE, BOB}.__contains__)
        self.package.joined(cast(Any, self))

    def get(self, auid: str, xui: str, path: str) -> bytes | None:
        return self.kept.get((xui, auid, path), ("", None))[1]

    def etag(self, auid: str, xui: str, path: str) -> str | None:
        return self.kept.get((xui, auid, path), (None, b""))[0]

    def names(self, auid: str, xui: str) -> tuple[str, ...]:
        return tuple(name for owner, usage, name in self.kept if (owner, usage) == (xui, auid))

    def touch_all(self, subs: list[Subscription], now: float) -> None:
        """Note who would be sent a NOTIFY."""
        news = [sub for sub in subs if not sub.etag or self.package.etag(sub, now) != sub.etag]
        self.touched += [sub.number for sub in news]

    def put(self, etag: str, octets: bytes | None, owner: str = ALICE, name: str = "index") -> None:
        key = (owner, "resource-lists", name)
        old = self.kept.pop(key, (None, b""))[0]
        if octets is not None:
            self.kept[key] = (etag, octets)
        self.package.document_changed(key[1], owner, name, old, etag or None, 0.0)

    def subscribe(self, *uris: str, watcher: str = ALICE, number: int = 1) -> Subscription:
        entries = "".join(f'<entry uri="{uri}"/>'.replace("&", "&amp;") for uri in uris)
        terms = Terms(b"xcap-diff", (), TYPE, lists(f"<list>{entries}</list>"))
        dialog = cast(Any, None)
        sub = Subscription(
            cast(Any, self), number, self.package, watcher, watcher, dialog, terms, b"", b"", 0.0
        )
        self.package.open(sub, 0.0)
        return sub

    def told(self, sub: Subscription) -> list[dict[str, Any]]:
        """Render what is due, and return tag, attributes and content of what is in it."""
        body = self.package.render(sub, 0.0)
        sub.etag = self.package.etag(sub, 0.0)
        if body is None:
            return []
        validate(parse_xml(body.content, "xcap-diff"), "xcap-diff")
        root = etree.fromstring(body.content)
        assert root.get("xcap-root") == f"{self.root}/"
        return [
            {
                "what": etree.QName(one).localname,
                **one.attrib,
                "content": one.text or b"".join(etree.tostring(child) for child in one).decode(),
            }
            for one in root
        ]


def document(sel: str, **tags: str) -> dict[str, Any]:
    return {
        "what": "document",
        "sel": sel,
        "content": "",
        **{k.replace("_", "-"): v for k, v in tags.items()},
    }


def test_the_first_body_has_documents_with_tags_and_nodes_with_content() -> None:
    world = World()
    world.put("1", lists('<list name="friends"><!-- kept --><entry uri="sip:a@b"/></list>'))
    sub = world.subscribe(INDEX, FRIENDS, f"{FRIENDS}/@name", f"resource-lists/users/{ALICE}/none")
    told = world.told(sub)
    assert told[0] == document(INDEX, new_etag="1")
    assert (told[1]["what"], told[1]["sel"]) == ("element", FRIENDS)
    assert "<!-- kept --><entry" in told[1]["content"]
    assert told[2] == {"what": "attribute", "sel": f"{FRIENDS}/@name", "content": "friends"}
    assert world.told(sub) == []


def test_changes_creations_and_deletions() -> None:
    world = World()
    world.put("1", lists('<list name="friends"/>'))
    sub = world.subscribe(INDEX, FRIENDS)
    world.told(sub)
    world.put("2", lists('<list name="friends"/><list/>'))
    assert world.told(sub) == [document(INDEX, previous_etag="1", new_etag="2")]
    world.put("3", lists("<list/>"))
    assert world.told(sub) == [
        document(INDEX, previous_etag="2", new_etag="3"),
        {"what": "element", "sel": FRIENDS, "exists": "0", "content": ""},
    ]
    world.put("", None)
    assert world.told(sub) == [document(INDEX, previous_etag="3")]
    world.put("4", lists('<list name="friends"/>'))
    told = world.told(sub)
    assert told[0] == document(INDEX, new_etag="4")
    assert told[1]["sel"] == FRIENDS
    assert world.touched == [1, 1, 1, 1]


def test_a_change_of_something_else_tells_nobody() -> None:
    world = World()
    world.put("1", lists('<list name="friends"/>'))
    sub = world.subscribe(FRIENDS)
    world.told(sub)
    world.put("2", lists('<list name="friends"/><list/>'))
    world.put("1", lists(""), name="other")
    assert world.touched == []
    world.package.close(sub)
    world.put("3", lists(""))
    assert world.touched == []


def test_collections_tell_of_documents_that_come() -> None:
    world = World()
    sub = world.subscribe(INDEX, "resource-lists/", f"resource-lists/users/{ALICE}/", "nothing/")
    assert world.told(sub) == []
    world.put("1", lists(""))
    world.put("2", lists(""), name="other")
    world.put("3", lists(""), owner=GLOBAL, name="all")
    world.put("4", lists(""), owner=BOB)
    assert world.told(sub) == [
        document(INDEX, new_etag="1"),
        document("resource-lists/global/all", new_etag="3"),
        document(f"resource-lists/users/{ALICE}/other", new_etag="2"),
    ]


def test_what_a_watcher_may_not_read_is_not_told_of() -> None:
    world = World()
    world.put("1", lists(""))
    sub = world.subscribe(INDEX, f"resource-lists/users/{ALICE}/", "..", "nothing", watcher=BOB)
    assert world.told(sub) == []
    assert world.package.authorise(ALICE, BOB, 0.0).standing is Standing.ALLOW
    assert world.package.authorise(ALICE, "sip:x@else.test", 0.0).standing is Standing.BLOCK


def test_uris_may_be_absolute_and_come_back_as_they_were_written() -> None:
    world = World()
    world.put("1", lists(""))
    uris = (f"{world.root}/{INDEX}", f"/xcap/{INDEX}", INDEX.replace(":", "%3A"))
    sub = world.subscribe(*uris)
    assert [one["sel"] for one in world.told(sub)] == list(uris)


def test_prefixes_of_a_document_keep_their_meaning() -> None:
    world = World()
    content = '<list xmlns:d="urn:d"><d:note d:k="&gt;]]&gt;"/></list>'
    world.put("1", lists(content))
    note = f"{INDEX}/~~/resource-lists/list/a:note"
    query = "?xmlns(a=urn:d)"
    sub = world.subscribe(note + query, f"{note}/@a:k{query}")
    told = world.told(sub)
    assert etree.fromstring(told[0]["content"]).tag == "{urn:d}note"
    assert told[1]["content"] == ">]]>"


def test_nodes_beyond_the_size_are_only_said_to_exist() -> None:
    world = World()
    world.put(
        "1", lists(f'<list name="friends"><display-name>{"x" * 50_000}</display-name></list>')
    )
    assert world.told(world.subscribe(FRIENDS))[0]["content"] == ""


def test_the_order_of_uris_does_not_change_the_entity_tag() -> None:
    world = World()
    world.put("1", lists('<list name="friends"/>'))
    first, second = world.subscribe(INDEX, FRIENDS), world.subscribe(FRIENDS, INDEX, number=2)
    tag = world.package.etag(first, 0.0)
    assert tag == world.package.etag(second, 0.0)
    world.put("2", lists('<list name="friends"/>'))
    assert world.package.etag(first, 0.0) != tag


@pytest.mark.parametrize(
    ("media_type", "body", "status"),
    [
        (b"", b"", 415),
        (b"text/plain", b"x", 415),
        (TYPE, b"<x", 400),
        (TYPE, lists("<list><entry/></list>"), 400),
        (TYPE, lists("<list>" + "<entry uri='a/users/b/c'/>" * 101 + "</list>"), 413),
    ],
)
def test_subscriptions_that_are_not_understood(media_type: bytes, body: bytes, status: int) -> None:
    world = World()
    sub = world.subscribe(INDEX)
    sub.terms = Terms(b"xcap-diff", (), media_type, body)
    with pytest.raises(Refused) as caught:
        world.package.open(sub, 0.0)
    assert caught.value.status == status
