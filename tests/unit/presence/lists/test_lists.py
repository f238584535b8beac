"""Who is on a list, what its watcher is told, and in how many pieces."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import cast

import pytest

from presence.event.package import Body, Decision, EventPackage, Refused, Standing, Terms
from presence.event.states import WatcherEvent
from presence.event.subscription import NEWS, NOW, Subscription
from presence.lists.choose import ListChooser
from presence.lists.members import ListLimits, members_of, referred_members
from presence.lists.package import ListPackage
from presence.lists.ports import Service, State
from presence.lists.services import read_services
from sip.bodies.multipart import parse_multipart
from sip.bodies.resource_lists import MEDIA_TYPE as RECIPIENTS
from sip.bodies.schema import validate
from sip.bodies.xml import Element, parse_xml
from sip.errors import ParseError
from sip.message import Request
from sip.parser import parse_message
from tests.support.sip_messages import LIMITS, request_bytes

ALICE = "sip:alice@ims.test"
LIST = "sip:alice-friends@ims.test"
NS = 'xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists"'


def services(*each: str) -> bytes:
    return f"<rls-services {NS}>{''.join(each)}</rls-services>".encode()


def service(
    uri: str, content: str, packages: str = "<packages><package>presence</package></packages>"
) -> str:
    return f'<service uri="{uri}"><list>{content}</list>{packages}</service>'


def entry(uri: str, name: str = "") -> str:
    shown = f"<rl:display-name>{name}</rl:display-name>" if name else ""
    return f'<rl:entry uri="{uri}">{shown}</rl:entry>'


class Documents:
    """List documents of one user, held in memory."""

    def __init__(self, body: bytes, **elements: str) -> None:
        self.services = {one.uri: one for one in read_services(body, ALICE)}
        self.elements = {
            name: parse_xml(
                f'<list xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:rl="urn:ietf:params:xml:ns:resource-lists">{text}</list>'.encode(),
                name,
            )
            for name, text in elements.items()
        }

    def service(self, uri: str) -> Service | None:
        return self.services.get(uri)

    def element(self, reference: str, owner: str) -> Element | None:
        assert owner == ALICE
        found = self.elements.get(reference)
        return found[0] if found is not None and reference.startswith("entry") else found


def uris(documents: Documents, limits: ListLimits = ListLimits()) -> list[str]:  # noqa: B008
    return [one.key for one in members_of(documents.services[LIST], documents, limits)]


def test_a_list_has_each_member_once_in_its_order() -> None:
    content = (
        entry("sip:bob@ims.test", "Bob")
        + "<rl:list>"
        + entry("pres:carol@ims.test")
        + "</rl:list>"
        + entry("sips:bob@ims.test")
    )
    documents = Documents(services(service(LIST, content)))
    assert uris(documents) == ["sip:bob@ims.test", "sip:carol@ims.test"]
    assert members_of(documents.services[LIST], documents, ListLimits())[0].name == "Bob"


def test_references_are_followed_once_and_within_bounds() -> None:
    body = services(
        service(
            LIST,
            '<rl:external anchor="one"/><rl:entry-ref ref=" entry \n one"/>'
            + entry("sip:z@ims.test"),
        )
    )
    documents = Documents(
        body,
        one=entry("sip:a@ims.test") + '<rl:external anchor="two"/>',
        two='<rl:external anchor="one"/><rl:external anchor="missing"/>' + entry("sip:b@ims.test"),
        entryone=entry("sip:c@ims.test"),
    )
    assert uris(documents) == [f"sip:{user}@ims.test" for user in "abcz"]
    assert uris(documents, ListLimits(references=1)) == ["sip:a@ims.test", "sip:z@ims.test"]
    assert uris(documents, ListLimits(members=2)) == ["sip:a@ims.test", "sip:b@ims.test"]


def test_a_list_is_found_by_its_reference() -> None:
    documents = Documents(services(), one=entry("sip:a@ims.test") + entry(LIST))
    found = referred_members("one", ALICE, documents, ListLimits())
    assert [one.key for one in found] == ["sip:a@ims.test", LIST]
    assert referred_members("two", ALICE, documents, ListLimits()) == ()


def test_lists_of_lists_end() -> None:
    other = "sip:others@ims.test"
    documents = Documents(
        services(
            service(LIST, entry(other) + entry(LIST)),
            service(other, entry("sip:b@ims.test") + entry(LIST)),
        )
    )
    assert uris(documents) == ["sip:b@ims.test"]


def test_many_references_to_one_list_do_not_multiply() -> None:
    nested = {f"l{n}": f'<rl:external anchor="l{n + 1}"/>' * 50 for n in range(40)}
    documents = Documents(
        services(service(LIST, '<rl:external anchor="l0"/>')), **nested, l40=entry("sip:a@ims.test")
    )
    assert uris(documents) == ["sip:a@ims.test"]


@pytest.mark.parametrize("body", [b"", b"<rls-services/>", services('<service uri="a:b"/>')])
def test_what_is_no_services_document_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        read_services(body, ALICE)


class Inner:
    """An event package whose states are set by the test."""

    key = name = "presence"
    types = (b"application/pidf+xml",)
    expires_default, expires_min, expires_max, interval_s = 3600, 60, 3600, 5.0

    def __init__(self) -> None:
        self.states: dict[str, bytes] = {}
        self.standings: dict[str, Standing] = {}

    def admits(self, resource: str) -> bool:
        return not resource.startswith("sip:unknown")

    def authorise(self, resource: str, watcher: str, wall: float) -> Decision:
        return Decision(self.standings.get(resource, Standing.ALLOW), watcher)

    def view(
        self, resource: str, decision: Decision, wall: float, wanted: object = None
    ) -> Body | None:
        content = self.states.get(resource, b"<closed/>")
        return Body(self.types[0], content, b"%x" % hash(content))


class Notifier:
    """Notes what a list asks of the notifier."""

    def __init__(self) -> None:
        self.watched: dict[str, object] = {}
        self.touched = 0
        self.ended: list[tuple[Subscription, WatcherEvent]] = []
        self.clock = SimpleNamespace(now=lambda: 0.0)

    def watch(self, package: str, resource: str, watch: object) -> None:
        self.watched[resource] = watch

    def unwatch(self, package: str, resource: str, watch: object) -> None:
        assert self.watched.pop(resource) is watch

    def touch(self, sub: Subscription, now: float) -> None:
        sub.due |= NEWS
        self.touched += 1

    def terminate(self, sub: Subscription, event: WatcherEvent, now: float) -> None:
        self.ended.append((sub, event))


class Backend:
    """Notes which members elsewhere are followed."""

    def __init__(self) -> None:
        self.followed: dict[str, object] = {}

    def follow(self, package: str, uri: str, watcher: str, follower: object, now: float) -> None:
        self.followed[uri] = follower

    def leave(self, package: str, uri: str, watcher: str, follower: object, now: float) -> None:
        assert self.followed.pop(uri) is follower


class World:
    """One list subscription of alice's."""

    def __init__(self, content: str, terms: Terms | None = None, resource: str = LIST) -> None:
        self.inner, self.notifier, self.backend = Inner(), Notifier(), Backend()
        self.documents = Documents(services(service(LIST, content)))
        self.package = ListPackage(
            self.inner,
            self.documents,
            lambda uri: uri.endswith("@ims.test"),
            self.backend,
            ListLimits(),  # type: ignore[arg-type]
        )
        self.package.joined(self.notifier)  # type: ignore[arg-type]
        self.sub = Subscription(
            cast("object", None),
            7,
            self.package,
            resource,
            ALICE,
            cast("object", None),
            terms or Terms(b"presence"),
            b"",
            b"",
            0.0,  # type: ignore[arg-type]
        )
        self.package.open(self.sub, 0.0)

    def notify(self) -> tuple[Element, dict[str, bytes]]:
        """Render what is due: the meta-information, and the state of each member that has one."""
        self.sub.due = 0
        body = self.package.render(self.sub, 0.0)
        assert body is not None
        parts = parse_multipart(body.content_type, body.content, 600)
        root = parse_xml(parts[0].content, "rlmi")
        validate(root, "rlmi")
        assert body.content_type.startswith(
            b'multipart/related;type="application/rlmi+xml";start="'
        )
        by_cid = {(part.get(b"content-id") or b"").decode(): part.content for part in parts[1:]}
        states = {}
        for instance in root.iter("{*}instance"):
            resource = instance.getparent()
            assert resource is not None
            cid = instance.get("cid")
            states[resource.get("uri", "")] = (
                by_cid.pop(f"<{cid}>")
                if cid
                else f"{instance.get('state')} {instance.get('reason', '')}".strip().encode()
            )
        assert not by_cid
        return root, states


