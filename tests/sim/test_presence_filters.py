"""Filters of watchers (RFC 4660): what a NOTIFY holds, and which changes are told."""

from __future__ import annotations

from presence.documents.filters import MEDIA_TYPE
from tests.support.presence_world import ALICE, BOB, Client, World, pidf

from .test_resource_lists import KNOWS, ListWorld, subscribed, told

TYPE = ((b"Content-Type", MEDIA_TYPE),)


def filter_set(content: str, attributes: str = "") -> bytes:
    return (
        '<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings>'
        '<ns-binding prefix="p" urn="urn:ietf:params:xml:ns:pidf"/></ns-bindings>'
        f'<filter id="1" {attributes}>{content}</filter></filter-set>'
    ).encode()


NO_NOTES = filter_set("<what><exclude>//p:note</exclude></what>")
OPENED = filter_set("<trigger><changed to='open'>//p:basic</changed></trigger>")


def watch(world: World, body: bytes) -> Client:
    bob = Client(world, "bob", "192.0.2.10", BOB)
    answer = bob.subscribe(headers=TYPE, body=body)
    assert answer is not None
    assert answer.status == 200
    world.run()
    return bob


def test_a_watcher_is_told_what_it_wants_until_it_wants_more() -> None:
    world = World()
    alice = Client(world, "alice", "192.0.2.11", ALICE)
    alice.publish(pidf("secret"))
    bob = watch(world, NO_NOTES)
    assert b"secret" not in bob.notifies[-1].body
    assert b"open" in bob.notifies[-1].body
    bob.refresh(headers=TYPE, body=filter_set("", 'enabled="false"'))
    world.run(6)
    assert b"secret" in bob.notifies[-1].body


def test_only_the_changes_it_wants_are_told() -> None:
    world = World()
    alice = Client(world, "alice", "192.0.2.11", ALICE)
    etag = (alice.publish(pidf("a", basic="closed")) or world).get("sip-etag")  # type: ignore[union-attr]
    bob = watch(world, OPENED)
    for note, basic in (("b", "closed"), ("c", "open"), ("d", "open"), ("e", "closed")):
        world.run(6)
        answer = alice.publish(pidf(note, basic=basic), etag=etag or b"")
        assert answer is not None
        etag = answer.get("sip-etag")
    world.run(12)
    assert [b">a<" in one.body or b">c<" in one.body for one in bob.notifies] == [True, True]


def test_a_filter_that_is_not_understood_is_488() -> None:
    bob = Client(World(), "bob", "192.0.2.10", BOB)
    answer = bob.subscribe(headers=TYPE, body=NO_NOTES.replace(b"//p:", b"//q:"))
    assert answer is not None
    assert answer.status == 488


def test_a_filter_for_a_member_of_a_list() -> None:
    world = ListWorld()
    Client(world, "bob", "192.0.2.11", BOB).publish(pidf("secret", BOB))
    body = NO_NOTES.replace(b'id="1"', f'id="1" uri="{BOB}"'.encode())
    alice = subscribed(world, headers=(*KNOWS, *TYPE), body=body)
    assert told(alice.notifies[-1])[2][BOB] == "active open"


def test_filters_of_all_requests_outlive_a_restart() -> None:
    world = World()
    alice = Client(world, "alice", "192.0.2.11", ALICE)
    answer = alice.publish(pidf("secret"))
    assert answer is not None
    bob = watch(world, NO_NOTES)
    other = NO_NOTES.replace(b'<filter id="1"', b'<filter id="2" uri="sip:carol@ims.test"')
    bob.refresh(headers=TYPE, body=other)
    bob.refresh(headers=TYPE, body=other)
    (sub,) = world.notifier
    assert sub.terms.body == NO_NOTES + b"\0" + other
    world.run(6)
    world.restart()
    world.run(6)
    alice.publish(pidf("secret too"), etag=answer.get("sip-etag") or b"")
    world.run(6)
    assert not any(b"secret" in one.body for one in bob.notifies)
    full = bob.refresh(headers=TYPE, body=other.replace(b"carol", b"c" * 65_000))
    assert full is not None
    assert full.status == 413