MEMBERS = "".join(entry(f"sip:{name}@ims.test") for name in ("bob", "carol", "dave", "unknown"))


def attributes(root: Element) -> tuple[str | None, str | None, list[str | None]]:
    return (
        root.get("version"),
        root.get("fullState"),
        [one.get("uri") for one in root.iter("{*}resource")],
    )


def test_the_first_notify_has_all_members_and_the_next_what_changed() -> None:
    world = World(MEMBERS)
    world.inner.standings = {
        "sip:carol@ims.test": Standing.CONFIRM,
        "sip:dave@ims.test": Standing.BLOCK,
    }
    root, states = world.notify()
    everybody = [f"sip:{name}@ims.test" for name in ("bob", "carol", "dave", "unknown")]
    assert attributes(root) == ("0", "true", everybody)
    assert states == {
        "sip:bob@ims.test": b"<closed/>",
        "sip:carol@ims.test": b"pending",
        "sip:dave@ims.test": b"terminated rejected",
    }

    world.inner.states["sip:bob@ims.test"] = b"<open/>"
    world.sub.interest.changed("sip:bob@ims.test", 1.0)  # type: ignore[attr-defined]
    world.sub.interest.changed("sip:dave@ims.test", 1.0)  # type: ignore[attr-defined]
    assert world.sub.due == NEWS
    root, states = world.notify()
    assert attributes(root) == ("1", "false", ["sip:bob@ims.test"])
    assert states == {"sip:bob@ims.test": b"<open/>"}

    world.sub.memo = None
    root, _ = world.notify()
    assert attributes(root) == ("2", "true", everybody)


def test_a_rule_that_changes_shows_the_member() -> None:
    world = World(MEMBERS)
    world.inner.standings["sip:bob@ims.test"] = Standing.CONFIRM
    world.notify()
    before = world.package.etag(world.sub, 0.0)
    world.inner.standings["sip:bob@ims.test"] = Standing.ALLOW
    world.sub.interest.changed("sip:bob@ims.test", 1.0)  # type: ignore[attr-defined]
    assert world.notify()[1] == {"sip:bob@ims.test": b"<closed/>"}
    assert world.package.etag(world.sub, 0.0) != before


def test_what_is_too_much_for_one_notify_follows_in_the_next() -> None:
    world = World("".join(entry(f"sip:u{n}@ims.test") for n in range(300)))
    world.inner.states = {f"sip:u{n}@ims.test": b"<x>%d</x>" % n + b" " * 500 for n in range(300)}
    root, told = world.notify()
    assert len(list(root.iter("{*}resource"))) == 300
    rounds = 1
    while world.sub.due:
        assert world.sub.due == NOW
        root, states = world.notify()
        assert root.get("fullState") == "false"
        assert states
        told |= states
        rounds += 1
    assert told == world.inner.states
    assert 3 < rounds < 8


def test_what_takes_too_long_to_look_up_follows_in_the_next() -> None:
    world = World("".join(entry(f"sip:u{n}@ims.test") for n in range(10)))
    moments = count()
    world.notifier.clock.now = lambda: next(moments) * 0.015
    root, told = world.notify()
    assert len(list(root.iter("{*}resource"))) == 10
    assert 0 < len(told) < 10
    while world.sub.due:
        told |= world.notify()[1]
    assert len(told) == 10


def test_members_elsewhere_are_followed_there() -> None:
    world = World(entry("sip:eve@other.test") + entry("sip:bob@ims.test"))
    assert list(world.backend.followed) == ["sip:eve@other.test"]
    assert list(world.notifier.watched) == ["sip:bob@ims.test"]
    assert "sip:eve@other.test" not in world.notify()[1]
    world.sub.interest.told("sip:eve@other.test", State("active", "", b"a/b", b"<e/>", b"1"), 2.0)  # type: ignore[attr-defined]
    world.sub.interest.told("sip:mallory@other.test", State("pending"), 2.0)  # type: ignore[attr-defined]
    assert world.notify()[1] == {"sip:eve@other.test": b"<e/>"}
    world.package.close(world.sub)
    assert not world.backend.followed
    assert not world.notifier.watched


def test_a_list_that_changes_is_told_from_the_beginning() -> None:
    world = World(entry("sip:bob@ims.test"))
    world.notify()
    changed = services(service(LIST, entry("sip:carol@ims.test")))
    world.documents.services = {one.uri: one for one in read_services(changed, ALICE)}
    world.package.lists_changed("sip:bob@ims.test", 1.0, 0.0)
    assert list(world.notifier.watched) == ["sip:bob@ims.test"]
    world.package.lists_changed(ALICE, 1.0, 0.0)
    assert list(world.notifier.watched) == ["sip:carol@ims.test"]
    assert attributes(world.notify()[0]) == ("1", "true", ["sip:carol@ims.test"])
    world.documents.services = {}
    world.package.lists_changed(ALICE, 1.0, 0.0)
    assert world.notifier.ended == [(world.sub, WatcherEvent.NORESOURCE)]


def test_lists_of_other_users_are_not_entered() -> None:
    world = World(entry("sip:others@ims.test"))
    theirs = services(service("sip:others@ims.test", entry("sip:secret@ims.test")))
    world.documents.services |= {one.uri: one for one in read_services(theirs, "sip:bob@ims.test")}
    world.package.lists_changed(ALICE, 1.0, 0.0)
    assert list(world.notifier.watched) == ["sip:others@ims.test"]


def test_a_list_may_come_with_the_request() -> None:
    body = b'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><entry uri="sip:bob@ims.test"/></list></resource-lists>'
    world = World("", Terms(b"presence", (), RECIPIENTS, body), "sip:rls@ims.test")
    assert attributes(world.notify()[0]) == ("0", "true", ["sip:bob@ims.test"])
    with pytest.raises(Refused):
        World("", Terms(b"presence", (), RECIPIENTS, body[:-1]), "sip:rls@ims.test")
    assert list(world.notifier.watched) == ["sip:bob@ims.test"]


def test_lists_are_their_owners() -> None:
    package = World("").package
    assert package.authorise(LIST, ALICE, 0.0).standing is Standing.ALLOW
    assert package.authorise(LIST, "sip:bob@ims.test", 0.0).standing is Standing.BLOCK
    assert package.authorise("sip:rls@ims.test", ALICE, 0.0).standing is Standing.ALLOW
    assert package.authorise("sip:rls@ims.test", "", 0.0).standing is Standing.BLOCK


def choose(resource: str, *lines: bytes, body: bytes = b"") -> str:
    world = World("")
    chooser = ListChooser({"presence": world.package}, world.documents)
    data = request_bytes("SUBSCRIBE", extra=lines, body=body)
    request = parse_message(data, LIMITS)
    assert isinstance(request, Request)
    return chooser(cast("EventPackage", world.inner), resource, request).key


SUPPORTED = b"Supported: 100rel, EventList"
BROUGHT = (b"Content-Type: application/resource-lists+xml", b"Content-Disposition: recipient-list")


def test_which_package_serves_a_subscribe() -> None:
    assert choose("sip:bob@ims.test") == "presence"
    assert choose("sip:bob@ims.test", SUPPORTED) == "presence"
    assert choose(LIST, SUPPORTED) == "presence+list"
    assert choose(LIST, SUPPORTED, b"Accept: multipart/*, application/rlmi+xml") == "presence+list"
    assert choose("sip:rls@ims.test", SUPPORTED, *BROUGHT, body=b"<x/>") == "presence+list"
    required = (BROUGHT[0], b"Require: recipient-list-subscribe")
    assert choose("sip:rls@ims.test", SUPPORTED, *required, body=b"<x/>") == "presence+list"


@pytest.mark.parametrize(
    ("status", "lines"), [(421, ()), (406, (SUPPORTED, b"Accept: application/pidf+xml"))]
)
def test_who_cannot_read_lists_is_told_so(status: int, lines: tuple[bytes, ...]) -> None:
    with pytest.raises(Refused) as caught:
        choose(LIST, *lines)
    assert caught.value.status == status
    assert status != 421 or caught.value.lines == (b"Require: eventlist",)
